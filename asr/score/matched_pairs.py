"""The matched-pairs sentence-segment word error test (Gillick and Cox, ICASSP 1989; sclite's MAPSSWE).

Errors in one sentence are not independent of each other: one often brings the next. But errors with a few right words between them
nearly are. So sentences are cut wherever both systems have two words in a row right; each stretch with an error between two such
places is one segment, and the test asks whether the differences of the two systems' errors, segment by segment, have mean zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from asr.score.alignment import Row

GOOD_WORDS = 2  # in a row, right in both systems, end a segment
FEW_SEGMENTS = 50  # below this the normal distribution is no good guide, and p is computed exactly


@dataclass(frozen=True)
class MatchedPairs:
    """Outcome of the test."""

    segments: int
    """stretches in which at least one system has an error"""
    z: float | None
    """mean difference (errors of the first less those of the second) over its standard error; None where it has none"""
    p: float
    """two-sided; 1 where the systems never differ"""


def matched_pairs(differences: list[int]) -> MatchedPairs:
    """The test on the differences of errors in segments, as `segment_differences` gives them.

    From 50 segments on p is that of the normal distribution, as sclite has it; below, the share of all ways to swap the two systems'
    names in segments that give a difference as large.

    >>> matched_pairs([1, 1, 1, 1, 1, 1]).p  # of the 64 ways, these two: all for one, all for the other
    0.03125
    """
    values = np.array(differences, dtype=np.int64)
    if not values.any():
        return MatchedPairs(len(values), None, 1.0)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if not spread:  # every segment says the same
        return MatchedPairs(len(values), None, min(1.0, 2 * 0.5 ** len(values)))
    z = float(values.mean()) / (spread / math.sqrt(len(values)))
    p = _exact(values[values != 0]) if len(values) < FEW_SEGMENTS else 2 * NormalDist().cdf(-abs(z))
    return MatchedPairs(len(values), z, p)


def _exact(values: npt.NDArray[np.int64]) -> float:
    """Share of all 2^n choices of signs whose sum is as far from zero as the one seen.

    The sums' distribution is built segment by segment, which is quick where listing the choices would not be.
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
    """Errors of the first system less those of the second, for every segment of one sentence.

    >>> from asr.score.alignment import align
    >>> reference = "A B C D E F".split()
    >>> list(segment_differences(align(reference, "X B C D E Y".split()), align(reference, "A B C D E".split())))
    [1, 0]
    """
    errors = difference = run = 0
    for (inserted, wrong), (inserted_there, wrong_there) in zip(_errors_by_place(first), _errors_by_place(second), strict=True):
        if inserted or inserted_there:  # what is put in between two words parts them
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
    """For each word of the reference, and for the end: (words inserted before it, whether it is wrong)."""
    places: list[tuple[int, int]] = []
    inserted = 0
    for kind, _, _ in rows:
        if kind == "i":
            inserted += 1
        else:
            places.append((inserted, int(kind != "=")))
            inserted = 0
    return [*places, (inserted, 0)]
