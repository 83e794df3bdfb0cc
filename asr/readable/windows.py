"""Windows of words with bounded look-ahead, so that a text is labelled while its words arrive.

The windows lie on a fixed grid over the words of a recording: their number and place depend on nothing else. So the labels do not depend on
the segments in which the words arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

CHUNK = 48  # words that a window labels
BEFORE = 32  # words of context on its left
AHEAD = 16  # words of context on its right: the delay of the labels


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

    >>> grid = WindowGrid()
    >>> [w.end for w in grid.ready(100)], [(w.first, w.last) for w in grid.rest(100)]
    ([64], [(48, 96), (96, 100)])
    """

    def __init__(self) -> None:
        self._chunk = 0

    def ready(self, words: int) -> Iterator[Window]:
        """Yield the windows that are complete once `words` words have arrived and more will follow."""
        while (self._chunk + 1) * CHUNK + AHEAD < words:
            yield self._window(words)

    def rest(self, words: int) -> Iterator[Window]:
        """Yield the windows that are left when the recording ends after `words` words."""
        while self._chunk * CHUNK < words:
            yield self._window(words)

    def _window(self, words: int) -> Window:
        first = self._chunk * CHUNK
        self._chunk += 1
        last = first + CHUNK
        start, end = max(0, first - BEFORE), min(words, last + AHEAD)
        return Window(start, end, first, min(last, words), start == 0, end == words)

    @property
    def needed(self) -> int:
        """Index of the first word that later windows read."""
        return max(0, self._chunk * CHUNK - BEFORE)
