"""Recordings that FFmpeg's libraries (PyAV) read: mp3, m4a, mp4, webm, mkv, wma, aac, ..., and the sound of a video.

Their frames have time stamps, by which they are placed (see timeline.py).
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from io import FileIO
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import AudioError
from asr.speech.reader import MISSING_SECONDS, PREROLL_SECONDS, Samples, block_length
from asr.speech.timeline import JITTER_SECONDS, LONGEST_GAP, Timeline


class ContainerReader:
    """mp3, m4a, mp4, webm, mkv, wma, aac, ..., and the sound of a video, by FFmpeg's libraries."""

    def __init__(self, path: Path, file: FileIO, stack: contextlib.ExitStack):
        import av

        self.path = path
        try:
            # A playlist (m3u8, concat, ...) names other files and addresses to read: no protocol is open to it.
            options = {"protocol_whitelist": "none"}
            # Tags that are not UTF-8: PyAV 19 takes them as they are; before, they are an error unless they are to be mended.
            tags: Any = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
            self.container: Any = stack.enter_context(av.open(file, options=options, **tags))
        except (av.FFmpegError, ValueError) as e:
            raise self._undecodable(e) from None
        tracks = self.container.streams.audio
        if not tracks:
            raise AudioError(f"{path}: cannot be decoded, it is no recording or has no sound track")
        if tracks[0].codec_context is None:
            raise AudioError(f"{path}: cannot be decoded, its codec is unknown")
        self.stream: Any = tracks[0]
        self.sample_rate: int = self.stream.rate or 0  # the first, whatever comes later: times go by it
        self.channels: int = self.stream.channels
        self.first_tick: int = self.stream.start_time or 0  # of the sound; ticks are those of its time stamps
        self.zero_tick = self._zero_tick()

    def _zero_tick(self) -> int:
        """Where time is 0: where the container starts, or the sound, if it comes so soon after that this is but its codec's delay."""
        if self.container.start_time is None:
            return self.first_tick
        start = round(self.container.start_time / (1_000_000 * self.stream.time_base))
        late = (self.first_tick - start) * self.stream.time_base
        return start if JITTER_SECONDS < late <= LONGEST_GAP else self.first_tick

    def _time(self, tick: int) -> float:
        """A time stamp in seconds."""
        return float((tick - self.zero_tick) * self.stream.time_base)

    def seconds(self) -> float:
        return self.stated_seconds() or self._counted_seconds()

    def stated_seconds(self) -> float:
        """0 for formats that have no length in the header: FFmpeg would guess it from the bit rate."""
        kind = self.container.format.name
        if "mp4" in kind:
            return self._time(self.first_tick + self.stream.duration) if self.stream.duration else 0.0
        if ("matroska" in kind or "asf" in kind) and not self.container.streams.video:  # a video may outlast its sound
            return max(0.0, (self.container.duration or 0) / 1e6 - float(self.zero_tick * self.stream.time_base))
        return 0.0

    def _timeline(self, expected: int | None = None, jitter: float = JITTER_SECONDS) -> Timeline:
        length = self.container.duration  # of the longest track, if it is known
        return Timeline(self.sample_rate, math.inf if length is None else length / 1e6 + MISSING_SECONDS, expected, jitter)

    def _counted_seconds(self) -> float:
        """By the time stamps of all packets; the stream is left at its start."""
        import av

        timeline, end = self._timeline(jitter=0.0), 0  # packets state their lengths less exactly than their times
        with contextlib.suppress(av.FFmpegError):  # a broken end: what came before it counts
            for (stamp, length), (following, _) in pairwise(chain(self._packets(), [(None, 0)])):
                end = max(end, timeline.place(stamp, length, following) + length)
        self._seek(self.first_tick)
        return end / self.sample_rate

    def _packets(self) -> Iterator[tuple[float | None, int]]:
        """(time stamp in seconds, samples) of each packet."""
        for packet in self.container.demux(self.stream):
            length = round((packet.duration or 0) * self.stream.time_base * self.sample_rate)
            yield None if packet.pts is None else self._time(packet.pts), length

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        longest = block_length(self.sample_rate, self.channels)
        held: list[Samples] = []
        for piece in self._pieces(start, sys.maxsize if stop is None else stop, longest):
            if held and len(held[0]) != len(piece):
                yield np.concatenate(held, axis=1)
                held = []
            held.append(piece)
            if sum(block.shape[1] for block in held) >= longest:
                yield np.concatenate(held, axis=1)
                held = []
        if held:
            yield np.concatenate(held, axis=1)

    def _pieces(self, start: int, stop: int, longest: int) -> Iterator[Samples]:
        """Samples `start` to `stop` in pieces of any length: what overlaps is dropped, and gaps are silence, in pieces of at most `longest`."""
        position = start
        for begin, decoded in self._placed(start):
            while position < min(begin, stop):
                silence = np.zeros((len(decoded), min(longest, min(begin, stop) - position)), np.float32)
                yield silence
                position += silence.shape[1]
            if position >= stop:
                break
            if position < begin + decoded.shape[1]:
                piece = decoded[:, position - begin : stop - begin]
                yield piece
                position += piece.shape[1]

    def _placed(self, start: int) -> Iterator[tuple[int, Samples]]:
        """(its place in samples, samples (C, N)) of each frame, from some frame at or before `start` on."""
        seconds = start / self.sample_rate - PREROLL_SECONDS
        if seconds > 0:
            if self._seek(self.zero_tick + seconds / self.stream.time_base):
                frames = self._frames()
                first = next(frames, None)
                if first is not None and first[0] is not None and first[0] * self.sample_rate <= start:
                    timeline = self._timeline(round(first[0] * self.sample_rate))
                    yield from _along(timeline, chain([first], frames))
                    if timeline.expected > start:
                        return
            self._seek(self.first_tick)  # stamps did not lead there: go by all that comes before
        yield from _along(self._timeline(), self._frames())

    def _seek(self, tick: float) -> bool:
        """Whether the container can go there. If not, it may have gone anywhere."""
        import av

        with contextlib.suppress(av.FFmpegError, OverflowError):
            self.container.seek(int(tick), stream=self.stream)
            return True
        return False

    def _frames(self) -> Iterator[tuple[float | None, Samples]]:
        """(time stamp in seconds, samples (C, N)) of each frame, from where the container is.

        A packet that cannot be decoded is passed over, as players do: a tag in the midst of an MP3 is one.
        """
        import av

        form, heard = None, False
        problem: Exception | None = None
        resampler: Any = None
        try:
            for packet in self.container.demux(self.stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError as e:
                    problem = e
                    continue
                for frame in frames:
                    if form != (frame.format.name, frame.layout.name, frame.sample_rate):  # it may change on the way
                        form = (frame.format.name, frame.layout.name, frame.sample_rate)
                        resampler = av.AudioResampler(format="fltp", rate=self.sample_rate)  # self.stream.rate changes with the frames
                    stamp = None if frame.pts is None else self._time(frame.pts)
                    for converted in resampler.resample(frame):
                        heard = True
                        yield stamp, converted.to_ndarray()
                        stamp = None  # of the first alone
        except (av.FFmpegError, ValueError) as e:  # it breaks off: what came before is kept
            problem = e
        if problem is not None and not heard:
            raise self._undecodable(problem)

    def _undecodable(self, error: Exception) -> AudioError:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        return AudioError(f"{self.path}: cannot be decoded, it is no recording or is damaged ({reason})")


def _along(timeline: Timeline, frames: Iterator[tuple[float | None, Samples]]) -> Iterator[tuple[int, Samples]]:
    """(time stamp, samples) of each frame -> (its place on the timeline, samples)."""
    for (stamp, samples), (following, _) in pairwise(chain(frames, [(None, np.zeros((0, 0), np.float32))])):
        yield timeline.place(stamp, samples.shape[1], following), samples
