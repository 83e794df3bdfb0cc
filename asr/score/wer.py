"""Word and character error rates by jiwer's alignments.

Texts are not normalised. Words are separated by white space; runs of it count as one space.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jiwer
from jiwer import CharacterOutput, WordOutput


@dataclass(frozen=True)
class ErrorCounts:
    """Edits between references and hypotheses, in words or in characters."""

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
        """Errors divided by the length of the reference; may exceed 1.

        For an empty reference: 0 if nothing was inserted, else infinite.
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
    """Error counts pooled over utterances."""

    words: ErrorCounts
    characters: ErrorCounts
    utterances: int
    sentence_errors: int
    """utterances with at least one word error"""


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Count word edits, pooled over utterances. Raises ValueError if the lists differ in length.

    Examples:
        >>> word_errors(["GO ON"], ["GO"])
        ErrorCounts(hits=1, substitutions=0, deletions=1, insertions=0)
    """
    return _pooled(jiwer.process_words, references, hypotheses)


def character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Count character edits, pooled over utterances; spaces are characters. Raises ValueError if the lists differ in length."""
    return _pooled(jiwer.process_characters, references, hypotheses)


def score(references: Sequence[str], hypotheses: Sequence[str]) -> Score:
    """Count word, character and sentence errors. Raises ValueError if the lists differ in length."""
    wrong = sum(reference.split() != hypothesis.split() for reference, hypothesis in zip(references, hypotheses, strict=True))
    return Score(word_errors(references, hypotheses), character_errors(references, hypotheses), len(references), wrong)


def _pooled(process: Callable[..., WordOutput | CharacterOutput], references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses: expected equally many")
    if not references:
        return ErrorCounts(0, 0, 0, 0)
    found = process(_single_spaces(references), _single_spaces(hypotheses))
    return ErrorCounts(found.hits, found.substitutions, found.deletions, found.insertions)


def _single_spaces(texts: Sequence[str]) -> list[str]:
    """Replace runs of white space by single spaces: jiwer splits words at spaces only."""
    return [" ".join(text.split()) for text in texts]
