"""Events of recordings that are transcribed together: results as they come, made readable or put in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from asr.errors import AudioError
from asr.readable.segments import Readable, ReadableSegments
from asr.transcript import HeldBack, Segment, Transcript

Event: TypeAlias = Segment | HeldBack | Transcript | AudioError
"""A result for a recording; its last one is its transcript or its error."""


def make_readable(events: Iterable[tuple[int, Event]], readable: Readable, soon: bool) -> Generator[tuple[int, Event], None, None]:
    """Make the segments and transcripts of recordings readable.

    Args:
        events: verbatim events of `Transcriber.follow`.
        readable: how the text becomes readable.
        soon: yield the first segment of a recording at once, without the words behind it. The transcript may have other marks in it.
    """
    streams: dict[int, ReadableSegments] = defaultdict(readable.stream)
    segments: dict[int, list[Segment]] = defaultdict(list)

    def passed(number: int, found: Iterable[Segment | HeldBack]) -> Iterator[tuple[int, Event]]:
        for one in found:
            is_first = isinstance(one, Segment) and not segments[number]
            if isinstance(one, Segment):
                segments[number].append(one)
            if not (soon and is_first):
                yield number, one

    begun: set[int] = set()
    for number, event in events:
        if soon and isinstance(event, Segment) and number not in begun:
            begun.add(number)
            yield from ((number, one) for one in readable.segments([event]))
        if isinstance(event, (Segment, HeldBack)):
            yield from passed(number, streams[number].add(event))
            continue
        yield from passed(number, streams.pop(number).finish() if number in streams else ())
        done = tuple(segments.pop(number, ()))
        yield number, replace(event, segments=done) if isinstance(event, Transcript) else event


def in_order(events: Iterable[tuple[int, Event]]) -> Iterator[tuple[int, Event]]:
    """Sort the events of `Transcriber.follow` by recording: those of a recording wait until the one before has ended."""
    early: dict[int, list[Event]] = defaultdict(list)
    current = 0
    for number, event in events:
        early[number].append(event)
        while waiting := early.pop(current, None):
            yield from ((current, one) for one in waiting)
            current += isinstance(waiting[-1], (Transcript, AudioError))
