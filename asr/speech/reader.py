"""The interface of an open recording: its rate, its length, and its samples block by block."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asr.speech.headers import Bytes, share_beyond_end

Samples = NDArray[np.float32]  # (N,) in about [-1, 1]
Span: TypeAlias = tuple[int, int]  # first sample, and the sample after the last

PREROLL_SECONDS = 1.0  # decoded and dropped before a part: a lossy codec depends on what came before
BLOCK_SECONDS = 1.0  # decoded at once
BLOCK_NUMBERS = 4_000_000  # of all channels, decoded at once at most: a small file may state 255 channels and any rate
MISSING_SECONDS = 0.5  # precision of the lengths in the headers of containers


class Reader(Protocol):
    """An open recording."""

    @property
    def sample_rate(self) -> int:
        """Sample rate (Hz)."""

    @property
    def channels(self) -> int:
        """Number of channels."""

    @property
    def note(self) -> str | None:
        """A sentence on a choice that was made, such as the audio track; None if there was none."""

    @property
    def gaps(self) -> list[Span]:
        """Samples of the blocks read so far that were damaged, and are silence. An empty span stands for a length that is not known."""

    @property
    def cut_short(self) -> bool:
        """Whether the file ends too early, although it states no length."""

    @property
    def truncated(self) -> bool:
        """Whether the header states more bytes of sound than the file has."""

    @property
    def unread(self) -> int:
        """Bytes behind the end of the recording that belong to no recording that is known."""

    @property
    def tolerance(self) -> float:
        """Error of the stated length (s)."""

    def stated_seconds(self) -> float:
        """Return the length stated in the header, even if the file ends before it; 0 where none is stated."""

    def seconds(self) -> float:
        """Return the length present, by the header or by reading through the file."""

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        """Decode a part.

        Args:
            start: first sample.
            stop: sample after the last; None for all that follows.

        Yields:
            (C, N) samples at the file's rate.

        Raises:
            AudioError: the recording cannot be decoded.
        """


class FileReader:
    """What the readers of single recordings share.

    Attributes:
        file: the open file.
        gaps: see `Reader`.
        note: see `Reader`.
        cut_short: see `Reader`.
        unread: see `Reader`.
    """

    def __init__(self, file: Bytes, unread: int = 0):
        self.file, self.unread = file, unread
        self.gaps: list[Span] = []
        self.note: str | None = None
        self.cut_short = False

    @functools.cached_property
    def beyond(self) -> float:
        """Bytes of sound stated beyond the end of the file, as a share of those present; see `share_beyond_end`."""
        return share_beyond_end(self.file)

    @property
    def truncated(self) -> bool:
        return self.beyond > 0


def block_length(rate: int, channels: int) -> int:
    """Return the samples of each channel in a block."""
    return max(1, min(round(BLOCK_SECONDS * rate), BLOCK_NUMBERS // max(1, channels)))
