"""How far a long job is, told to whoever shows it: the library itself prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""(what is done, how many steps) -> a context that gives a function to tell of steps done"""


@contextmanager
def no_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Progress that nobody sees."""
    yield lambda steps: None
