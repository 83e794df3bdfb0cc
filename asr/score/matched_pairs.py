"""The matched-pairs sentence-segment word error test (Gillick and Cox, ICASSP 1989; sclite's MAPSSWE).

Errors within a sentence are not independent, but errors separated by a few correct words nearly are. So sentences are cut wherever both
systems have two consecutive words correct; each part with an error is a segment. The test's null hypothesis is that the differences of
the two systems' errors per segment have mean zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from asr.score.alignment import Row

GOOD_WORDS = 2  # consecutive words correct in both systems that end a segment
FEW_SEGMENTS = 50  # below this p is computed exactly, not by the normal approximation


@dataclass(frozen=True)
class MatchedPairs:
    """Outcome of the test."""

    segments: int
    """number of segments, each with an error of at least one system"""
    z: float | None
    """mean difference (first system's errors minus the second's) over its standard error; None if that is 0"""
    p: float
    """two-sided; 1 if the systems never differ"""


def matched_pairs(differences: list[int]) -> MatchedPairs:
    """Run the test.

    From 50 segments on, p is by the normal distribution, as in sclite. Below, it is exact: the share of the 2^n assignments of signs
    that give a difference at least as large.

    Args:
        differences: Differences of errors by segment, from `segment_differences`.

    Examples:
        >>> matched_pairs([1, 1, 1, 1, 1, 1]).p  # 2 of 64 assignments: all signs equal
        0.03125
    """
    values = np.array(differences, dtype=np.int64)
    if not values.any():
        return MatchedPairs(len(values), None, 1.0)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if not spread:  # all segments have the same difference
        return MatchedPairs(len(values), None, min(1.0, 2 * 0.5 ** len(values)))
    z = float(values.mean()) / (spread / math.sqrt(len(values)))
    p = _exact(values[values != 0]) if len(values) < FEW_SEGMENTS else 2 * NormalDist().cdf(-abs(z))
    return MatchedPairs(len(values), z, p)


def _exact(values: npt.NDArray[np.int64]) -> float:
    """Share of the 2^n assignments of signs whose sum is at least as far from zero as the one observed.

    The distribution of the sum is built by convolution over the segments.
    """
    sizes = np.abs(values)
    chances = np.ones(1)
    for size in sizes:  # chances of the sum of signs × sizes, which runs from -total to total
        step = np.zeros(2 * size + 1)
        step[0] = step[-1] = 0.5
        chances = np.convolve(chances, step)
    total = int(sizes.sum())
    sums = np.arange(-total, total + 1)
    return min(1.0, float(chances[np.abs(sums) >= abs(int(values.sum()))].sum()))


def segment_differences(first: Iterable[Row], second: Iterable[Row]) -> Iterator[int]:
    """Yield the first system's errors minus the second's for every segment of a sentence.

    Examples:
        >>> from asr.score.alignment import align
        >>> reference = "A B C D E F".split()
        >>> list(segment_differences(align(reference, "X B C D E Y".split()), align(reference, "A B C D E".split())))
        [1, 0]
    """
    errors = difference = run = 0
    for (inserted, wrong), (inserted_there, wrong_there) in zip(_errors_by_place(first), _errors_by_place(second), strict=True):
        if inserted or inserted_there:  # an insertion between two correct words interrupts the run
            run = 0
        errors += inserted + wrong + inserted_there + wrong_there
        difference += inserted + wrong - inserted_there - wrong_there
        run = 0 if wrong or wrong_there else run + 1
        if run >= GOOD_WORDS and errors:
            yield difference
            errors = difference = 0
    if errors:
        yield difference


def _errors_by_place(rows: Iterable[Row]) -> list[tuple[int, int]]:
    """For each word of the reference, and for the end: (words inserted before it, 1 if it is wrong else 0)."""
    places: list[tuple[int, int]] = []
    inserted = 0
    for kind, _, _ in rows:
        if kind == "i":
            inserted += 1
        else:
            places.append((inserted, int(kind != "=")))
            inserted = 0
    return [*places, (inserted, 0)]
