"""Measures of restored labels: F1 of every mark, case accuracy, and case accuracy of names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asr.text.labels import Case, LabelledWord, Mark


def are_names(words: Iterable[LabelledWord]) -> Iterator[bool]:
    """Yield for each word whether it is a name: a word with a capital that neither starts a sentence nor is `I`."""
    starts = True
    for word in words:
        yield word.case is not Case.LOWER and not starts and word.text.partition("'")[0] != "i"
        starts = word.mark.ends_sentence


@dataclass
class LabelCounts:
    """Counts of reference and predicted labels, which can be added up over documents."""

    marks: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(Mark), len(Mark)), np.int64))
    """(reference, prediction)"""
    words: int = 0
    right_cases: int = 0
    names: int = 0
    """words with a capital that neither start a sentence nor are `I`"""
    right_names: int = 0

    def add(self, reference: Sequence[LabelledWord], found: Sequence[LabelledWord]) -> None:
        """Count the labels of a document. Both must have the same words."""
        for expected, got, is_name in zip(reference, found, are_names(reference), strict=True):
            self.marks[expected.mark, got.mark] += 1
            self.words += 1
            self.right_cases += expected.case is got.case
            self.names += is_name
            self.right_names += is_name and expected.case is got.case

    def f1(self, mark: Mark) -> float:
        """Return F1 of a mark in [0, 1]: 2 TP / (2 TP + FP + FN). 0 if the mark is in neither text."""
        total = int(self.marks[mark].sum() + self.marks[:, mark].sum())
        return 2 * int(self.marks[mark, mark]) / total if total else 0.0

    @property
    def case_accuracy(self) -> float:
        """Fraction of the words with the right case."""
        return self.right_cases / max(1, self.words)

    @property
    def name_accuracy(self) -> float:
        """Fraction of the names with the right case."""
        return self.right_names / max(1, self.names)

    def summary(self, marks: Iterable[Mark] = (Mark.FULL_STOP, Mark.COMMA, Mark.QUESTION)) -> dict[str, float]:
        """Return the measures by name, as the log of a training has them."""
        return {
            **{f"f1_{mark.name.lower()}": self.f1(mark) for mark in marks},
            "case_accuracy": self.case_accuracy,
            "name_accuracy": self.name_accuracy,
        }
