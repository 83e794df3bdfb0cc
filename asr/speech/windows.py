"""Recordings to windows: some minutes of speech, cut into segments, that are recognised together.

However many and however long the recordings are, one window is held at a time. A window has segments of several short recordings, or
a part of a long one.

Shapes: N samples.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from asr.config import SegmentConfig
from asr.errors import AudioError
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE, SpeechSegment, speech_segments

GROWTH = 8.0  # of windows, after a short first one
SILENCE = 20  # times the speech of a window, after which recordings make one however little is said in them


@dataclass(frozen=True)
class Source:
    """A recording to be read."""

    name: str
    blocks: Callable[[Callable[[Missing], None], Callable[[str], None]], Iterator[Samples]]
    """opens it: blocks of samples at 16 kHz; raises AudioError. It gets the `on_missing` and `on_note` of `stream_audio`"""


@dataclass(frozen=True)
class End:
    """A recording has been read to its end, or to where it broke."""

    recording: int
    seconds: float
    error: AudioError | None
    missing: float = 0.0
    """seconds that are damaged, or that its header states and that are not there"""
    notes: tuple[str, ...] = ()
    """sentences on what is missing, and on choices that were made"""


@dataclass
class Window:
    """Speech to be recognised together."""

    segments: list[tuple[int, SpeechSegment]] = field(default_factory=list)
    """each with the number of its recording"""
    ends: list[End] = field(default_factory=list)
    """recordings that have no segment in a later window"""
    seconds: float = 0.0
    """of recordings that went into it, silence counted"""


def read_windows(
    sources: Sequence[Source], config: SegmentConfig, speech_seconds: float, stop: threading.Event, first_seconds: float | None = None
) -> Iterator[Window]:
    """Read recordings, window by window.

    Args:
        sources: the recordings.
        config: how speech is detected.
        speech_seconds: speech in a window (s); a window is longer by up to a segment, and the last one shorter.
        stop: once it is set, no other window comes.
        first_seconds: speech in the first window (s), so that its results come soon. Each window is GROWTH times as long as the one before, up to
            `speech_seconds`, which is the default.

    Yields:
        Windows. Long silence makes a window of its own, so that progress can be shown.
    """
    window, speech, full = Window(), 0.0, speech_seconds
    speech_seconds = min(first_seconds or full, full)
    for number, source in enumerate(sources):
        clock = _Clock(stop)
        error = None
        try:
            for segment in speech_segments(clock.count(source.blocks(clock.miss, clock.notes.append)), config):
                window.segments.append((number, segment))
                speech += segment.seconds
                if speech >= speech_seconds:
                    window.seconds += clock.lap()
                    yield window
                    if stop.is_set():
                        return
                    window, speech = Window(), 0.0
                    speech_seconds = min(GROWTH * speech_seconds, full)
        except AudioError as e:
            error = e
        if stop.is_set():
            return
        window.seconds += clock.lap()
        window.ends.append(End(number, clock.seconds, error, clock.missing, tuple(clock.notes)))
        if window.seconds >= SILENCE * speech_seconds:
            yield window
            window, speech = Window(), 0.0
            speech_seconds = min(GROWTH * speech_seconds, full)
    yield window


class _Clock:
    """Seconds of a recording that have been read."""

    def __init__(self, stop: threading.Event):
        self.stop = stop
        self.seconds = self.told = self.missing = 0.0
        self.notes: list[str] = []

    def count(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """The same blocks, counted; no more of them once `stop` is set."""
        for block in blocks:
            if self.stop.is_set():
                return
            self.seconds += len(block) / RATE
            yield block

    def miss(self, missing: Missing) -> None:
        """Note sound that could not be read."""
        self.missing = missing.seconds
        self.notes.append(str(missing))

    def lap(self) -> float:
        """Seconds since the last lap."""
        passed, self.told = self.seconds - self.told, self.seconds
        return passed
