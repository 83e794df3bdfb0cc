"""Windows of speech: every segment once, in bounds, whatever the recordings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from asr.config import SegmentConfig
from asr.errors import AudioError
from asr.speech.audio import load_audio
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE, speech_segments
from asr.speech.windows import Source, Window, read_windows

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def speech() -> Samples:
    """(N,) 30 s with pauses."""
    pause = np.zeros(RATE, np.float32)
    return np.concatenate([x for name in ("river", "window", "numbers") * 3 for x in (pause, load_audio(EXAMPLES / f"{name}.flac"))])[
        : 30 * RATE
    ]


def source(samples: Samples, breaks_after: int | None = None) -> Source:
    def blocks(on_missing: Callable[[Missing], None], on_note: Callable[[str], None]) -> Iterator[Samples]:
        for i in range(0, len(samples), RATE):
            if breaks_after is not None and i >= breaks_after * RATE:
                raise AudioError("broken")
            yield samples[i : i + RATE]

    return Source("name", blocks)


def windows(sources: list[Source], seconds: float) -> list[Window]:
    return list(read_windows(sources, SegmentConfig(), seconds, threading.Event()))


@pytest.mark.parametrize("seconds", [0.5, 6.0, 1000.0])
def test_every_segment_is_in_one_window(speech: Samples, seconds: float) -> None:
    sources = [source(speech), source(np.zeros(3 * RATE, np.float32)), source(speech[: 8 * RATE])]
    found = windows(sources, seconds)
    for number, samples in ((0, speech), (1, np.zeros(0, np.float32)), (2, speech[: 8 * RATE])):
        expected = [(s.start, s.seconds) for s in speech_segments([samples], SegmentConfig())] if len(samples) else []
        assert [(s.start, s.seconds) for w in found for n, s in w.segments if n == number] == expected
    ends = [end for w in found for end in w.ends]
    assert [(end.recording, round(end.seconds, 3), end.error) for end in ends] == [(0, 30.0, None), (1, 3.0, None), (2, 8.0, None)]
    assert sum(w.seconds for w in found) == pytest.approx(41.0)
    for w in found[:-1]:
        speech_seconds = [s.seconds for _, s in w.segments]
        assert sum(speech_seconds[:-1]) < seconds


def test_a_recording_ends_in_or_after_the_window_of_its_last_segment(speech: Samples) -> None:
    ended: set[int] = set()
    for w in windows([source(speech)] * 3, 2.0):
        assert not ended & {n for n, _ in w.segments}
        ended |= {end.recording for end in w.ends}
    assert ended == {0, 1, 2}


def test_a_failing_recording_affects_no_other(speech: Samples) -> None:
    found = windows([source(speech), source(speech, breaks_after=20), source(speech)], 5.0)
    assert [str(end.error) for w in found for end in w.ends] == ["None", "broken", "None"]
    whole = [s.start for w in found for n, s in w.segments if n == 2]
    assert whole == [s.start for s in speech_segments([speech], SegmentConfig())]


def test_silence_alone_makes_windows_too(speech: Samples) -> None:
    found = windows([source(np.zeros(5 * RATE, np.float32))] * 10, 0.5)
    assert len(found) >= 5
    assert sum(w.seconds for w in found) == pytest.approx(50.0)


def test_reading_stops_on_request(speech: Samples) -> None:
    stop = threading.Event()
    going = read_windows([source(speech)] * 100, SegmentConfig(), 3.0, stop)
    next(going)
    stop.set()
    assert list(going) == []
