"""Recordings of several links one after the other: chained Ogg."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from asr.errors import AudioError
from asr.speech.container import ContainerReader
from asr.speech.file_part import FilePart
from asr.speech.ogg import Link
from asr.speech.reader import Samples, Span


class LinkedReader:
    """Links of an Ogg file as one recording, at the rate of the first."""

    tolerance = 0.05
    truncated = False

    def __init__(self, path: Path, file: BinaryIO, links: Sequence[Link], track: int | None = None):
        """Open the first link; the others are opened when they are read."""
        self.path, self.file, self.links, self.track = path, file, links, track
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
            yield ContainerReader(self.path, part, stack, self.track, self.sample_rate or None, link.end_tick)

    @functools.cached_property
    def _lengths(self) -> list[int]:
        """Samples of each link."""
        lengths = []
        for number in range(len(self.links)):
            length = 0
            with contextlib.suppress(AudioError), self._opened(number) as reader:
                length = round(reader.seconds() * self.sample_rate)
            lengths.append(length)
        return lengths

    def seconds(self) -> float:
        return sum(self._lengths) / self.sample_rate

    def stated_seconds(self) -> float:
        return self.seconds()

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        begin = 0
        for number, length in enumerate(self._lengths):
            end = begin + length
            if not length:  # its headers are damaged
                self.gaps.append((begin, begin))
            elif (stop is None or begin < stop) and start < end:
                yield from self._blocks(number, max(0, start - begin), length if stop is None else min(length, stop - begin), begin)
            begin = end

    def _blocks(self, number: int, start: int, stop: int, begin: int) -> Iterator[Samples]:
        """Samples `start` to `stop` of a link, which stands at `begin`; silence where it ends before."""
        position, channels = start, 1
        with self._opened(number) as reader:
            for block in reader.blocks(start, stop):
                position, channels = position + block.shape[1], len(block)
                yield block
        self.gaps.extend((begin + first, begin + last) for first, last in reader.gaps)
        if position < stop and number + 1 < len(self.links):
            if stop - position > self.tolerance * self.sample_rate:
                self.gaps.append((begin + position, begin + stop))
            yield np.zeros((channels, stop - position), np.float32)
