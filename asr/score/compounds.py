"""Compounds: words that differ only by spaces ("every one" / "everyone").

They count as errors like all others; their number is reported separately.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from asr.score.alignment import Row

NEAR = 50  # words: the longest compound, and the largest distance of its two sides within a run of errors


def find_compounds(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Find pairs (words of the reference, words of the hypothesis) within runs of errors that are equal except for spaces.

    Examples:
        >>> from asr.score.alignment import align
        >>> list(find_compounds(align("EVERY ONE WENT HOME".split(), "EVERYONE GOES HOME".split())))
        [('EVERY ONE', 'EVERYONE')]
    """
    expected: list[str] = []
    heard: list[str] = []
    for kind, word, other in rows:
        if kind == "=":
            if len(expected) + len(heard) > 2:
                yield from _in_run(expected, heard)
            if expected or heard:
                expected, heard = [], []
            continue
        if kind != "i":
            expected.append(word)
        if kind != "d":
            heard.append(other)
    if len(expected) + len(heard) > 2:
        yield from _in_run(expected, heard)


def compound_errors(reference: str, hypothesis: str) -> int:
    """Number of word errors of a compound: the words of its longer side.

    Examples:
        >>> compound_errors("EVERY ONE", "EVERYONE")
        2
    """
    return max(len(reference.split()), len(hypothesis.split()))


def _in_run(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[tuple[str, str]]:
    start = 0  # hypothesis words before this are used
    i = 0
    while i < len(reference):
        opposite = i * len(hypothesis) // len(reference)
        for j in range(max(start, opposite - NEAR), min(len(hypothesis), opposite + NEAR + 1)):
            lengths = _same_letters(reference[i : i + NEAR], hypothesis[j : j + NEAR])
            if lengths:
                yield " ".join(reference[i : i + lengths[0]]), " ".join(hypothesis[j : j + lengths[1]])
                i, start = i + lengths[0] - 1, j + lengths[1]
                break
        i += 1


def _same_letters(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int] | None:
    """Numbers of words at the start of each side that are equal except for spaces; None if there are none."""
    one, other, i, j = reference[0], hypothesis[0], 1, 1
    while one != other:
        if len(one) < len(other) and other.startswith(one) and i < len(reference):
            one, i = one + reference[i], i + 1
        elif len(other) < len(one) and one.startswith(other) and j < len(hypothesis):
            other, j = other + hypothesis[j], j + 1
        else:
            return None
    return (i, j) if i + j > 2 else None
