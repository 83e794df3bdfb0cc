"""Words to the lines of a cue: as few as hold them, of like length, broken where it reads well."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from asr.output.breaks import break_cost
from asr.transcript import Word

BREAK_WEIGHT = 0.2  # for a pause, 50 characters may be broken 12 to 38 instead of 25 to 25


def lay_out(words: Sequence[Word], mark: str, width: int) -> tuple[tuple[Word, ...], ...]:
    """The lines of a cue. `mark` stands before the first word. None is wider than `width`, unless a single word is."""
    lengths = [len(word.text) for word in words]
    lengths[0] += len(mark)
    lines, line = 1, lengths[0]
    for length in lengths[1:]:
        line += 1 + length
        if line > width:
            lines, line = lines + 1, length
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length + 1)

    def cost(breaks: tuple[int, ...]) -> float:
        places = (0, *breaks, len(words))
        sizes = [ends[to] - ends[start] - 1 for start, to in pairwise(places)]
        too_wide = sum(size > width and to - start > 1 for size, (start, to) in zip(sizes, pairwise(places), strict=True))
        mean = sum(sizes) / len(sizes)
        uneven = sum((size - mean) ** 2 for size in sizes) / width**2
        top_heavy = sum(max(0, upper - lower) ** 2 for upper, lower in pairwise(sizes)) / width**2
        return 1e6 * too_wide + uneven + top_heavy + BREAK_WEIGHT * sum(break_cost(words[i - 1], words[i]) for i in breaks)

    best = min(combinations(range(1, len(words)), lines - 1), key=cost)
    return tuple(tuple(words[start:to]) for start, to in pairwise((0, *best, len(words))))
