"""Cased text as training examples of a text restorer: windows of labelled words, with simulated pauses.

Shapes: B windows, W words, P pieces of a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.config import CasedTextConfig
from asr.errors import ConfigError
from asr.readable.batch import BOUNDARY, Vocabulary, pad
from asr.text.labels import Case, LabelledWord, Mark, labelled_words
from asr.text.tokenizer import Tokenizer
from asr.train.sentences import read_lines

IGNORED = -100  # label of the words that have none: the ends of a recording, and padding


class PauseModel(NamedTuple):
    """Distribution of the pause behind a word: none at all, or else log-normal."""

    median: float
    """seconds"""
    deviation: float
    """of the logarithm"""
    none: float
    """probability of no pause"""


# Assumed for read and spoken English, not fitted. They overlap on purpose, so that a pause is evidence and no proof.
PAUSES = {
    Mark.NONE: PauseModel(0.10, 0.7, 0.80),
    Mark.COMMA: PauseModel(0.25, 0.6, 0.25),
    Mark.FULL_STOP: PauseModel(0.55, 0.5, 0.05),
    Mark.QUESTION: PauseModel(0.55, 0.5, 0.05),
    Mark.EXCLAMATION: PauseModel(0.45, 0.6, 0.10),
    Mark.COLON: PauseModel(0.40, 0.5, 0.10),
    Mark.DASH: PauseModel(0.35, 0.6, 0.15),
}


class Example(NamedTuple):
    """A window of the text."""

    start: int
    end: int
    whole: bool
    """The example is a whole recording: the network sees both ends."""


class Batch(NamedTuple):
    """Windows, padded."""

    pieces: Tensor  # (B, W, P)
    pauses: Tensor  # (B, W) seconds, NaN: unknown
    lengths: Tensor  # (B,)
    cases: Tensor  # (B, W) labels, IGNORED where there is none
    marks: Tensor  # (B, W)


class Document(NamedTuple):
    """Labelled words in arrays: a novel takes six bytes a word."""

    table: list[str]
    """distinct words of all documents, in lower case"""
    ids: NDArray[np.int32]
    """index of each word in the table"""
    cases: NDArray[np.int8]
    marks: NDArray[np.int8]

    @property
    def words(self) -> list[str]:
        return [self.table[i] for i in self.ids]

    @property
    def labelled(self) -> list[LabelledWord]:
        labels = zip(self.words, self.cases.tolist(), self.marks.tolist(), strict=True)
        return [LabelledWord(word, Case(case), Mark(mark)) for word, case, mark in labels]


def read_documents(files: Sequence[Path], what: str) -> list[Document]:
    """Return the labelled words of each document. An empty line, and the end of a file, end a document.

    Raises:
        ConfigError: The key `what` (`data.train`, ...) names no file, or a file that cannot be read or has no words.
    """
    if not files:
        raise ConfigError(f"{what} names no text: give a text file with capitals and punctuation in the config or as {what}=[FILE]")
    documents: list[Document] = []
    table: dict[str, int] = {}
    names: list[str] = []
    for path in files:
        before = len(documents)
        words: list[tuple[int, int, int]] = []
        for line in [*read_lines(path, what), ""]:
            if line.strip():
                for word, case, mark in labelled_words(line):
                    if word not in table:
                        table[word] = len(names)
                        names.append(word)
                    words.append((table[word], case, mark))
            elif words:
                ids, cases, marks = zip(*words, strict=True)
                documents.append(Document(names, np.array(ids, np.int32), np.array(cases, np.int8), np.array(marks, np.int8)))
                words = []
        if len(documents) == before:
            raise ConfigError(f"{path}: holds no words ({what})")
    return documents


class CasedText:
    """Labelled words of many documents, one behind another in arrays.

    Args:
        documents: As `read_documents` returns them, with one table.
        tokenizer: Of the network.
    """

    def __init__(self, documents: Sequence[Document], tokenizer: Tokenizer):
        self.vocabulary = Vocabulary(tokenizer)
        table = self.vocabulary.ids(documents[0].table).astype(np.int32)
        self.ids = table[np.concatenate([document.ids for document in documents])]
        self.cases = np.concatenate([document.cases for document in documents])
        self.marks = np.concatenate([document.marks for document in documents])
        self.ends = np.cumsum([len(document.ids) for document in documents])  # of the documents
        ended = np.isin(self.marks, [mark for mark in Mark if mark.ends_sentence])
        ended[self.ends - 1] = True
        self.sentences = np.concatenate([[0], np.flatnonzero(ended) + 1])  # first word of each, and the end of the last

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, examples: Sequence[Example], pauses: float, random: np.random.Generator) -> Batch:
        """Return windows as tensors.

        Args:
            examples: The windows.
            pauses: Fraction of the windows with simulated pauses.
            random: Draws these windows and their pauses.
        """
        ids, cases, marks, seconds = [], [], [], []
        for example in examples:
            window = slice(example.start, example.end)
            ids.append(_with_ends(self.ids[window], BOUNDARY, example.whole))
            cases.append(_with_ends(self.cases[window], IGNORED, example.whole))
            marks.append(_with_ends(self.marks[window], IGNORED, example.whole))
            pause = simulated_pauses(self.marks[window], random)
            unknown = random.random() >= pauses
            seconds.append(_with_ends(np.full_like(pause, np.nan) if unknown else pause, np.nan, example.whole))
        return Batch(
            self.vocabulary.pieces(pad(ids, -1)),
            torch.from_numpy(pad(seconds, np.nan)),
            torch.tensor([len(row) for row in ids]),
            torch.from_numpy(pad(cases, IGNORED)),
            torch.from_numpy(pad(marks, IGNORED)),
        )


def _with_ends(values: NDArray[np.generic], end: float, whole: bool) -> NDArray[np.generic]:
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.int64)
    ends = np.full(int(whole), end, kind)
    return np.concatenate([ends, values.astype(kind), ends])


def simulated_pauses(marks: NDArray[np.int8], random: np.random.Generator) -> NDArray[np.float32]:
    """Draw the pause behind each word of a window from that of its mark (s). The last one is unknown."""
    medians, deviations, none = np.array([PAUSES[mark] for mark in Mark]).T[:, marks]
    pace = random.lognormal(0.0, 0.3)
    pauses = pace * medians * np.exp(deviations * random.standard_normal(len(marks)))
    pauses[random.random(len(marks)) < none] = 0.0
    pauses[-1:] = np.nan
    return pauses.astype(np.float32)


@dataclass
class WindowSampler:
    """Batches of windows, epoch after epoch. Set `epoch` and `step` to resume from there."""

    text: CasedText
    config: CasedTextConfig
    batch_words: int
    seed: int
    epochs: int
    epoch: int = 0
    step: int = 0

    def plan(self, epoch: int) -> list[list[Example]]:
        """Return the batches of an epoch in random order. It depends on the seed and the epoch alone."""
        random = np.random.default_rng((self.seed, epoch))
        examples = [example for example in self._examples(random) if example.end > example.start]
        size = max(1, self.batch_words // self.config.window_words)
        # Sorted roughly by length, so that a batch has little padding.
        order = np.argsort(np.array([e.end - e.start for e in examples]) + random.uniform(0, 8, len(examples)), kind="stable")
        batches = [[examples[i] for i in order[start : start + size]] for start in range(0, len(order), size)]
        return [batches[i] for i in random.permutation(len(batches))]

    def _examples(self, random: np.random.Generator) -> Iterator[Example]:
        """Cut every document into windows, at a random phase. Some become whole recordings of a random number of sentences."""
        width = self.config.window_words
        start = 0
        for end in self.text.ends.tolist():
            at = start
            cut = start + int(random.integers(1, width + 1))
            while at < end:
                cut = min(cut, end)
                if random.random() < self.config.whole:
                    yield self._whole(at, cut, random)
                else:
                    yield Example(at, cut, False)
                at, cut = cut, cut + width
            start = end

    def _whole(self, start: int, end: int, random: np.random.Generator) -> Example:
        """Return the whole sentences in a window as a recording, or some of them; the window itself if it holds none."""
        bounds = self.text.sentences
        inside = bounds[np.searchsorted(bounds, start) : np.searchsorted(bounds, end, side="right")]
        if len(inside) < 2:
            return Example(start, end, False)
        first = int(random.integers(0, len(inside) - 1)) if random.random() < 0.5 else 0
        last = int(random.integers(first + 1, len(inside))) if random.random() < 0.5 else len(inside) - 1
        return Example(int(inside[first]), int(inside[last]), True)

    def __iter__(self) -> Iterator[tuple[int, int, int, list[Example]]]:
        """Yield (epoch, step in it, steps of it, windows) from (`epoch`, `step`) to the end, without changing them."""
        first = self.step
        for epoch in range(self.epoch, self.epochs):
            plan = self.plan(epoch)
            for step in range(first, len(plan)):
                yield epoch, step, len(plan), plan[step]
            first = 0
