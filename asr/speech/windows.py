"""Windows: some minutes of speech of any recordings, cut into segments, that are recognised together.

Memory holds one window, for any number and length of recordings. A window has segments of several short recordings, or a part of a long one.

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
SILENCE = 20  # times the speech of a window: audio after which a window ends with less speech


@dataclass(frozen=True)
class Source:
    """A recording to be read."""

    name: str
    blocks: Callable[[Callable[[Missing], None], Callable[[str], None]], Iterator[Samples]]
    """opens the recording: yields blocks of samples at 16 kHz, raises AudioError; its arguments are `on_missing` and `on_note` of `stream_audio`"""


@dataclass(frozen=True)
class End:
    """The end of a recording, or the place of a fatal error."""

    recording: int
    seconds: float
    error: AudioError | None
    missing: float = 0.0
    """damaged or missing seconds"""
    notes: tuple[str, ...] = ()
    """sentences on missing audio and on choices, such as that of a track"""


@dataclass
class Window:
    """Speech to be recognised together."""

    segments: list[tuple[int, SpeechSegment]] = field(default_factory=list)
    """each with the number of its recording"""
    ends: list[End] = field(default_factory=list)
    """recordings that have no segment in a later window"""
    seconds: float = 0.0
    """length of the audio in it, silence included"""


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
    """Measures the seconds of a recording that have been read."""

    def __init__(self, stop: threading.Event):
        self.stop = stop
        self.seconds = self.reported = self.missing = 0.0
        self.notes: list[str] = []

    def count(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the same blocks, and count their seconds, until `stop` is set."""
        for block in blocks:
            if self.stop.is_set():
                return
            self.seconds += len(block) / RATE
            yield block

    def miss(self, missing: Missing) -> None:
        """Record missing audio."""
        self.missing = missing.seconds
        self.notes.append(str(missing))

    def lap(self) -> float:
        """Return the seconds read since the last call."""
        passed, self.reported = self.seconds - self.reported, self.seconds
        return passed
