"""Word and character error rates, with jiwer's alignments.

Nothing is normalised here: texts are compared as they stand, words apart at white space, any run of which is one space.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jiwer
from jiwer import CharacterOutput, WordOutput


@dataclass(frozen=True)
class ErrorCounts:
    """Edits that turn references into hypotheses, in words or in characters."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Hits, substitutions, deletions, insertions."""
        return self.hits, self.substitutions, self.deletions, self.insertions

    @property
    def reference_length(self) -> int:
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each word (or character) of the reference; above 1 where much is inserted.

        With an empty reference: 0 when nothing was inserted, else infinite.
        """
        if self.reference_length:
            return self.errors / self.reference_length
        return math.inf if self.errors else 0.0

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


@dataclass(frozen=True)
class Score:
    """How well a set of hypotheses fits its references, pooled over utterances."""

    words: ErrorCounts
    characters: ErrorCounts
    utterances: int
    sentence_errors: int
    """utterances with at least one word error"""


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Pooled word edits. Raises ValueError when the two differ in number.

    >>> word_errors(["GO ON"], ["GO"])
    ErrorCounts(hits=1, substitutions=0, deletions=1, insertions=0)
    """
    return _pooled(jiwer.process_words, references, hypotheses)


def character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Pooled character edits, spaces counted. Raises ValueError when the two differ in number."""
    return _pooled(jiwer.process_characters, references, hypotheses)


def score(references: Sequence[str], hypotheses: Sequence[str]) -> Score:
    """Both, and how many utterances have an error. Raises ValueError when the two differ in number."""
    wrong = sum(reference.split() != hypothesis.split() for reference, hypothesis in zip(references, hypotheses, strict=True))
    return Score(word_errors(references, hypotheses), character_errors(references, hypotheses), len(references), wrong)


def _pooled(process: Callable[..., WordOutput | CharacterOutput], references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses: they must be as many")
    if not references:
        return ErrorCounts(0, 0, 0, 0)
    found = process(_single_spaces(references), _single_spaces(hypotheses))
    return ErrorCounts(found.hits, found.substitutions, found.deletions, found.insertions)


def _single_spaces(texts: Sequence[str]) -> list[str]:
    """White space as single spaces: jiwer parts words at spaces alone, and would keep a tab or a line's end inside one."""
    return [" ".join(text.split()) for text in texts]
