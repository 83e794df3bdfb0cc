"""Comparisons of systems on the same utterances: the difference of their WERs and whether it is significant.

Every two systems are compared by the paired bootstrap (an interval of the difference) and by the matched-pairs test. Of more than two
systems the p-values are corrected by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979), so that the probability of
naming any wrong winner stays at 1 - level. Intervals are not corrected.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.score.alignment import Alignment, align
from asr.score.bootstrap import Bootstrap, PairedInterval
from asr.score.matched_pairs import MatchedPairs, matched_pairs, segment_differences


@dataclass(frozen=True, eq=False)
class Aligned:
    """A system's normalised texts and their word counts."""

    name: str
    texts: Sequence[str]
    words: npt.NDArray[np.int64]
    """(n, 4) hits, substitutions, deletions, insertions of every utterance"""


@dataclass(frozen=True)
class Comparison:
    """Outcome for systems a and b."""

    a: str
    b: str
    difference: float | None
    """WER of a minus WER of b; None if no reference has a word"""
    low: float | None
    """of the difference's interval; None without a bootstrap"""
    high: float | None
    p_bootstrap: float | None
    """two-sided, not corrected"""
    p_bootstrap_holm: float | None
    """corrected for the number of comparisons"""
    matched_pairs: MatchedPairs
    p_matched_pairs_holm: float
    """p of `matched_pairs`, corrected for the number of comparisons"""
    better: str | None
    """the winner: its interval excludes 0 and the corrected matched-pairs p is below 1 - level; else None"""
    verdict: str
    """the same as a sentence"""
    explanation: str
    """what interval and p-value mean where they name no winner, in one sentence; else empty"""


@dataclass(frozen=True)
class _Measured:
    """The difference of two systems before any correction."""

    a: str
    b: str
    difference: float | None
    spread: PairedInterval | None
    test: MatchedPairs


def compare_all(
    systems: Sequence[Aligned], references: Sequence[str], alignment: Alignment, bootstrap: Bootstrap
) -> tuple[Comparison, ...]:
    """Compare every two systems.

    Args:
        systems: The systems, on the same utterances.
        references: The normalised references.
        alignment: Kind of alignment.
        bootstrap: Level, number of samples and seed.

    Returns:
        One comparison for each pair, in the order of `itertools.combinations`.
    """
    measured = [_measure(a, b, references, alignment, bootstrap) for a, b in itertools.combinations(systems, 2)]
    ps_test = holm([one.test.p for one in measured])
    ps_bootstrap = holm([one.spread.p for one in measured if one.spread])
    known = iter(ps_bootstrap)
    return tuple(
        _conclude(one, p, next(known) if one.spread else None, len(measured), bootstrap.level)
        for one, p in zip(measured, ps_test, strict=True)
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction: p-values adjusted for their number, in the same order.

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(ps, kind="stable")
    factors = np.arange(len(ps), 0, -1)
    adjusted = np.empty(len(ps))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(ps, dtype=float)[order] * factors))
    return adjusted.tolist()


def _measure(first: Aligned, second: Aligned, references: Sequence[str], alignment: Alignment, bootstrap: Bootstrap) -> _Measured:
    a, b = (one.words[:, 1:].sum(axis=1) for one in (first, second))
    lengths = first.words[:, :3].sum(axis=1)
    segments: list[int] = []
    for i in map(int, np.flatnonzero(a + b)):
        reference = references[i].split()
        segments += segment_differences(*(align(reference, one.texts[i].split(), alignment) for one in (first, second)))
    difference = float((a.sum() - b.sum()) / lengths.sum()) if lengths.sum() else None
    return _Measured(first.name, second.name, difference, bootstrap.paired(a, b, lengths), matched_pairs(segments))


def _conclude(one: _Measured, p: float, p_bootstrap: float | None, comparisons: int, level: float) -> Comparison:
    """The comparison with its corrected p-values."""
    spread, difference = one.spread, one.difference
    includes_zero = spread is not None and spread.low <= 0 <= spread.high
    significant = p < 1 - level
    better = None
    if difference and significant and not includes_zero:
        better = one.a if difference < 0 else one.b
    explanation = "" if better else _explanation(difference, spread, includes_zero, significant, level)
    return Comparison(
        one.a,
        one.b,
        difference,
        spread.low if spread else None,
        spread.high if spread else None,
        spread.p if spread else None,
        p_bootstrap,
        one.test,
        p,
        better,
        _verdict(one, p, better, comparisons, level),
        explanation,
    )


def _verdict(one: _Measured, p: float, better: str | None, comparisons: int, level: float) -> str:
    a, b, difference, spread = one.a, one.b, one.difference, one.spread
    if difference is None:
        return "no clear winner: no reference has a word, so there is no WER to compare"
    if not difference:
        return f"no clear winner: {a} and {b} have equally many errors"
    size = f"{100 * abs(difference):.2f} points of WER"
    evidence = "matched pairs " + ("p < 0.001" if p < 0.001 else f"p = {p:.3f}")
    if comparisons > 1:
        evidence += f", Holm-corrected for {comparisons} comparisons"
    if spread:
        ends = sorted((spread.low, spread.high)) if difference > 0 else sorted((0 - spread.low, 0 - spread.high))  # 0 - x: never -0.0
        evidence = f"{100 * level:g} % interval {100 * ends[0]:.2f} to {100 * ends[1]:.2f}, {evidence}"
    if better:
        return f"{better} is better than {b if better == a else a} by {size} ({evidence})"
    ahead, behind = (a, b) if difference < 0 else (b, a)
    return f"no clear winner: {ahead} is ahead of {behind} by {size} ({evidence})"


def _explanation(difference: float | None, spread: PairedInterval | None, includes_zero: bool, significant: bool, level: float) -> str:
    """One sentence on what interval and p-value mean where they name no winner."""
    if not difference:
        return ""
    limit = f"{1 - level:.4g}"
    p = f"p, the probability of so large a difference between equally good systems, is {'below' if significant else 'not below'} {limit}"
    if not spread:
        return f"The difference may be chance: {p}."
    interval = (
        f"the interval, which holds the true difference in {100 * level:g} % of such tests, {'includes' if includes_zero else 'excludes'} 0"
    )
    both = includes_zero and not significant
    return f"The difference may be chance: {interval}, {'and' if both else 'but'} {p}{'.' if both else '; a winner needs both.'}"
