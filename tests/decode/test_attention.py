"""The attention that is shown is that of the words that are written, where they are said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import asr
from asr.decode.align import words_of
from asr.decode.attention import word_attention
from asr.decode.recognize import recognize_verified
from asr.speech.audio import load_audio

CLIPS = sorted((Path(__file__).parents[2] / "examples").glob("*.flac"))


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_attention_agrees_with_the_ctc_alignment(clip: Path) -> None:
    model = asr.load_model(device="cpu").model
    waveform = torch.from_numpy(load_audio(clip))
    [found] = recognize_verified(model, [waveform])
    placed = words_of(found.placed, model.tokenizer)
    seen = word_attention(model, waveform, found.readings[0].tokens)
    assert seen.words == tuple(word.text for word in placed)
    torch.testing.assert_close(seen.weights.sum(1), torch.ones(len(placed)))
    peaks = seen.weights.argmax(1) * seen.state_seconds
    middles = torch.tensor([(word.start + word.end) / 2 * seen.state_seconds for word in placed])
    assert (peaks - middles).abs().median() < 0.25
    assert seen.log_mel.shape == ((len(waveform) - 400) // 160 + 1, 80)  # whole windows of 25 ms, one every 10 ms


def test_nothing_written_is_nothing_looked_at() -> None:
    model = asr.load_model(device="cpu").model
    seen = word_attention(model, torch.zeros(16_000), [])
    assert seen.words == ()
    assert seen.weights.shape[0] == 0
