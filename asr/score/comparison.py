"""Two systems on the same utterances: who wins, by how much, how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.score.alignment import Alignment, align
from asr.score.bootstrap import Bootstrap
from asr.score.matched_pairs import MatchedPairs, matched_pairs, segment_differences


@dataclass(frozen=True, eq=False)
class Aligned:
    """A system's normalised texts, and what was counted in them."""

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
    """word error rate of a less that of b; None where no reference has a word"""
    low: float | None
    """of the difference; None without a bootstrap"""
    high: float | None
    p_bootstrap: float | None
    matched_pairs: MatchedPairs
    better: str | None
    """the one that is better beyond doubt: by the interval (where there is one) and by matched pairs; else None"""
    verdict: str
    """the same as a sentence"""


def compare(first: Aligned, second: Aligned, references: Sequence[str], alignment: Alignment, bootstrap: Bootstrap) -> Comparison:
    """The paired bootstrap and the matched-pairs test."""
    a, b = (one.words[:, 1:].sum(axis=1) for one in (first, second))
    lengths = first.words[:, :3].sum(axis=1)
    spread = bootstrap.paired(a, b, lengths)
    segments: list[int] = []
    for i in map(int, np.flatnonzero(a + b)):
        reference = references[i].split()
        segments += segment_differences(*(align(reference, one.texts[i].split(), alignment) for one in (first, second)))
    test = matched_pairs(segments)
    difference = float((a.sum() - b.sum()) / lengths.sum()) if lengths.sum() else None
    sure = difference and test.p < 1 - bootstrap.level and (spread is None or not spread.low <= 0 <= spread.high)
    better = (first.name if difference < 0 else second.name) if sure and difference else None
    low, high, p = (spread.low, spread.high, spread.p) if spread else (None, None, None)
    verdict = _verdict(first.name, second.name, difference, low, high, test.p, better, bootstrap.level)
    return Comparison(first.name, second.name, difference, low, high, p, test, better, verdict)


def _verdict(
    a: str, b: str, difference: float | None, low: float | None, high: float | None, p: float, better: str | None, level: float
) -> str:
    if not difference:
        return f"no clear winner: {a} and {b} make as many errors"
    size = f"{100 * abs(difference):.2f} points of WER"
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    sure = f"matched pairs {chance}"
    if low is not None and high is not None:
        ends = sorted((low, high)) if difference > 0 else sorted((0 - low, 0 - high))  # -0.0 would be shown as such
        sure = f"{100 * level:g} % interval {100 * ends[0]:.2f} to {100 * ends[1]:.2f}, {sure}"
    if better:
        return f"{better} is better than {b if better == a else a} by {size} ({sure})"
    ahead, behind = (a, b) if difference < 0 else (b, a)
    return f"no clear winner: {ahead} is ahead of {behind} by {size} ({sure})"
