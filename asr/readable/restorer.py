"""A trained text restorer: its folder, and the labels that it gives to the words of a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from asr.config import RestorerFolderConfig
from asr.config_file import described_kind, load_config, with_article
from asr.errors import UsageError
from asr.files import atomic_folder
from asr.model.checkpoint import CONFIG, TEXT, TOKENIZER, find_complete, read_card, read_network, write_folder
from asr.model.run_folder import WEIGHTS, find_model
from asr.readable.batch import BOUNDARY, Vocabulary, pad
from asr.readable.network import RestorerNetwork
from asr.readable.windows import Window, WindowGrid
from asr.text.labels import Case, LabelledWord, Mark
from asr.text.tokenizer import Tokenizer

KNOWN_WORDS = 100_000  # words whose pieces are kept; a vocabulary that grows beyond is started anew
BATCH = 64  # windows that are labelled at once


@dataclass(frozen=True)
class TrainedRestorer:
    """A text restorer, with its tokenizer, config and card."""

    network: RestorerNetwork
    tokenizer: Tokenizer
    config: RestorerFolderConfig
    card: str = ""

    def label(self, words: Sequence[str], pauses: Sequence[float | None] | None = None) -> list[LabelledWord]:
        """Label the words of a whole recording.

        Args:
            words: In any case.
            pauses: Pause between each word and the next (s). None: unknown.

        Returns:
            One labelled word for each word.
        """
        stream = LabelStream(self)
        return [*stream.add(words, pauses), *stream.finish()]


class LabelStream:
    """Labels for words that arrive one after another. The words of a stream are those of one recording.

    Args:
        restorer: The model.
    """

    def __init__(self, restorer: TrainedRestorer):
        self._restorer = restorer
        self._vocabulary = Vocabulary(restorer.tokenizer)
        self._grid = WindowGrid()
        self._words: list[str] = []  # from `_offset` on
        self._pauses: list[float] = []
        self._offset = 0

    def add(self, words: Sequence[str], pauses: Sequence[float | None] | None = None) -> list[LabelledWord]:
        """Add words, and return the labels of the words that have all of their context now."""
        self._words += [word.lower() for word in words]
        self._pauses += [float("nan") if pause is None else float(pause) for pause in (pauses or [None] * len(words))]
        return self._label(list(self._grid.ready(self._offset + len(self._words))))

    def finish(self) -> list[LabelledWord]:
        """End the recording, and return the labels of the remaining words."""
        return self._label(list(self._grid.rest(self._offset + len(self._words))))

    def _label(self, windows: list[Window]) -> list[LabelledWord]:
        found = [word for start in range(0, len(windows), BATCH) for word in self._label_batch(windows[start : start + BATCH])]
        drop = self._grid.needed - self._offset
        if windows and drop > 0:
            del self._words[:drop], self._pauses[:drop]
            self._offset += drop
        return found

    @torch.inference_mode()
    def _label_batch(self, windows: Sequence[Window]) -> Iterator[LabelledWord]:
        if len(self._vocabulary) > KNOWN_WORDS:
            self._vocabulary = Vocabulary(self._restorer.tokenizer)
        ids, pauses = [], []
        for window in windows:
            start, end = window.start - self._offset, window.end - self._offset
            before, after = [BOUNDARY] * window.begins, [BOUNDARY] * window.ends
            ids.append(np.concatenate([before, self._vocabulary.ids(self._words[start:end]), after]).astype(np.int64))
            pauses.append(np.array([*[np.nan] * len(before), *self._pauses[start:end], *[np.nan] * len(after)], np.float32))
        device = self._restorer.network.case.weight.device
        lengths = torch.tensor([len(row) for row in ids], device=device)
        pieces = self._vocabulary.pieces(pad(ids, -1)).to(device)
        logits = self._restorer.network(pieces, torch.from_numpy(pad(pauses, np.nan)).to(device), lengths)
        cases, marks = (x.argmax(2).tolist() for x in logits)
        for i, window in enumerate(windows):
            for position in range(window.first, window.last):
                at = position - window.start + window.begins
                yield LabelledWord(self._words[position - self._offset], Case(cases[i][at]), Mark(marks[i][at]))


def save_restorer(folder: Path, restorer: TrainedRestorer, half: bool = False) -> None:
    """Write a text restorer's folder, all of it or nothing.

    Args:
        folder: Created, or replaced.
        restorer: The text restorer.
        half: Store 16-bit floats.

    Raises:
        OSError: The folder cannot be written. The error names it.
    """
    with atomic_folder(folder) as partial:
        write_folder(partial, restorer.network, restorer.tokenizer, restorer.config, restorer.card, half)


def load_restorer(folder: Path, device: torch.device | str = "cpu") -> TrainedRestorer:
    """Read a text restorer's folder.

    Returns:
        The text restorer in float32 and evaluation mode.

    Raises:
        UsageError: There is no such folder, or it holds a model of another kind.
        ModelError: A file is missing or damaged, or does not fit the others.
    """
    folder = find_complete(folder)
    if (kind := described_kind(folder / CONFIG)) != "text_restorer":
        raise UsageError(f"{folder}: is {with_article(kind)}, not a text restorer: train one with recipes/text/restore.yaml")
    config = load_config(RestorerFolderConfig, folder / CONFIG)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    network = read_network(lambda: RestorerNetwork(len(tokenizer), config.model), folder / WEIGHTS)
    return TrainedRestorer(network.to(device).eval(), tokenizer, config, read_card(folder))


def find_restorer(model: Path, device: torch.device | str = "cpu") -> TrainedRestorer | None:
    """Read the text restorer of a recogniser's folder, or of a run's; None if it has none. Raises as `load_restorer` does."""
    folder = find_model(model)[0] / TEXT
    return load_restorer(folder, device) if folder.is_dir() else None
