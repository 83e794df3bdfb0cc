"""A recording on its way to its transcript: one thread reads it, another recognises it, a third waits for the result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asr.decode.attention import WordAttention
from asr.serve.fair_queue import Share
from asr.serve.recordings import Recording
from asr.transcript import HeldBack, Segment, Transcript


@dataclass(frozen=True)
class Progress:
    """Progress of a job: seconds of the recording read, of speech found in it, and of speech recognised."""

    read: float
    speech: float
    recognized: float


@dataclass(frozen=True)
class Heard:
    """The result of a segment."""

    number: int
    said: Segment | HeldBack | None
    look: WordAttention | None
    """The attention weights, if the job wants them."""


@dataclass(eq=False)
class Job(Share):
    """`transcript` is set with the last segment, or to the error of the recording. Other threads call `tell`."""

    recording: Recording = field(default_factory=lambda: Recording(Path()))
    """Closed by the thread that reads it."""
    looks: bool = False
    """The attention weights are wanted, too."""
    language: str = "en"
    """Code of the model's language."""
    tell: Callable[[Progress | Heard], None] = lambda _: None
    transcript: Future[Transcript] = field(default_factory=Future)
    looked_seconds: float = 0.0
    """Seconds of speech with attention weights so far."""
    missing: float = 0.0
    """Seconds of the recording that could not be read."""
    notes: list[str] = field(default_factory=list)
    """Sentences on the recording, complete once it is read."""
    _read: float = 0.0
    _speech: float = 0.0
    _recognized: float = 0.0
    _found: dict[int, Segment | HeldBack | None] = field(default_factory=dict)
    _segments: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reading(self, seconds: float, speech: float) -> None:
        """Report the seconds read, and the seconds of speech found in them."""
        with self._lock:
            self._read, self._speech = seconds, speech
            progress = Progress(self._read, self._speech, self._recognized)
        self.tell(progress)

    def all_read(self, segments: int) -> None:
        """Set the number of segments."""
        with self._lock:
            self._segments = segments
            self._finish()

    def hear(self, number: int, seconds: float, said: Segment | HeldBack | None, look: WordAttention | None) -> None:
        """Store the result of a segment that lasts `seconds`."""
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
