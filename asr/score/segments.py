"""Segments of recordings, and the assignment of a system's segments to those of the references.

Words with times (CTM) belong to the segment that contains their middle, as in sclite. Other segments cannot be divided: those that overlap
in time are compared as one, so that no word is wrong merely because one side's segment starts earlier. If a side has no times, the whole
recording is compared as one.
"""

from __future__ import annotations

import bisect
import itertools
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

EQUAL = 0.011  # s, tolerance for times of the same segment: formats round to 10 ms
OVERLAP = 0.1  # s, least overlap of segments compared as one: no word is shorter


@dataclass(frozen=True)
class Segment:
    """A part of a recording and its text."""

    text: str
    recording: str = ""
    """its name without folders and suffix; empty if the file does not name its one recording"""
    channel: str = ""
    start: float | None = None
    """s; None if the file has no times"""
    end: float | None = None
    speaker: str = ""
    id: str = ""
    is_word: bool = False
    middle: float = 0.0
    """s, of a word, computed as in sclite, so that ties compare equal"""
    ignored: bool = False
    """excluded from scoring"""

    @property
    def track(self) -> tuple[str, str]:
        return self.recording, self.channel

    @property
    def span(self) -> tuple[float, float]:
        return self.start or 0.0, self.end or 0.0


def joined(segments: Sequence[Segment]) -> str:
    """Join the texts of segments in order of time."""
    in_order = sorted(segments, key=lambda one: one.span[0])
    return " ".join(one.text for one in in_order if one.text)


@dataclass
class Pieces:
    """A system's texts, each with the indices of its references."""

    parts: list[tuple[float, str, list[int]]] = field(default_factory=list)
    """start (s), text, references"""
    answered: set[int] = field(default_factory=set)
    """references with a hypothesis, possibly empty"""
    extra: dict[str, str] = field(default_factory=dict)
    """texts of recordings without references"""

    def add(self, start: float, text: str, places: list[int]) -> None:
        self.parts.append((start, text, places))
        self.answered.update(places)


def pieces_in_time(references: Sequence[Segment], system: Sequence[Segment], tracks: Mapping[tuple[str, str], tuple[str, str]]) -> Pieces:
    """Assign the segments or words of a system to the references, by time.

    Args:
        references: Segments of the references; hypotheses for `ignored` ones are dropped.
        system: Segments or words of the system.
        tracks: Maps recording and channel of the system to those of the references.
    """
    found = Pieces()
    by_track: dict[tuple[str, str], list[Segment]] = {}
    for one in system:
        by_track.setdefault(one.track, []).append(one)
    for track, theirs in by_track.items():
        ours = sorted((i for i, one in enumerate(references) if one.track == tracks.get(track)), key=lambda i: references[i].span[0])
        if not ours:
            found.extra["-".join(filter(None, track))] = joined(theirs)
            continue
        found.answered.update(i for i in ours if not references[i].ignored)
        theirs = sorted(theirs, key=lambda one: one.span[0])
        untimed = any(one.start is None for one in theirs) or any(references[i].start is None for i in ours)
        if untimed:
            found.add(0.0, joined(theirs), [i for i in ours if not references[i].ignored])
        elif all(one.is_word for one in theirs):
            _add_words(found, references, ours, theirs)
        else:
            _add_segments(found, references, ours, theirs)
    return found


def _add_words(found: Pieces, references: Sequence[Segment], ours: Sequence[int], words: Sequence[Segment]) -> None:
    """A word belongs to the first segment that ends after its middle, else to the last (sclite's `segment_hyp_for_utt`)."""
    ends = array("f", (references[i].span[1] for i in ours))  # single precision, as in sclite, which reads words in double
    at = 0
    for word in words:
        while at < len(ours) - 1 and word.middle >= ends[at]:
            at += 1
        if not references[ours[at]].ignored:
            found.add(word.span[0], word.text, [ours[at]])


def _add_segments(found: Pieces, references: Sequence[Segment], ours: Sequence[int], theirs: Sequence[Segment]) -> None:
    starts = [references[i].span[0] for i in ours]
    ends = list(itertools.accumulate((references[i].span[1] for i in ours), max))  # of all up to here
    used: set[int] = set()
    for one in theirs:
        start, end = one.span
        left, right = bisect.bisect_left(ends, start - EQUAL), bisect.bisect_right(starts, end + EQUAL)
        near = ours[left:right]
        places = _same(references, [i for i in near if i not in used], one) or _overlapping(references, near, one)
        places = places or [_nearest(references, [*near, *ours[max(0, left - 1) : left], *ours[right : right + 1]], one)]
        if len(places) == 1:
            used.add(places[0])
        middle = (start + end) / 2
        is_ignored = any(references[i].ignored and references[i].span[0] <= middle < references[i].span[1] for i in places)
        kept = [i for i in places if not references[i].ignored]
        if kept and not is_ignored:
            found.add(start, one.text, kept)


def _same(references: Sequence[Segment], places: Sequence[int], one: Segment) -> list[int]:
    """A reference with the same times; of several, one of the same speaker."""
    same = [i for i in places if all(abs(a - b) <= EQUAL for a, b in zip(references[i].span, one.span, strict=True))]
    return sorted(same, key=lambda i: references[i].speaker != one.speaker)[:1]


def _overlapping(references: Sequence[Segment], places: Sequence[int], one: Segment) -> list[int]:
    start, end = one.span
    spans = ((i, *references[i].span) for i in places)
    return [i for i, first, last in spans if min(end, last) - max(start, first) > min(OVERLAP, 0.5 * (end - start), 0.5 * (last - first))]


def _nearest(references: Sequence[Segment], places: Sequence[int], one: Segment) -> int:
    """The reference with the smallest gap."""
    start, end = one.span
    return min(places, key=lambda i: max(references[i].span[0] - end, start - references[i].span[1]))
