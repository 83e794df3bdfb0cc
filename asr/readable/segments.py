"""Readable segments: the segments of a transcript, with capitals, punctuation and numbers.

The words of a recording are labelled across its segments, since a sentence does not end where a segment does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from asr.readable.restorer import LabelStream, TrainedRestorer
from asr.readable.text import Numbers, ReadableStream, Token, readable_text
from asr.transcript import HeldBack, Segment, Word


@dataclass(frozen=True)
class Readable:
    """How a transcript becomes readable."""

    restorer: TrainedRestorer
    numbers: Numbers = "digits"

    def stream(self) -> ReadableSegments:
        """Return a stream for the segments of a recording."""
        return ReadableSegments(ReadableStream(LabelStream(self.restorer), self.numbers, self.restorer.config.language))

    def segments(self, found: Iterable[Segment]) -> list[Segment]:
        """Make all segments of a recording readable."""
        stream = self.stream()
        done = [one for segment in found for one in stream.add(segment)] + stream.finish()
        return [one for one in done if isinstance(one, Segment)]


class ReadableSegments:
    """The segments of a recording, in order of time, made readable as they arrive. Each is returned once all of its words are written."""

    def __init__(self, text: ReadableStream):
        self._text = text
        self._waiting: deque[tuple[Segment | HeldBack, int]] = deque()  # with the end of its words
        self._tokens: deque[Token] = deque()
        self._added = self._written = 0  # words

    def add(self, found: Segment | HeldBack) -> list[Segment | HeldBack]:
        """Add a segment, or speech without text, and return those that are complete."""
        words = _words(found) if isinstance(found, Segment) else ()
        self._added += len(words)
        self._waiting.append((found, self._added))
        return self._complete(self._text.add(words))

    def finish(self) -> list[Segment | HeldBack]:
        """End the recording, and return the remaining segments."""
        return self._complete(self._text.finish())

    def _complete(self, tokens: Sequence[Token]) -> list[Segment | HeldBack]:
        self._tokens += tokens
        self._written = tokens[-1].last if tokens else self._written
        done: list[Segment | HeldBack] = []
        while self._waiting and self._waiting[0][1] <= self._written:
            found, end = self._waiting.popleft()
            own = []
            while self._tokens and self._tokens[0].first < end:  # a number across two segments belongs to the first
                own.append(self._tokens.popleft())
            done.append(_readable(found, own) if isinstance(found, Segment) else found)
        return done


def _words(segment: Segment) -> Sequence[Word]:
    """Return the words of a segment; without times if the model has none."""
    return segment.words or [Word(text, math.nan, math.nan, math.nan) for text in segment.text.split()]


def _readable(segment: Segment, tokens: Sequence[Token]) -> Segment:
    timed = tuple(Word(token.text, token.start, token.end, token.probability) for token in tokens) if segment.words else ()
    return replace(segment, readable=readable_text(tokens), words=timed, verbatim_words=segment.words)
