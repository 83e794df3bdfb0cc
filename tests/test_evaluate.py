"""`asr evaluate` measures the texts that `asr transcribe` writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings_support import film
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


def test_the_measured_texts_are_the_written_ones(transcriber: Transcriber, recordings: list[Utterance]) -> None:
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


def test_a_recording_that_breaks_off_is_not_measured(transcriber: Transcriber, recordings: list[Utterance], tmp_path: Path) -> None:
    data = recordings[0].audio_filepath.read_bytes()
    ogg = tmp_path / "cut.ogg"
    soundfile.write(ogg, load_audio(recordings[0].audio_filepath), 16_000, format="OGG", subtype="VORBIS")
    ogg.write_bytes(ogg.read_bytes()[:-2_000])  # its length is not known
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    (tmp_path / "short.wav").write_bytes(data[: len(data) - 3_200])  # 0.1 s
    cut = [Utterance(name, tmp_path / name, "A") for name in ("cut.wav", "cut.ogg", "short.wav")]
    results = [result for _, result in transcribe_utterances(transcriber.model, cut, transcriber.decode)]
    assert str(results[0]) == f"{tmp_path}/cut.wav: breaks off at 0:02 of 0:04: its text cannot be compared"
    assert isinstance(results[1], AudioError)
    assert "breaks off at 0:0" in str(results[1])
    assert isinstance(results[2], Recognized)
    assert results[2].notes == ("breaks off at 0:04 of 0:04",)


def test_both_commands_give_the_same_texts(recordings: list[Utterance], tmp_path: Path) -> None:
    lines = [{"id": u.id, "audio_filepath": str(u.audio_filepath), "text": "A"} for u in recordings[:2]]
    (tmp_path / "m.json").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    evaluated = CliRunner().invoke(app, ["evaluate", "--manifest", str(tmp_path / "m.json"), "--output", str(tmp_path / "h.json"), *QUICK])
    assert evaluated.exit_code == 0
    transcribed = CliRunner().invoke(app, ["transcribe", str(tmp_path / "m.json"), "--json", *QUICK])
    texts = [json.loads(line)["verbatim_text"].strip() for line in transcribed.stdout.splitlines()]
    assert [u.extra["pred_text"] for u in read_manifest(tmp_path / "h.json")] == texts


def test_a_track_is_measured(transcriber: Transcriber, tmp_path: Path) -> None:
    film(tmp_path / "a.mkv", 1)
    several = [Utterance("default", tmp_path / "a.mkv", "A"), Utterance("second", tmp_path / "a.mkv", "A", track=2)]
    missing = [Utterance("third", tmp_path / "a.mkv", "A", track=3)]
    results = [r for _, r in transcribe_utterances(transcriber.model, [*several, *missing], transcriber.decode)]
    assert isinstance(results[0], Recognized)
    assert results[0].notes[0].startswith("audio track 2 of 2 is read")
    assert results[1] == results[0]._replace(notes=())
    assert str(results[2]) == f"{tmp_path}/a.mkv: has 2 audio tracks, and no track 3"
    [(_, result)] = transcribe_utterances(transcriber.model, several[:1], transcriber.decode, track=1)
    assert isinstance(result, Recognized)
    assert result.notes == ()
