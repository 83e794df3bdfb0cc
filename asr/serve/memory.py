"""Memory that is free, back to the system.

Batches differ in shape, and so do the blocks of memory that they need: glibc keeps what is freed, in pieces, and the process grows
by hundreds of MiB in some hundred batches though nothing is held. `malloc_trim` gives it back.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable

EVERY_SECONDS = 0.5  # it takes some milliseconds
KERNELS = "64"  # oneDNN keeps those of the last 1,024 shapes otherwise, and a shape seldom comes again


def keep_few_kernels() -> None:
    """To be called before torch is imported."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)


class Trimmer:
    """`trim` as often as you like: it does so twice a second at most, and nothing where the C library is another."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._malloc_trim: Callable[[int], int] | None = None
        try:
            self._malloc_trim = ctypes.CDLL(None).malloc_trim
        except (AttributeError, OSError, TypeError):
            return

    def trim(self) -> None:
        if self._malloc_trim is not None and time.monotonic() - self._last > EVERY_SECONDS:
            self._malloc_trim(0)
            self._last = time.monotonic()
