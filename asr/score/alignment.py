"""Word alignments and edit counts.

Two kinds of costs, by name:

    levenshtein  the fewest edits, by rapidfuzz, which jiwer calls: counts equal jiwer's
    sclite       substitution 4, deletion and insertion 3, as in NIST's sclite: counts equal sclite's

The totals rarely differ: sclite prefers a deletion and an insertion to two substitutions if one more word is then correct. Among
alignments of equal cost sclite may choose another one, which matters only for texts of very few different words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from rapidfuzz.distance import Levenshtein

from asr.score.wer import ErrorCounts

Row: TypeAlias = tuple[str, str, str]
"""(kind, word of the reference, word of the hypothesis); kind is = correct, s substituted, d deleted, i inserted"""

Alignment: TypeAlias = Literal["levenshtein", "sclite"]

_NO_WORD = "\0"


def align(reference: list[str], hypothesis: list[str], kind: Alignment = "levenshtein") -> list[Row]:
    """Align two lists of words.

    Args:
        reference: Words of the reference.
        hypothesis: Words of the hypothesis.
        kind: Costs of the edits.

    Returns:
        Rows from left to right; an absent word is "".

    Examples:
        >>> align("GO ON NOW".split(), "GO NOW PLEASE".split())
        [('=', 'GO', 'GO'), ('s', 'ON', 'NOW'), ('s', 'NOW', 'PLEASE')]
        >>> align("GO ON NOW".split(), "GO NOW PLEASE".split(), "sclite")
        [('=', 'GO', 'GO'), ('d', 'ON', ''), ('=', 'NOW', 'NOW'), ('i', '', 'PLEASE')]
    """
    if reference == hypothesis:
        return [("=", word, word) for word in reference]
    rows: list[Row] = []
    for step in Levenshtein.opcodes(reference, hypothesis):
        tag, start, end, start_there, end_there = step.tag, step.src_start, step.src_end, step.dest_start, step.dest_end
        if tag == "equal":
            rows += [("=", word, word) for word in reference[start:end]]
        elif tag == "replace":
            rows += [("s", *pair) for pair in zip(reference[start:end], hypothesis[start_there:end_there], strict=True)]
        elif tag == "delete":
            rows += [("d", word, "") for word in reference[start:end]]
        else:
            rows += [("i", "", word) for word in hypothesis[start_there:end_there]]
    return _cheaper_for_sclite(rows, reference, hypothesis) if kind == "sclite" else rows


def _cheaper_for_sclite(rows: list[Row], reference: list[str], hypothesis: list[str]) -> list[Row]:
    """The alignment of least cost under sclite's weights; of equal ones, that with the fewest edits."""
    from kaldialign import align as align_by_cost

    found: list[Row] = []
    for word, heard in align_by_cost(reference, hypothesis, _NO_WORD, sclite_mode=True):
        if word == heard:
            found.append(("=", word, heard))
        elif heard == _NO_WORD:
            found.append(("d", word, ""))
        else:
            found.append(("i", "", heard) if word == _NO_WORD else ("s", word, heard))
    return found if _sclite_cost(found) < _sclite_cost(rows) else rows


def _sclite_cost(rows: Iterable[Row]) -> int:
    return sum({"=": 0, "s": 4, "d": 3, "i": 3}[kind] for kind, _, _ in rows)


def count(rows: Iterable[Row]) -> ErrorCounts:
    """Count the rows of each kind."""
    kinds = [kind for kind, _, _ in rows]
    return ErrorCounts(kinds.count("="), kinds.count("s"), kinds.count("d"), kinds.count("i"))


def count_characters(reference: str, hypothesis: str) -> ErrorCounts:
    """Count the fewest character edits; spaces are characters."""
    if reference == hypothesis:
        return ErrorCounts(len(reference), 0, 0, 0)
    substituted = deleted = inserted = 0
    for step in Levenshtein.opcodes(reference, hypothesis):
        if step.tag == "replace":
            substituted += step.src_end - step.src_start
        elif step.tag == "delete":
            deleted += step.src_end - step.src_start
        elif step.tag == "insert":
            inserted += step.dest_end - step.dest_start
    return ErrorCounts(len(reference) - substituted - deleted, substituted, deleted, inserted)
