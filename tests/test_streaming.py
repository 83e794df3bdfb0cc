"""Streaming results: segments in order of time, recordings as soon as they are complete, and results of an earlier run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests_support import ROOT

import asr
from asr.decode.segments import Found
from asr.errors import AsrError, AudioError, UsageError
from asr.sources import open_source
from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber, in_order
from asr.transcript import HeldBack, Segment, Transcript

EXAMPLES = ROOT / "examples"
RATE = 16_000


@pytest.fixture(scope="module")
def model() -> Transcriber:
    return asr.load_model(device="cpu", profile="fast", precision="fp32", text="verbatim")


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


def test_options_change_the_search_of_one_call(model: Transcriber) -> None:
    path = EXAMPLES / "walk.flac"
    assert "OLDANBY" in model.transcribe(path, profile="balanced", beam=8, hotwords=["OLDANBY"]).text
    assert "OLDANBY" not in model.transcribe(path).text
    assert len(model.transcribe(path, beam=3).segments[0].readings) == 3
    assert len(model.transcribe(path).segments[0].readings) == 1


@pytest.mark.parametrize(("profile", "precision"), [("quick", None), ("fast", "fp8")])
def test_an_unknown_profile_or_precision_is_refused(profile: Any, precision: Any) -> None:
    with pytest.raises(UsageError, match=r"expected fast, balanced or accurate|expected fp32, bf16 or int8"):
        asr.load_model(device="cpu", profile=profile, precision=precision)


@pytest.mark.parametrize("device", [None, 5, "gpu", "CPU"])
def test_an_unknown_device_is_refused(device: Any) -> None:
    with pytest.raises(UsageError, match=f"device {device!r} is not there, or cannot compute: use auto, cpu"):
        asr.load_model(device=device)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *[
            ({"batch_seconds": seconds}, f"batch_seconds is {seconds!r}, expected seconds above 0")
            for seconds in (0, -1.0, "9", np.nan, np.inf)
        ],
        *[({"nbest": nbest}, f"nbest is {nbest!r}, expected an integer, 1 or more") for nbest in (0, "1", 1.0)],
    ],
)
def test_a_transcriber_refuses_impossible_options(model: Transcriber, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Transcriber(model.model, **options)


def test_an_empty_model_folder_is_not_the_bundled_model() -> None:
    with pytest.raises(AsrError):
        asr.load_model("")


def test_a_closed_stream_stops_reading(model: Transcriber, long: Path) -> None:
    before = threading.active_count()
    with open(long, "rb") as file:
        for _ in model.stream(file):
            break
    assert threading.active_count() == before


def test_threads_share_a_model(model: Transcriber) -> None:
    paths = sorted(EXAMPLES.glob("*.flac"))[:3]
    expected = [model.transcribe(path) for path in paths]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(model.transcribe, paths)) == expected


def test_representations_are_short(model: Transcriber, long: Path) -> None:
    transcript = model.transcribe(long)
    assert len(repr(transcript)) < 200
    assert repr(transcript).startswith(f"Transcript('{long}', 90.0 s, ")
    assert len(repr(transcript.segments[0])) < 120
    assert isinstance(transcript.segments[0], Segment)
    assert repr(model) == "Transcriber('en', beam=1, lm_weight=0, device='cpu')"
