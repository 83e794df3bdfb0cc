"""Labels that are given instead of a network's, and timed words."""

from __future__ import annotations

from collections.abc import Sequence

from asr.text.labels import LabelledWord, labelled_words
from asr.transcript import Word


class Given:
    """Labels of a known text, which arrive `late` words behind."""

    def __init__(self, text: str, late: int = 0):
        self.labels, self.late = list(labelled_words(text)), late
        self.heard: list[str] = []
        self.pauses: list[float | None] = []
        self.done = 0

    def add(self, words: Sequence[str], pauses: Sequence[float | None] | None = None) -> list[LabelledWord]:
        self.heard += words
        self.pauses += pauses or [None] * len(words)
        return self._until(len(self.heard) - self.late)

    def finish(self) -> list[LabelledWord]:
        return self._until(len(self.heard))

    def _until(self, end: int) -> list[LabelledWord]:
        start, self.done = self.done, max(self.done, end)
        return self.labels[start : self.done]


def timed(text: str) -> list[Word]:
    """The words of a text as a recogniser writes them, half a second each, the next 0.1 s later."""
    return [Word(word.text.upper(), 0.6 * i, 0.6 * i + 0.5, 1 - i / 100) for i, word in enumerate(labelled_words(text))]
