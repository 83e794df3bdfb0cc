"""What every kind of recording is once it is open: its rate, its length, and its samples block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # (N,) in about [-1, 1]
Span: TypeAlias = tuple[int, int]  # samples, from the first to behind the last

PREROLL_SECONDS = 1.0  # decoded and dropped before a part: a lossy codec needs what came before (MP3: 0.3 s, measured)
BLOCK_SECONDS = 1.0  # decoded at once
BLOCK_NUMBERS = 4_000_000  # of all channels, decoded at once at most: a small file may state 255 channels and any rate
MISSING_SECONDS = 0.5  # the headers of containers are not more exact than that


class Reader(Protocol):
    """An open recording."""

    @property
    def sample_rate(self) -> int:
        """Hz"""

    @property
    def channels(self) -> int: ...

    @property
    def note(self) -> str | None:
        """a sentence on a choice that was made, such as that of a sound track"""

    @property
    def gaps(self) -> list[Span]:
        """samples that were damaged in the blocks read so far, and are silence there"""

    @property
    def cut_short(self) -> bool:
        """whether the file breaks off, though it states no length"""

    @property
    def truncated(self) -> bool:
        """whether the header states more bytes of sound than the file has"""

    @property
    def tolerance(self) -> float:
        """seconds by which the stated length may be wrong"""

    def stated_seconds(self) -> float:
        """its length as the header states it, even if the file ends before; 0 where it states none"""

    def seconds(self) -> float:
        """the length that is there, by the header or found by going through the file"""

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        """Samples `start` to `stop` (or the end), (C, N), at the file's rate. Raises AudioError."""


def block_length(rate: int, channels: int) -> int:
    """Samples of each channel in a block."""
    return max(1, min(round(BLOCK_SECONDS * rate), BLOCK_NUMBERS // max(1, channels)))
