"""`asr evaluate` measures the texts that `asr transcribe` writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import asr.decode.recognize as recognize_module
from asr.cli import app
from asr.config import EMBEDDED
from asr.decode.utterances import Recognized
from asr.errors import AudioError
from asr.model.checkpoint import load_model
from asr.speech.audio import load_audio
from asr.speech.manifest import Utterance, read_manifest
from asr.transcribe import Transcriber, transcribe_utterances
from asr.transcript import Transcript

EXAMPLES = Path(__file__).parents[1] / "examples"
QUICK = ("--beam-size", "2", "--lm-weight", "0")
CLIPS = ("river", "walk", "window")


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    model = load_model(EMBEDDED)
    return Transcriber(model, model.search.model_copy(update={"beam": 2, "lm_weight": 0.0}))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Clips, all of them in one recording of more than one segment, a part of it, and noise."""
    folder = tmp_path_factory.mktemp("recordings")
    clips = {name: load_audio(EXAMPLES / f"{name}.flac") for name in CLIPS}
    pause = np.zeros(24_000, np.float32)
    long = np.concatenate([part for clip in clips.values() for part in (clip, pause)])
    noise = 0.05 * np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    for name, samples in (*clips.items(), ("long", long), ("noise", noise)):
        soundfile.write(folder / f"{name}.wav", samples, 16_000)
    whole = [Utterance(name, folder / f"{name}.wav", "A") for name in (*CLIPS, "long", "noise")]
    return [*whole, Utterance("part", folder / "long.wav", "A", 6.0, 2.5)]


def test_what_is_measured_is_what_is_written(transcriber: Transcriber, recordings: list[Utterance]) -> None:
    measured = {}
    for i, result in transcribe_utterances(transcriber.model, recordings, transcriber.decode):
        assert isinstance(result, Recognized)
        measured[recordings[i].id] = result.text
    written = {u.id: transcriber.transcribe(u.audio_filepath).text for u in recordings if not u.offset}
    assert len(written["long"].split()) > 20
    assert {name: text for name, text in measured.items() if name != "part"} == written
    assert measured["part"]


def test_words_without_evidence_are_not_measured(
    transcriber: Transcriber, recordings: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognize_module, "ctc_greedy", lambda log_probs, lengths: [[] for _ in lengths])
    assert [result for _, result in transcribe_utterances(transcriber.model, recordings[:1], transcriber.decode)] == [
        Recognized("", pytest.approx(recordings[0].duration or soundfile.info(recordings[0].audio_filepath).duration))
    ]


def test_a_recording_that_breaks_off_is_not_measured(
    transcriber: Transcriber, recordings: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Transcript("cut.wav", 1.0, (), missing=0.5)
    monkeypatch.setattr(Transcriber, "transcribe_many", lambda *_: iter([(0, broken)]))
    [(_, result)] = transcribe_utterances(transcriber.model, recordings[:1], transcriber.decode)
    assert isinstance(result, AudioError)
    assert str(result) == f"{recordings[0].audio_filepath}: breaks off, 0.50 s are missing: its text cannot be compared"


def test_both_commands_give_the_same_texts(recordings: list[Utterance], tmp_path: Path) -> None:
    lines = [{"id": u.id, "audio_filepath": str(u.audio_filepath), "text": "A"} for u in recordings[:2]]
    (tmp_path / "m.json").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    evaluated = CliRunner().invoke(app, ["evaluate", "--manifest", str(tmp_path / "m.json"), "--output", str(tmp_path / "h.json"), *QUICK])
    assert evaluated.exit_code == 0
    transcribed = CliRunner().invoke(app, ["transcribe", str(tmp_path / "m.json"), "--json", *QUICK])
    texts = [json.loads(line)["text"].strip() for line in transcribed.stdout.splitlines()]
    assert [u.extra["pred_text"] for u in read_manifest(tmp_path / "h.json")] == texts
