"""Streaming results: segments in order of time, recordings as soon as they are complete, and results of an earlier run."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tests_support import ROOT

import asr
from asr.decode.segments import Found
from asr.errors import AudioError, UsageError
from asr.sources import open_source
from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber, in_order
from asr.transcript import HeldBack, Segment, Transcript

EXAMPLES = ROOT / "examples"
RATE = 16_000


@pytest.fixture(scope="module")
def model() -> Transcriber:
    return asr.load_model(device="cpu", profile="fast", precision="fp32")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 90 s, of the clips with pauses between them."""
    clips = [asr.load_audio(path) for path in sorted(EXAMPLES.glob("*.flac"))] * 4
    path = tmp_path_factory.mktemp("long") / "long.flac"
    soundfile.write(path, np.concatenate([np.concatenate([clip, np.zeros(RATE, np.float32)]) for clip in clips])[: 90 * RATE], RATE)
    return path


def test_a_stream_has_the_segments_of_the_transcript_in_order(model: Transcriber, long: Path) -> None:
    whole = model.transcribe(long)
    assert len(whole.segments) > 5
    assert [timed(one) for one in model.stream(long)] == [timed(one) for one in whole.segments]


def test_the_first_segment_is_recognised_alone(model: Transcriber, long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    recognize = Transcriber.recognize

    def counted(self: Transcriber, speech: list[SpeechSegment]) -> list[Found]:
        batches.append(len(speech))
        return recognize(self, speech)

    monkeypatch.setattr(Transcriber, "recognize", counted)
    stream = model.stream(long)
    first = next(stream)
    assert sum(batches) <= 2
    assert first.end <= 10.0
    stream.close()  # type: ignore[attr-defined]


def test_a_short_recording_ends_before_a_long_one_that_goes_on(model: Transcriber, long: Path) -> None:
    small = replace_batch(model, 10.0)
    sources = [open_source(long), open_source(EXAMPLES / "walk.flac")]
    ended = [number for number, event in small.follow(list(reversed(sources))) if isinstance(event, Transcript)]
    assert ended == [0, 1]


def replace_batch(model: Transcriber, seconds: float) -> Transcriber:
    return Transcriber(model.model, model.decode, model.segment, seconds, nbest=1)


def test_known_segments_are_not_recognised_again(model: Transcriber, long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[float, Found] = {}

    def remember(number: int, speech: SpeechSegment, result: Found) -> None:
        found[speech.start] = result

    small = replace_batch(model, 20.0)
    *_, (_, whole) = in_order(small.follow([open_source(long)], on_recognized=remember))
    assert isinstance(whole, Transcript)
    assert len(found) == len(whole.segments)
    kept = dict(list(found.items())[::2])
    batches: list[float] = []
    recognize = Transcriber.recognize

    def counted(self: Transcriber, speech: list[SpeechSegment]) -> list[Found]:
        batches.extend(one.start for one in speech)
        return recognize(self, speech)

    monkeypatch.setattr(Transcriber, "recognize", counted)
    passed: list[float] = []
    *_, (_, again) = in_order(small.follow([open_source(long)], passed.append, known={0: kept}))
    assert isinstance(again, Transcript)
    assert [timed(one) for one in again.segments] == [timed(one) for one in whole.segments]
    assert sorted(batches) == sorted(found.keys() - kept.keys())
    assert sum(passed) == pytest.approx(whole.duration)


def timed(segment: Segment) -> tuple[float, float, list[tuple[str, float, float]]]:
    return segment.start, segment.end, [(word.text, word.start, word.end) for word in segment.words]


def test_events_in_completion_order_become_ordered_results() -> None:
    transcripts = [Transcript(name, 1.0, ()) for name in "abc"]
    held = HeldBack(0.0, 1.0, "NO")
    events = [(2, held), (0, held), (1, AudioError("b")), (2, transcripts[2]), (0, transcripts[0])]
    assert [(i, type(event)) for i, event in in_order(events)] == [
        (0, HeldBack),
        (0, Transcript),
        (1, AudioError),
        (2, HeldBack),
        (2, Transcript),
    ]


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "string": str,
    "utterance": lambda path: asr.Utterance("walk", path),
    "bytes": lambda path: path.read_bytes(),
    "file object": lambda path: io.BytesIO(path.read_bytes()),
    "open file": lambda path: open(path, "rb"),  # noqa: SIM115 - closed with the test
    "float samples": lambda path: asr.load_audio(path),
    "int16 samples": lambda path: soundfile.read(path, dtype="int16")[0],
    "tensor": lambda path: torch.from_numpy(asr.load_audio(path)),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_has_the_same_text(model: Transcriber, kind: str) -> None:
    path = EXAMPLES / "walk.flac"
    assert model.transcribe(SOURCES[kind](path)).text == model.transcribe(path).text


def test_samples_of_another_rate_are_resampled(model: Transcriber) -> None:
    samples = asr.load_audio(EXAMPLES / "walk.flac", sample_rate=48_000)
    found = model.transcribe(samples, rate=48_000)
    assert found.duration == pytest.approx(len(samples) / 48_000, abs=0.01)
    assert "WALKED DOWN TO THE RIVER" in found.text


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        ([1, 2], {}, "a recording of type list: expected a path, an open file, bytes, or samples"),
        (None, {}, "a recording of type NoneType"),
        (np.zeros(9, np.float32), {"rate": 0}, "rate is 0, expected the sample rate in Hz"),
        ("a.wav", {"hotwords": "ANNA"}, "hotwords 'ANNA' are one string: pass a list of phrases"),
        ("a.wav", {"beam": 0}, "beam is 0, expected 1 or more"),
        ("a.wav", {"profile": "quick"}, "profile 'quick': choose of fast, balanced, accurate"),
    ],
)
def test_wrong_arguments_are_named(model: Transcriber, audio: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model.transcribe(audio, **options)


def test_a_file_open_as_text_is_refused(model: Transcriber, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no recording", encoding="utf-8")
    with open(tmp_path / "a.txt", encoding="utf-8") as file, pytest.raises(AudioError, match="is open as text: open it with mode 'rb'"):
        model.transcribe(file)  # type: ignore[arg-type]


def test_bytes_that_are_no_recording_are_an_error_of_that_recording(model: Transcriber) -> None:
    first, second = model.transcribe_many([b"no recording at all", EXAMPLES / "walk.flac"])
    assert isinstance(first, AudioError)
    assert str(first).startswith("<bytes>: ")
    assert isinstance(second, Transcript)


def test_options_change_the_search_of_one_call(model: Transcriber) -> None:
    path = EXAMPLES / "walk.flac"
    assert "OLDANBY" in model.transcribe(path, profile="balanced", beam=8, hotwords=["OLDANBY"]).text
    assert "OLDANBY" not in model.transcribe(path).text
    assert len(model.transcribe(path, beam=3).segments[0].readings) == 3
    assert len(model.transcribe(path).segments[0].readings) == 1


@pytest.mark.parametrize(("profile", "precision"), [("quick", None), ("fast", "fp8")])
def test_an_unknown_profile_or_precision_is_refused(profile: Any, precision: Any) -> None:
    with pytest.raises(UsageError, match="choose of"):
        asr.load_model(device="cpu", profile=profile, precision=precision)


def test_transcripts_write_every_format(model: Transcriber, tmp_path: Path) -> None:
    transcript = model.transcribe(EXAMPLES / "walk.flac")
    for form in ("txt", "srt", "vtt", "tsv", "json"):
        path = transcript.write(tmp_path / f"walk.{form}")
        assert path.read_text(encoding="utf-8") == getattr(transcript, f"to_{form}")()
    assert "-->" in transcript.to_srt()
    for name in ("walk.doc", "walk"):
        with pytest.raises(UsageError, match="is not known: choose of txt, srt"):
            transcript.write(tmp_path / name)


def test_representations_are_short(model: Transcriber, long: Path) -> None:
    transcript = model.transcribe(long)
    assert len(repr(transcript)) < 200
    assert repr(transcript).startswith(f"Transcript('{long}', 90.0 s, ")
    assert len(repr(transcript.segments[0])) < 120
    assert isinstance(transcript.segments[0], Segment)
