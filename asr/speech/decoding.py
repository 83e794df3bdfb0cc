"""Packets of a container to frames of samples, by FFmpeg's libraries (PyAV).

Decoding goes on behind a damaged packet, as FFmpeg's own program does. The length of the packets that were passed over is kept with the
next frame, so that the sound behind them stays at its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from asr.speech.file_part import FilePart
from asr.speech.reader import Samples

MOST_FAILURES = 10_000  # errors of the demuxer in one recording, after which it is given up

MPEG_AUDIO = ("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float")
# Packets by which AMR marks a pause: the comfort noise (SID), and nothing at all.
AMR_PAUSES = {"amrnb": frozenset({8, 9, 10, 11, 15}), "amrwb": frozenset({9, 15})}


class Frame(NamedTuple):
    """Decoded samples and where they stand."""

    tick: int | None
    """time stamp in the stream's time base; None where there is none"""
    samples: Samples
    """(C, N)"""
    skipped: int = 0
    """ticks of the packets before it that gave no sound: damaged, or a pause"""
    damaged: bool = False
    """whether a packet before it was damaged"""


class Decoder:
    """Decodes a stream of an open container, from where the container is.

    Attributes:
        problem: the last error of a packet; None while there was none.
    """

    def __init__(self, container: Any, stream: Any, file: FilePart, rate: int):
        """`file` is that of the container; samples are given at `rate` (Hz)."""
        self.container, self.stream, self.file, self.rate = container, stream, file, rate
        self.problem: Exception | None = None
        self._form: tuple[str, str, int] | None = None
        self._resampler: Any = None

    def frames(self) -> Iterator[Frame]:
        """All frames. A last one without samples stands for packets at the end that gave no sound."""
        import av

        codec, self._form = self.stream.codec_context.name, None
        skipped, damaged, channels = 0, False, 1
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError as e:
                pause = _is_pause(codec, packet)
                frames = []
                if not pause:
                    self.problem = e
                if pause or not _is_junk(codec, packet):
                    skipped += packet.duration or 0
                    damaged = damaged or not pause
            for frame in frames:
                stamp = frame.pts
                try:
                    pieces = self._converted(frame)
                except (av.FFmpegError, ValueError) as e:  # a damaged header names a form that cannot be
                    self.problem, damaged = e, True
                    continue
                for piece in pieces:
                    channels = len(piece)
                    yield Frame(stamp, piece, skipped, damaged)
                    stamp, skipped, damaged = None, 0, False
        if skipped:
            yield Frame(None, np.zeros((channels, 0), np.float32), skipped, damaged)

    def _packets(self) -> Iterator[Any]:
        """All packets of the stream. The demuxer may go on behind an error, as long as it gets further in the file."""
        import av

        furthest = -1
        for _ in range(MOST_FAILURES):
            try:
                for packet in self.container.demux(self.stream):
                    furthest = max(furthest, packet.pos or 0)
                    yield packet
                return
            except (av.FFmpegError, ValueError) as e:
                self.problem = e
                position = self.file.tell()
                if position <= furthest:
                    return
                furthest = position

    def _converted(self, frame: Any) -> list[Samples]:
        """Samples (C, N) of a frame as float32 at `rate`."""
        import av

        if frame.format.name == "fltp" and frame.sample_rate == self.rate:
            return [frame.to_ndarray()]
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:  # it may change on the way
            self._form, self._resampler = form, av.AudioResampler(format="fltp", rate=self.rate)
        return [piece.to_ndarray() for piece in self._resampler.resample(frame)]


def _is_pause(codec: str, packet: Any) -> bool:
    """Whether a packet of AMR says that nobody speaks: phones send no sound then (DTX)."""
    modes = AMR_PAUSES.get(codec)
    return modes is not None and packet.size > 0 and bytes(packet)[0] >> 3 & 15 in modes


def _is_junk(codec: str, packet: Any) -> bool:
    """Whether a packet of MPEG audio is none: a tag in the midst of a file or at its end."""
    if codec not in MPEG_AUDIO:
        return False
    head = bytes(packet)[:2] if packet.size > 1 else b"\0\0"
    return head[0] != 0xFF or head[1] & 0xE0 != 0xE0
