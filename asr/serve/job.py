"""A recording on its way to its transcript: read by one thread, recognised by another, awaited by a third."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asr.decode.attention import Look
from asr.serve.fair_queue import Share
from asr.serve.recordings import Recording
from asr.transcript import HeldBack, Segment, Transcript


@dataclass(frozen=True)
class Progress:
    """How far a job is: seconds of the recording that are read and, of its speech, found and recognised."""

    read: float
    speech: float
    recognized: float


@dataclass(frozen=True)
class Heard:
    """A segment is recognised."""

    number: int
    said: Segment | HeldBack | None
    look: Look | None
    """where the speller looked, if that was asked for"""


@dataclass(eq=False)
class Job(Share):
    """`transcript` is set with the last segment, or to what is wrong with the recording. `tell` is called by other threads."""

    recording: Recording = field(default_factory=lambda: Recording(Path()))
    """closed by the thread that reads it"""
    looks: bool = False
    """where the speller looked is wanted as well"""
    language: str = "en"
    """of the model that hears it"""
    tell: Callable[[Progress | Heard], None] = lambda _: None
    transcript: Future[Transcript] = field(default_factory=Future)
    looked_seconds: float = 0.0
    """of speech for which it has been told where the speller looked"""
    missing: float = 0.0
    """seconds of the recording that could not be read"""
    notes: list[str] = field(default_factory=list)
    """sentences on the recording, complete once it is read"""
    _read: float = 0.0
    _speech: float = 0.0
    _recognized: float = 0.0
    _found: dict[int, Segment | HeldBack | None] = field(default_factory=dict)
    _segments: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reading(self, seconds: float, speech: float) -> None:
        """So much has been read, with so much speech."""
        with self._lock:
            self._read, self._speech = seconds, speech
            progress = Progress(self._read, self._speech, self._recognized)
        self.tell(progress)

    def all_read(self, segments: int) -> None:
        """There are so many segments."""
        with self._lock:
            self._segments = segments
            self._finish()

    def hear(self, number: int, seconds: float, said: Segment | HeldBack | None, look: Look | None) -> None:
        """What a segment of so many seconds says."""
        self.tell(Heard(number, said, look))
        with self._lock:
            self._recognized += seconds
            self._found[number] = said
            progress = Progress(self._read, self._speech, self._recognized)
            self._finish()
        self.tell(progress)

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):  # given up, or another segment failed before
            self.transcript.set_exception(error)

    def _finish(self) -> None:
        if len(self._found) == self._segments:
            with suppress(InvalidStateError):  # given up, a moment ago
                self.transcript.set_result(Transcript.of("", self._read, self._found.values(), self.missing, self.language, self.notes))
