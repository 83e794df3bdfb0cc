"""Windows of words with bounded look-ahead, so that a text is labelled while its words arrive.

The windows lie on a fixed grid over the words of a recording: their number and place depend on nothing else. So the labels do not depend on
the segments in which the words arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

CHUNK = 48  # words that a window labels
AHEAD = 16  # words of context on its right: the delay of the labels
BEFORE = 32  # words of context on its left
EARLY = 32  # words at the start of a recording with smaller windows, so that the first text comes soon
EARLY_CHUNK = 16
EARLY_AHEAD = 12


class Window(NamedTuple):
    """A range of words to read, and the range in it to label."""

    start: int
    end: int
    first: int
    """first word to label"""
    last: int
    """end of the words to label"""
    begins: bool
    """the recording begins at `start`"""
    ends: bool
    """the recording ends at `end`"""


class WindowGrid:
    """The windows of a recording whose words arrive one after another.

    Examples:
        >>> grid = WindowGrid()
        >>> [(w.first, w.last, w.end) for w in grid.ready(30)], [(w.first, w.last, w.end) for w in grid.rest(30)]
        ([(0, 16, 28)], [(16, 30, 30)])
    """

    def __init__(self) -> None:
        self._first = 0  # words before it are labelled

    def ready(self, words: int) -> Iterator[Window]:
        """Yield the windows that are complete once `words` words have arrived and more will follow."""
        while self._first + sum(self._sizes) < words:
            yield self._window(words)

    def rest(self, words: int) -> Iterator[Window]:
        """Yield the windows that are left when the recording ends after `words` words."""
        while self._first < words:
            yield self._window(words)

    @property
    def _sizes(self) -> tuple[int, int]:
        """Words that the next window labels, and those of its context on the right."""
        return (EARLY_CHUNK, EARLY_AHEAD) if self._first < EARLY else (CHUNK, AHEAD)

    def _window(self, words: int) -> Window:
        chunk, ahead = self._sizes
        first, last = self._first, self._first + chunk
        start, end = max(0, first - BEFORE), min(words, last + ahead)
        self._first = last
        return Window(start, end, first, min(last, words), start == 0, end == words)

    @property
    def needed(self) -> int:
        """Index of the first word that later windows read."""
        return max(0, self._first - BEFORE)
