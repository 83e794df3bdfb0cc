"""Words as tensors: pieces by word, and batches of windows.

Shapes: B windows, W words, P pieces of a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.text.tokenizer import BLANK, EOS, Tokenizer

MOST_PIECES = 8  # of a word; the rest of a longer word is not read
BOUNDARY = 0  # id of the word that stands for the start and the end of a recording


class Vocabulary:
    """Ids of words, and the pieces of each. Words are added as they are met."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._ids: dict[str, int] = {}
        self._table: NDArray[np.int64] = np.full((1, MOST_PIECES), BLANK, np.int64)
        self._table[BOUNDARY, 0] = EOS

    def ids(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the ids of words in lower case."""
        new = [word for word in dict.fromkeys(words) if word not in self._ids]
        if new:
            rows = np.full((len(new), MOST_PIECES), BLANK, np.int64)
            for row, tokens in zip(rows, self._tokenizer.encode_many(new), strict=True):
                row[: len(tokens)] = tokens[:MOST_PIECES]
            self._ids |= {word: len(self._table) + i for i, word in enumerate(new)}
            self._table = np.concatenate([self._table, rows])
        return np.fromiter((self._ids[word] for word in words), np.int64, len(words))

    def __len__(self) -> int:
        return len(self._table)

    def pieces(self, ids: NDArray[np.int64]) -> Tensor:
        """Return the pieces (..., P) of ids (...). Padding, with an id below 0, has none."""
        found = self._table[np.maximum(ids, 0)]
        found[ids < 0] = BLANK
        most = int((found != BLANK).sum(-1).max(initial=1))
        return torch.from_numpy(found[..., :most])


def pad(rows: Sequence[NDArray[Any]], fill: float) -> NDArray[Any]:
    """Return rows of different lengths as one array, padded with `fill`."""
    padded = np.full((len(rows), max(map(len, rows))), fill, rows[0].dtype)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded
