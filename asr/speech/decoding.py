"""Decoding of packets to samples, by FFmpeg's libraries (PyAV).

Decoding continues after a damaged packet, as FFmpeg's own program does. The next frame carries the length of the packets that gave no
sound, so that it keeps its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from asr.speech.file_part import FilePart
from asr.speech.reader import Samples

MOST_FAILURES = 10_000  # errors of the demuxer in one recording before reading ends

CHECKED = ("wavpack", "tta")  # codecs of long frames with checksums
MPEG_AUDIO = ("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float")
# Frame types of AMR in pauses: comfort noise (SID), and no data.
AMR_PAUSES = {"amrnb": frozenset({8, 9, 10, 11, 15}), "amrwb": frozenset({9, 15})}


class Frame(NamedTuple):
    """Decoded samples and their time."""

    tick: int | None
    """time stamp in the stream's time base; None where there is none"""
    samples: Samples
    """(C, N)"""
    skipped: int = 0
    """ticks of the packets before it that gave no sound, damaged or in a pause"""
    damaged: bool = False
    """whether a packet before it was damaged"""
    garbled: bool = False
    """whether its own packet fails its checksum"""


class Decoder:
    """Decodes a stream of an open container, from the container's position on.

    Attributes:
        problem: the last error of a packet; None if there was none.
    """

    def __init__(self, container: Any, stream: Any, file: FilePart, rate: int):
        """Decode `stream` of `container`, which reads `file`, at a sample rate of `rate` (Hz)."""
        self.container, self.stream, self.file, self.rate = container, stream, file, rate
        self.problem: Exception | None = None
        self._checker = _checker(stream)
        self._form: tuple[str, str, int] | None = None
        self._resampler: Any = None

    def frames(self) -> Iterator[Frame]:
        """Yield all frames. If the last packets gave no sound, a frame without samples ends them."""
        import av

        codec, self._form = self.stream.codec_context.name, None
        skipped, damaged, channels = 0, False, 1
        for packet in self._packets():
            garbled = self._checker is not None and not _passes(self._checker, packet)
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
                except (av.FFmpegError, ValueError) as e:  # a damaged header names an impossible format
                    self.problem, damaged = e, True
                    continue
                for piece in pieces:
                    channels = len(piece)
                    yield Frame(stamp, piece, skipped, damaged, garbled)
                    stamp, skipped, damaged = None, 0, False
        if skipped:
            yield Frame(None, np.zeros((channels, 0), np.float32), skipped, damaged)

    def _packets(self) -> Iterator[Any]:
        """Yield all packets of the stream. Continue after an error as long as the demuxer advances in the file."""
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
        """Convert a frame to float32 samples (C, N) at `rate`."""
        import av

        if frame.format.name == "fltp" and frame.sample_rate == self.rate:
            return [frame.to_ndarray()]
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:  # a stream may change its format
            self._form, self._resampler = form, av.AudioResampler(format="fltp", rate=self.rate)
        return [piece.to_ndarray() for piece in self._resampler.resample(frame)]


def _checker(stream: Any) -> Any:
    """Open a second decoder that verifies the checksums of a stream; None for codecs without.

    The first one does not verify them: a damaged frame that lasts seconds is mostly sound.
    """
    import av

    if stream.codec_context.name not in CHECKED:
        return None
    checker = av.CodecContext.create(stream.codec_context.name, "r")
    checker.extradata = stream.codec_context.extradata
    checker.sample_rate, checker.layout = stream.codec_context.sample_rate, stream.codec_context.layout
    checker.options = {"err_detect": "crccheck+explode"}
    return checker


def _passes(checker: Any, packet: Any) -> bool:
    import av

    try:
        checker.decode(packet)
    except av.FFmpegError:
        return False
    return True


def _is_pause(codec: str, packet: Any) -> bool:
    """Whether a packet of AMR stands for a pause, for which phones send no sound (DTX)."""
    modes = AMR_PAUSES.get(codec)
    return modes is not None and packet.size > 0 and bytes(packet)[0] >> 3 & 15 in modes


def _is_junk(codec: str, packet: Any) -> bool:
    """Whether a packet of an MPEG audio stream is none, such as a tag in the middle or at the end of a file."""
    if codec not in MPEG_AUDIO:
        return False
    head = bytes(packet)[:2] if packet.size > 1 else b"\0\0"
    return head[0] != 0xFF or head[1] & 0xE0 != 0xE0
