"""Speech segments that wait for the model, scheduled by fair queueing (Demers, Keshav and Shenker 1989).

Every job is a flow with an equal share of the model, counted in seconds of speech. A segment is tagged with the virtual time at which the
model would start it if it served all flows at once. The segment with the smallest tag is next. So a lecture of an hour takes turns with
short commands, and neither delays the other indefinitely. Segments of similar length whose tags are close join the batch.

A streamed job shows its text as it is recognised. Its first segment therefore precedes segments with close tags, in a
short batch that holds only first segments of streamed jobs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber

MIN_LENGTH_RATIO = 0.6  # shortest by longest segment of a batch: padding costs as much as speech
MAX_TAG_DISTANCE = 30.0  # virtual seconds between the first segment of a batch and the others
MAX_QUEUED_SECONDS = 60.0  # speech of one job in the queue; the rest of a long recording stays on disk
OPENING_SHARE = 0.5  # of batch_seconds: the length of a batch that holds the first segment of a streamed job


class Cancelled(Exception):
    """The job was cancelled, or the queue is closed."""


@dataclass(eq=False)
class Flow:
    """A job as seen by the queue."""

    finish_tag: float = 0.0
    """virtual time at which the last queued segment would be finished (s)"""
    queued_seconds: float = 0.0
    """speech of the job in the queue"""
    cancelled: bool = False
    streamed: bool = False
    """the text is shown as it is recognised"""
    transcriber: Transcriber | None = None
    """the model with the hotwords of the job: segments share a batch only if they share a transcriber"""


SomeFlow = TypeVar("SomeFlow", bound=Flow)


@dataclass(eq=False)
class QueuedSegment(Generic[SomeFlow]):
    """A segment in the queue."""

    job: SomeFlow
    number: int
    """position of the segment in its job"""
    speech: SpeechSegment
    tag: tuple[float, int]
    """virtual start time, then order of arrival"""

    @property
    def opens_stream(self) -> bool:
        """Whether it is the first segment of a streamed job."""
        return self.job.streamed and self.number == 0


@dataclass
class FairQueue(Generic[SomeFlow]):
    """A queue with many producers and one consumer."""

    batch_seconds: float
    """longest batch, padding included"""
    window_seconds: float
    """time for which `take` collects segments after the first one of an empty queue, while recordings are being read"""
    _segments: list[QueuedSegment[SomeFlow]] = field(default_factory=list)
    _readers: int = 0
    """recordings being read"""
    _virtual_time: float = 0.0
    _arrivals: count[int] = field(default_factory=count)
    _closed: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add_reader(self) -> None:
        """Expect segments of one more recording, until `remove_reader`."""
        with self._changed:
            self._readers += 1

    def remove_reader(self) -> None:
        """Expect no more segments of a recording."""
        with self._changed:
            self._readers -= 1
            self._changed.notify_all()

    def put(self, job: SomeFlow, number: int, speech: SpeechSegment) -> None:
        """Add a segment. Blocks while the job has MAX_QUEUED_SECONDS in the queue.

        Raises:
            Cancelled: the job is cancelled or the queue is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: job.cancelled or self._closed or job.queued_seconds < MAX_QUEUED_SECONDS)
            if job.cancelled or self._closed:
                raise Cancelled
            tag = max(self._virtual_time, job.finish_tag)
            job.finish_tag = tag + speech.seconds
            job.queued_seconds += speech.seconds
            self._segments.append(QueuedSegment(job, number, speech, (tag, next(self._arrivals))))
            self._changed.notify_all()

    def take(self) -> list[QueuedSegment[SomeFlow]]:
        """Remove and return the next batch. Blocks while the queue is empty; returns an empty list once it is closed and empty."""
        with self._changed:
            while not self._segments:  # a segment may be cancelled within the window
                if self._closed:
                    return []
                self._changed.wait_for(lambda: self._segments or self._closed)
                until = time.monotonic() + self.window_seconds
                while (
                    self._readers and not self._closed and self._seconds() < self.batch_seconds and (left := until - time.monotonic()) > 0
                ):
                    self._changed.wait(left)
            batch = self._next_batch()
            flows = len({id(item.job) for item in self._segments})
            self._virtual_time = max(self._virtual_time, batch[0].tag[0]) + sum(item.speech.seconds for item in batch) / flows
            for item in batch:
                item.job.queued_seconds -= item.speech.seconds
                self._segments.remove(item)
            self._changed.notify_all()
            return batch

    def _next_batch(self) -> list[QueuedSegment[SomeFlow]]:
        """Choose the segment with the smallest tag, or the first segment of a streamed job with a close tag; then the most similar ones."""
        latest = min(item.tag[0] for item in self._segments) + MAX_TAG_DISTANCE
        openings = [item for item in self._segments if item.opens_stream and item.tag[0] <= latest]
        first = min(openings or self._segments, key=lambda item: item.tag)

        def length_ratio(item: QueuedSegment[SomeFlow]) -> float:
            short, long = sorted((item.speech.seconds, first.speech.seconds))
            return short / long

        near = [
            item
            for item in openings or self._segments
            if item is not first and item.tag[0] <= first.tag[0] + MAX_TAG_DISTANCE and item.job.transcriber is first.job.transcriber
        ]
        limit = self.batch_seconds * (OPENING_SHARE if openings else 1.0)
        batch, shortest, longest = [first], first.speech.seconds, first.speech.seconds
        for item in sorted(near, key=lambda item: (-length_ratio(item), item.tag)):
            low, high = min(shortest, item.speech.seconds), max(longest, item.speech.seconds)
            if low < MIN_LENGTH_RATIO * high or high * (len(batch) + 1) > limit:
                continue
            shortest, longest = low, high
            batch.append(item)
        return batch

    def cancel(self, job: SomeFlow) -> None:
        """Drop the queued segments of a job and accept no more."""
        with self._changed:
            job.cancelled = True
            self._segments = [item for item in self._segments if item.job is not job]
            self._changed.notify_all()

    def close(self) -> None:
        """Accept no more segments; queued ones can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def seconds(self) -> float:
        """Speech in the queue (s)."""
        with self._changed:
            return self._seconds()

    def _seconds(self) -> float:
        return sum(item.speech.seconds for item in self._segments)
