"""What every kind of recording is once it is open: its rate, its length, and its samples block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # (N,) in about [-1, 1]

PREROLL_SECONDS = 1.0  # decoded and dropped before a part: a lossy codec needs what came before (MP3: 0.3 s, measured)
BLOCK_SECONDS = 1.0  # decoded at once
BLOCK_NUMBERS = 4_000_000  # of all channels, decoded at once at most: a small file may state 255 channels and any rate
MISSING_SECONDS = 0.5  # headers are not more exact than that


class Reader(Protocol):
    """An open recording."""

    @property
    def sample_rate(self) -> int:
        """Hz"""

    @property
    def channels(self) -> int: ...

    def stated_seconds(self) -> float:
        """its length, as its header states it; 0 where it does not"""

    def seconds(self) -> float:
        """the same, or as it is found by going through the file"""

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        """Samples `start` to `stop` (or the end), (C, N), at the file's rate. Raises AudioError."""


def block_length(rate: int, channels: int) -> int:
    """Samples of each channel in a block."""
    return max(1, min(round(BLOCK_SECONDS * rate), BLOCK_NUMBERS // max(1, channels)))
