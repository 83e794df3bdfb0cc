"""Keep the memory of a process flat, however long it works.

Batches differ in shape, and so do the blocks of memory that they need. glibc keeps freed blocks of up to 32 MiB for later use, and they
fit none of the later shapes; oneDNN keeps a kernel for each of the last 1,024 shapes. So a process grows by hundreds of MiB in some
hundred batches, though nothing is held. A `Trimmer` gives the blocks back twice a second. (Mapping every large block by itself would
keep less memory still, and costs a fifth of the speed: each block's pages are zeroed anew.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable

EVERY_SECONDS = 0.5  # between trims: one takes some milliseconds
KERNELS = "64"  # of oneDNN; a shape seldom comes again


def limit_kernel_cache() -> None:
    """Bound oneDNN's cache of kernels, unless the environment already does. Call it before torch computes anything."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)


class Trimmer:
    """Give free memory back to the system: twice a second at most, however often `trim` is called; glibc only."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._malloc_trim: Callable[[int], int] | None = None
        with contextlib.suppress(AttributeError, OSError, TypeError):
            self._malloc_trim = ctypes.CDLL(None).malloc_trim

    def trim(self) -> None:
        if self._malloc_trim is not None and time.monotonic() - self._last > EVERY_SECONDS:
            self._malloc_trim(0)
            self._last = time.monotonic()
