"""The most frequent errors: confusions, insertions, deletions, words of low recall, compounds; and the worst utterances."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from asr.score.alignment import Row
from asr.score.compounds import compound_errors, find_compounds

_Word = TypeVar("_Word", str, tuple[str, str])

LISTED = 50
"""entries of a list"""
COMPOUNDS_SHOWN = 20
RECALL_MIN_COUNT = 3
"""occurrences in the references, for a word to be listed by recall"""


@dataclass(frozen=True)
class Recall:
    """Recall of a word of the references."""

    word: str
    count: int
    hits: int

    @property
    def recall(self) -> float:
        return self.hits / self.count


@dataclass(frozen=True)
class Compounds:
    """Errors that consist of spaces only."""

    count: int
    errors: int
    """word errors they cause"""
    share_of_errors: float
    """of all word errors; 0 if there are none"""
    examples: tuple[tuple[str, str, int], ...]
    """(reference, hypothesis, count), most frequent first"""


@dataclass(frozen=True)
class ErrorLists:
    """Most frequent first; ties in alphabetical order."""

    confusions: tuple[tuple[str, str, int], ...]
    """(word of the reference, word of the hypothesis, count)"""
    insertions: tuple[tuple[str, int], ...]
    deletions: tuple[tuple[str, int], ...]
    low_recall: tuple[Recall, ...]
    """words of at least three occurrences, lowest recall first; ties by frequency"""
    compounds: Compounds


class ErrorTally:
    """Accumulates errors over utterances."""

    def __init__(self) -> None:
        self._confusions: Counter[tuple[str, str]] = Counter()
        self._insertions: Counter[str] = Counter()
        self._deletions: Counter[str] = Counter()
        self._compounds: Counter[tuple[str, str]] = Counter()

    def add(self, rows: Sequence[Row]) -> None:
        """Add an utterance's alignment; one without errors may be omitted."""
        for kind, word, heard in rows:
            if kind == "s":
                self._confusions[word, heard] += 1
            elif kind == "d":
                self._deletions[word] += 1
            elif kind == "i":
                self._insertions[heard] += 1
        for pair in find_compounds(rows):
            self._compounds[pair] += 1

    def lists(self, vocabulary: Counter[str]) -> ErrorLists:
        """Build the lists. `vocabulary` counts the words of the references."""
        missed = Counter(self._deletions)
        for (word, _), number in self._confusions.items():
            missed[word] += number
        recalls = [
            Recall(word, vocabulary[word], vocabulary[word] - n) for word, n in missed.items() if vocabulary[word] >= RECALL_MIN_COUNT
        ]
        recalls.sort(key=lambda r: (r.recall, -r.count, r.word))
        errors = sum(missed.values()) + sum(self._insertions.values())
        by_compounds = sum(compound_errors(*pair) * number for pair, number in self._compounds.items())
        compounds = Compounds(
            sum(self._compounds.values()),
            by_compounds,
            by_compounds / errors if errors else 0.0,
            tuple((*pair, number) for pair, number in _most(self._compounds, COMPOUNDS_SHOWN)),
        )
        return ErrorLists(
            tuple((*pair, number) for pair, number in _most(self._confusions)),
            tuple(_most(self._insertions)),
            tuple(_most(self._deletions)),
            tuple(recalls[:LISTED]),
            compounds,
        )


def _most(counts: Counter[_Word], number: int = LISTED) -> list[tuple[_Word, int]]:
    return heapq.nsmallest(number, counts.items(), key=lambda pair: (-pair[1], pair[0]))


def worst_utterances(errors: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], number: int = LISTED) -> list[int]:
    """Indices of the utterances with the most word errors; ties by error rate. Utterances without errors are omitted."""
    order = np.lexsort((np.arange(len(errors)), -errors / np.maximum(lengths, 1), -errors))
    return [int(i) for i in order[:number] if errors[i]]
