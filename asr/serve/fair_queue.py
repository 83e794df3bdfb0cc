"""Segments of speech that wait for the model: which are heard next, together.

Fair queueing (Demers, Keshav, Shenker 1989): every job has an equal share of the model, counted in seconds of speech. A segment is tagged
with the time at which its job would come to it, were all jobs served at once; the least tag is next. So an hour's lecture takes its turns
among short commands and cannot be pushed back for ever either. The next segment brings others along: of like length, whose turn is near.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from asr.speech.segment import SpeechSegment

LIKE = 0.6  # the shorter by the longer: what is less alike is not heard together, for padding costs as much as speech
NEAR_SECONDS = 30.0  # of a job's share: a segment whose turn is that near comes along
AHEAD_SECONDS = 60.0  # of a job's speech that wait at most: a recording of hours stays on the disk


class GivenUp(Exception):
    """Nobody waits for the job any more."""


@dataclass(eq=False)
class Share:
    """A job, as the queue sees it."""

    served: float = 0.0
    """its share of the model up to its last segment (s)"""
    waiting: float = 0.0
    """seconds of its speech in the queue"""
    given_up: bool = False


SomeShare = TypeVar("SomeShare", bound=Share)


@dataclass(eq=False)
class Waiting(Generic[SomeShare]):
    """A segment in the queue."""

    job: SomeShare
    number: int
    """of the segment in its job"""
    speech: SpeechSegment
    turn: tuple[float, int]
    """tag, and order of arrival"""


@dataclass
class FairQueue(Generic[SomeShare]):
    """Filled by many threads, emptied by one."""

    batch_seconds: float
    """most speech taken at once, padding counted"""
    window_seconds: float
    """how long `take` waits for more, where the queue was empty"""
    _items: list[Waiting[SomeShare]] = field(default_factory=list)
    _clock: float = 0.0
    _arrivals: count[int] = field(default_factory=count)
    _closed: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, job: SomeShare, number: int, speech: SpeechSegment) -> None:
        """Waits while the job has AHEAD_SECONDS in the queue. Raises GivenUp."""
        with self._changed:
            self._changed.wait_for(lambda: job.given_up or self._closed or job.waiting < AHEAD_SECONDS)
            if job.given_up or self._closed:
                raise GivenUp
            tag = max(self._clock, job.served)
            job.served = tag + speech.seconds
            job.waiting += speech.seconds
            self._items.append(Waiting(job, number, speech, (tag, next(self._arrivals))))
            self._changed.notify_all()

    def take(self) -> list[Waiting[SomeShare]]:
        """The segments to be heard next; waits for the first. None at all once the queue is closed and empty."""
        with self._changed:
            while not self._items:  # what comes may be given up again within the window
                if self._closed:
                    return []
                self._changed.wait_for(lambda: self._items or self._closed)
                until = time.monotonic() + self.window_seconds
                while not self._closed and self._seconds() < self.batch_seconds and (left := until - time.monotonic()) > 0:
                    self._changed.wait(left)
            batch = self._next()
            jobs = len({id(item.job) for item in self._items})
            self._clock = max(self._clock, batch[0].turn[0]) + sum(item.speech.seconds for item in batch) / jobs
            for item in batch:
                item.job.waiting -= item.speech.seconds
                self._items.remove(item)
            self._changed.notify_all()
            return batch

    def _next(self) -> list[Waiting[SomeShare]]:
        """The segment whose turn it is, then those that come along, most alike first."""
        first = min(self._items, key=lambda item: item.turn)

        def likeness(item: Waiting[SomeShare]) -> float:
            short, long = sorted((item.speech.seconds, first.speech.seconds))
            return short / long

        near = [item for item in self._items if item is not first and item.turn[0] <= first.turn[0] + NEAR_SECONDS]
        batch, shortest, longest = [first], first.speech.seconds, first.speech.seconds
        for item in sorted(near, key=lambda item: (-likeness(item), item.turn)):
            shortest, longest = min(shortest, item.speech.seconds), max(longest, item.speech.seconds)
            if shortest < LIKE * longest or longest * (len(batch) + 1) > self.batch_seconds:
                break
            batch.append(item)
        return batch

    def give_up(self, job: SomeShare) -> None:
        """Drop what waits of a job, and take no more of it."""
        with self._changed:
            job.given_up = True
            self._items = [item for item in self._items if item.job is not job]
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def seconds(self) -> float:
        """of speech that wait"""
        with self._changed:
            return self._seconds()

    def _seconds(self) -> float:
        return sum(item.speech.seconds for item in self._items)
