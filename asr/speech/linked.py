"""Several recordings of one file, read one after the other: chained Ogg, and files joined byte by byte."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from asr.errors import AudioError
from asr.speech.container import ContainerReader
from asr.speech.file_part import FilePart, Link
from asr.speech.reader import Samples, Span


class _Length(NamedTuple):
    """Length of a link, in samples at the rate of the first one."""

    present: int
    stated: int = 0
    truncated: bool = False


class LinkedReader:
    """The links of a file as one recording, at the sample rate of the first. FFmpeg reads them."""

    tolerance = 0.05

    def __init__(self, path: Path, file: BinaryIO, links: Sequence[Link], track: int | None = None, unread: int = 0):
        """Open the first link; the others are opened when they are read.

        Args:
            path: the file's name, for messages.
            file: the open file.
            links: its recordings, at least one.
            track: number of the audio track in each, 1 for the first; None to choose.
            unread: bytes that follow the last recording, see `Reader.unread`.
        """
        self.path, self.file, self.links, self.track, self.unread = path, file, links, track, unread
        self.gaps: list[Span] = []
        self.cut_short = not links[-1].whole
        self.sample_rate = self.channels = 0
        with self._opened(0) as first:
            self.sample_rate, self.channels, self.note = first.sample_rate, first.channels, first.note

    @contextlib.contextmanager
    def _opened(self, number: int) -> Iterator[ContainerReader]:
        link = self.links[number]
        with contextlib.ExitStack() as stack:
            part = FilePart(self.file, link.begin, link.end)
            yield ContainerReader(self.path, part, stack, self.track, self.sample_rate or None, link.end_ticks)

    @functools.cached_property
    def _lengths(self) -> list[_Length]:
        """The length of each link; 0 for a link that cannot be opened."""
        lengths = []
        for number in range(len(self.links)):
            length = _Length(0)
            with contextlib.suppress(AudioError), self._opened(number) as reader:
                present, stated = (round(s * self.sample_rate) for s in (reader.seconds(), reader.stated_seconds()))
                length = _Length(present, stated, reader.truncated)
            lengths.append(length)
        return lengths

    @property
    def truncated(self) -> bool:
        return self._lengths[-1].truncated

    def seconds(self) -> float:
        return sum(length.present for length in self._lengths) / self.sample_rate

    def stated_seconds(self) -> float:
        *earlier, last = self._lengths
        return (sum(length.present for length in earlier) + max(last.present, last.stated)) / self.sample_rate

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        begin = 0
        for number, (length, _, _) in enumerate(self._lengths):
            end = begin + length
            if not length:
                self.gaps.append((begin, begin))
            elif (stop is None or begin < stop) and start < end:
                yield from self._blocks(number, max(0, start - begin), length if stop is None else min(length, stop - begin), begin)
            begin = end

    def _blocks(self, number: int, start: int, stop: int, begin: int) -> Iterator[Samples]:
        """Yield samples `start` to `stop` of a link whose first sample is `begin` of the whole; silence where it ends before."""
        position, channels, tolerance = start, 1, self.tolerance
        with self._opened(number) as reader:
            tolerance = max(tolerance, reader.tolerance)
            for block in reader.blocks(start, stop):
                position, channels = position + block.shape[1], len(block)
                yield block
        self.gaps.extend((begin + first, begin + last) for first, last in reader.gaps)
        if position < stop and number + 1 < len(self.links):
            if stop - position > tolerance * self.sample_rate:
                self.gaps.append((begin + position, begin + stop))
            yield np.zeros((channels, stop - position), np.float32)
