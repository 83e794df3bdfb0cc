"""A transcription job. One thread reads the recording, another recognises its segments, and the event loop waits for the transcript."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.config import SegmentConfig
from asr.decode.attention import WordAttention
from asr.readable.segments import Readable
from asr.serve.fair_queue import Flow
from asr.serve.recordings import Recording
from asr.transcript import HeldBack, Segment, Transcript


@dataclass(frozen=True)
class Progress:
    """Seconds of the recording read, of speech detected in it, and of speech recognised."""

    read: float
    speech: float
    recognized: float


@dataclass(frozen=True)
class SegmentResult:
    """The result of one speech segment."""

    number: int
    """position of the segment in its job, from 0"""
    segment: Segment | HeldBack | None
    """None without words: such results are no events"""
    attention: WordAttention | None = None
    """attention weights, if the job wants them"""


@dataclass(eq=False)
class Job(Flow):
    """A recording on its way to a transcript."""

    recording: Recording = field(default_factory=lambda: Recording(Path()))
    """closed by the thread that reads it"""
    segmentation: SegmentConfig = field(default_factory=SegmentConfig)
    wants_attention: bool = False
    language: str = "en"
    """ISO 639 code of the model's language"""
    readable: Readable | None = None
    """how the text becomes readable; None: it stays as the model writes it"""
    request_id: str = ""
    """in log lines on the job"""
    on_event: Callable[[Progress | SegmentResult], None] = lambda _: None
    """called by the threads of the service; results come in the order of the recording"""
    transcript: Future[Transcript] = field(default_factory=Future)
    """the result, or the error of the recording"""
    attention_seconds: float = 0.0
    """speech with attention weights so far"""
    missing: float = 0.0
    """seconds of the recording that could not be read"""
    notes: list[str] = field(default_factory=list)
    """sentences on the recording, complete once it is read"""
    _read: float = 0.0
    _speech: float = 0.0
    _recognized: float = 0.0
    _early: dict[int, SegmentResult] = field(default_factory=dict)
    """results that came before those of earlier segments"""
    _next: int = 0
    """number of the next segment in the order of the recording"""
    _waiting: deque[SegmentResult] = field(default_factory=deque)
    """results in order whose text is not readable yet"""
    _shown: int | None = None
    """number of the segment that was shown before the words behind it: the first one of a stream"""
    _done: list[Segment | HeldBack] = field(default_factory=list)
    _segments: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._text = self.readable.stream() if self.readable else None

    def report_read(self, seconds: float, speech: float) -> None:
        """Report the seconds read so far, and the seconds of speech in them."""
        with self._lock:
            self._read, self._speech = seconds, speech
            progress = Progress(self._read, self._speech, self._recognized)
        self.on_event(progress)

    def finish_reading(self, segments: int) -> None:
        """Set the number of segments, which is known once the recording is read."""
        with self._lock:
            self._segments = segments
            self._complete()

    def add_result(self, result: SegmentResult, seconds: float) -> None:
        """Store the result of a segment of `seconds`."""
        with self._lock:
            self._recognized += seconds
            self._early[result.number] = result
            while (following := self._early.pop(self._next, None)) is not None:
                self._next += 1
                if following.segment is not None:
                    self._add(following, following.segment)
            progress = Progress(self._read, self._speech, self._recognized)
            self._complete()
        self.on_event(progress)

    def fail(self, error: BaseException) -> None:
        """Set an error in place of the transcript, unless the job has ended."""
        with suppress(InvalidStateError):
            self.transcript.set_exception(error)

    def _add(self, result: SegmentResult, segment: Segment | HeldBack) -> None:
        """Add the next result. A stream shows the first segment of a recording without waiting for the words behind it."""
        self._waiting.append(result)
        if self.readable and self.streamed and self._shown is None and isinstance(segment, Segment):
            self._shown = result.number
            [early] = self.readable.segments([segment])
            self._done.append(early)
            self.on_event(replace(result, segment=early))
        self._report(self._text.add(segment) if self._text else [segment])

    def _report(self, complete: Iterable[Segment | HeldBack]) -> None:
        """Send the next results, with their final text."""
        for segment in complete:
            result = self._waiting.popleft()
            if result.number != self._shown:
                self._done.append(segment)
                self.on_event(replace(result, segment=segment))

    def _complete(self) -> None:
        if self._next == self._segments:
            self._report(self._text.finish() if self._text else ())
            with suppress(InvalidStateError):  # cancelled
                self.transcript.set_result(Transcript.of("", self._read, self._done, self.missing, self.language, self.notes))
