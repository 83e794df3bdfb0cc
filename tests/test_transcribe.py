"""The embedded model on recordings: right words, and the same words however they are batched."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import asr
from asr.config import DecodeConfig
from asr.decode.greedy import greedy_search
from asr.decode.recognize import recognize
from asr.errors import AudioError, UsageError
from asr.prepare.librispeech import prepare_librispeech
from asr.score.wer import word_errors
from asr.speech.audio import load_audio
from asr.transcribe import Transcriber
from asr.transcript import Transcript

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber(device="cpu")


@pytest.fixture(scope="module")
def clips() -> list[asr.Utterance]:
    return asr.read_manifest(ROOT / "manifests" / "example.json")


def test_the_clips_are_understood(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    texts = [transcriber.transcribe(u.audio_filepath).text for u in clips]
    assert word_errors([u.text or "" for u in clips], texts).rate <= 0.15


def test_alone_in_a_batch_and_padded_are_the_same(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    waveforms = [torch.from_numpy(load_audio(u.audio_filepath)) for u in clips]
    waveforms += [w[: len(w) // 2] for w in waveforms] + [torch.cat([waveforms[0], waveforms[2]])]  # more lengths
    together = recognize(transcriber.model, waveforms)
    for waveform, batched in zip(waveforms, together, strict=True):
        (alone,) = recognize(transcriber.model, [waveform])
        assert [r.text for r in alone] == [r.text for r in batched]
        for one, other in zip(alone, batched, strict=True):
            assert one.hypothesis.tokens == other.hypothesis.tokens
            assert one.hypothesis.score == pytest.approx(other.hypothesis.score, abs=1e-4)
            assert one.hypothesis.ctc_score == pytest.approx(other.hypothesis.ctc_score, abs=1e-4)


def test_a_beam_of_one_without_ctc_is_greedy(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    waveforms = [torch.from_numpy(load_audio(u.audio_filepath)) for u in clips]
    # A threshold that never holds back makes `recognize` take the beam search all the same.
    beam = recognize(transcriber.model, waveforms, DecodeConfig(beam=1, ctc_weight=0, eos_threshold=1e9))
    network = transcriber.model.network
    with torch.inference_mode():
        states, lengths = network.listen(
            torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True), torch.tensor([len(w) for w in waveforms])
        )
        greedy = greedy_search(network.speller, network.speller.memory(states, lengths), lengths, 1.0)
    for (one,), (other,) in zip(beam, greedy, strict=True):
        assert one.hypothesis.tokens == other.tokens
        assert one.hypothesis.score == pytest.approx(other.score, abs=1e-4)


def test_samples_are_taken_as_well_as_files(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    path = clips[0].audio_filepath
    assert transcriber.transcribe(load_audio(path)).text == transcriber.transcribe(path).text


@pytest.mark.parametrize("samples", [np.zeros((2, 100), np.float32), np.array([0.0, np.nan], np.float32)])
def test_other_samples_are_refused(transcriber: Transcriber, samples: np.ndarray) -> None:
    with pytest.raises(AudioError, match="one channel"):
        transcriber.transcribe(samples)


def test_hours_of_samples_are_refused(transcriber: Transcriber) -> None:
    with pytest.raises(AudioError, match=r"2\.5 min long"):
        transcriber.transcribe(np.zeros(150 * transcriber.sample_rate, np.float32))


def test_many_files_come_back_each_with_its_own_text(transcriber: Transcriber, clips: list[asr.Utterance], tmp_path: Path) -> None:
    paths = [u.audio_filepath for u in clips] + [tmp_path / "gone.wav"]
    results = dict(transcriber.transcribe_files(paths * 2))
    assert sorted(results) == list(range(2 * len(paths)))
    for i, path in enumerate(paths * 2):
        result = results[i]
        if path.name == "gone.wav":
            assert isinstance(result, AudioError)
        else:
            assert isinstance(result, Transcript)
            assert result.audio_filepath == str(path)
            assert result.text == transcriber.transcribe(path).text


def test_a_model_without_ctc_cannot_search_with_it(tiny_folder: Path) -> None:
    model = asr.load_model(tiny_folder)
    model.network.ctc = None
    with pytest.raises(UsageError, match="no CTC head"):
        Transcriber(model)


def test_dev_clean_is_understood_as_the_card_says(dev_clean: Path, transcriber: Transcriber, tmp_path: Path) -> None:
    """Every twelfth utterance of the part of dev-clean at hand; its interval is some 5 points wide, either way."""
    [subset] = prepare_librispeech(dev_clean, tmp_path, ["dev-clean"])
    utterances = subset.utterances[::12]
    texts = [""] * len(utterances)
    for i, result in transcriber.transcribe_utterances(utterances):
        assert isinstance(result, Transcript)
        texts[i] = result.text
    stated = re.search(r"dev-clean WER \| ([\d.]+) %", transcriber.model.card)
    assert stated
    assert word_errors([u.text or "" for u in utterances], texts).rate <= float(stated[1]) / 100 + 0.05
