"""Recordings that FFmpeg's libraries (PyAV) read: mp3, m4a, mp4, webm, mkv, ogg, wma, aac, ..., and the sound of a video.

Their frames have time stamps, by which they are placed (see timeline.py). Time 0 is where the first decoded frame stands: some
containers state another start, by up to 92 ms.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import AudioError
from asr.speech.decoding import Decoder, Frame
from asr.speech.file_part import FilePart
from asr.speech.headers import flac_first_sample, mp3_seconds, share_beyond_end
from asr.speech.reader import MISSING_SECONDS, PREROLL_SECONDS, Samples, Span, block_length
from asr.speech.timeline import JITTER_SECONDS, LONGEST_GAP, Timeline
from asr.speech.tracks import choose_track

# Demuxers by FFmpeg's short names. Those below go to a time by stamps, by an index, or by going through all that comes before it.
# Others, such as WAV's, compute a place from the byte rate of the header, which some encoders write wrong: there a part is decoded
# from the start.
STAMPED = frozenset({"mov", "matroska", "asf", "mpegts", "mpeg", "avi", "flv", "nut", "mxf", "rm", "amr", "caf"})
# Formats whose sound has no pauses: a step of their stamps is sound that was lost.
CONTINUOUS = frozenset({"ogg", "flac", "mp3", "aac", "ac3", "eac3", "dts", "truehd", "wv", "tta", "ape", "tak", "mpc", "mpc8"})
SEEKABLE = STAMPED | CONTINUOUS
SHORTEST_GAP = 0.005  # s; below, it is the rounding of a time stamp


class ContainerReader:
    """mp3, m4a, mp4, webm, mkv, ogg, wma, aac, ..., and the sound of a video, by FFmpeg's libraries."""

    tolerance = MISSING_SECONDS

    def __init__(
        self,
        path: Path,
        file: FilePart,
        stack: contextlib.ExitStack,
        track: int | None = None,
        rate: int | None = None,
        end_tick: int | None = None,
        cut_short: bool = False,
    ):
        """Open `file`.

        Args:
            path: its name, for messages.
            file: its content.
            stack: closes the container.
            track: number of the sound track, 1 for the first; None to choose.
            rate: Hz at which samples are given; None is that of the stream.
            end_tick: where the sound ends, in the stream's time base, where the caller knows; None to go by the container.
            cut_short: whether the file is known to break off.
        """
        import av

        self.path, self.file = path, file
        self.gaps: list[Span] = []
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
        self.stream, self.note = choose_track(path, tracks, track)
        self.kinds = frozenset(self.container.format.name.split(","))
        if self.stream.codec_context.name == "flac":  # or damaged frames would be heard as noise
            self.stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self.sample_rate: int = rate or self.stream.rate or 0  # the first, whatever comes later: times go by it
        self.channels: int = self.stream.channels
        self.end_tick, self.cut_short = end_tick, cut_short
        self._jitter = 0.0 if self.kinds == {"flac"} else JITTER_SECONDS
        self._decoder = Decoder(self.container, self.stream, file, self.sample_rate)
        self._start: Iterator[Frame] | None = None  # all frames, while none but the first was asked for
        self.zero_tick = self._zero_tick()

    # ---------------------------------------------------------------- times

    def _zero_tick(self) -> int:
        """Where time is 0: the first frame, or the container's start if the sound comes later than a codec's delay."""
        frames = self._decoder.frames()
        first = next(frames, None)
        self._start = iter(()) if first is None else chain([first], frames)
        start = self.stream.start_time or 0
        if self.kinds == {"flac"} and not flac_first_sample(self.file):
            return 0  # its first frames may be damaged
        if first is None or first.tick is None:
            return start
        origin: int = first.tick - first.skipped
        if self.stream.codec_context.name in ("wmav1", "wmav2"):  # their decoder drops one frame
            origin -= round(first.samples.shape[1] / self.sample_rate / self.stream.time_base)
        if self.container.start_time is None:
            return origin
        begin = round(self.container.start_time / (1_000_000 * self.stream.time_base))
        late = (origin - begin) * self.stream.time_base
        return begin if JITTER_SECONDS < late <= LONGEST_GAP else origin

    def _time(self, tick: int | None) -> float | None:
        """A time stamp in seconds."""
        return None if tick is None else float((tick - self.zero_tick) * self.stream.time_base)

    def seconds(self) -> float:
        stated = self._known_seconds()
        return stated or self._counted_seconds()

    @functools.cached_property
    def _beyond(self) -> float:
        return share_beyond_end(self.file)

    @property
    def truncated(self) -> bool:
        return self._beyond > 0

    def stated_seconds(self) -> float:
        if self.kinds == {"mp3"}:
            return mp3_seconds(self.file)
        if self.truncated:
            return (1 + self._beyond) * self.seconds()
        return self._known_seconds()

    def _known_seconds(self) -> float:
        """Its length without a look at the packets; 0 for formats that state none: FFmpeg would guess it from the bit rate."""
        if self.end_tick is not None:
            # FFmpeg gives the first frame of a short Vorbis stream a stamp above 0, and does not trim the last.
            begin = 0 if self._is_vorbis and 0 <= self.zero_tick * self.stream.time_base < JITTER_SECONDS else self.zero_tick
            return float(max(0, self.end_tick - begin) * self.stream.time_base)
        if "mov" in self.kinds:
            start = self.stream.start_time or 0
            return max(0.0, self._time(start + self.stream.duration) or 0.0) if self.stream.duration else 0.0
        if self.kinds & {"matroska", "asf"} and not self.container.streams.video:  # a video may outlast its sound
            return max(0.0, (self.container.duration or 0) / 1e6 - float(self.zero_tick * self.stream.time_base))
        if self.kinds == {"flac"} and self.zero_tick == 0 and self.stream.duration:
            return float(self.stream.duration * self.stream.time_base)
        return 0.0

    @property
    def _is_vorbis(self) -> bool:
        return self.stream.codec_context.name == "vorbis"

    def _timeline(self, expected: int | None = None, jitter: float | None = None) -> Timeline:
        length = self.container.duration  # of the longest track, if it is known
        end = math.inf if length is None else length / 1e6 + MISSING_SECONDS
        return Timeline(self.sample_rate, end, expected, self._jitter if jitter is None else jitter)

    def _counted_seconds(self) -> float:
        """By the time stamps of all packets; the stream is left at its start."""
        import av

        self._rewind()
        timeline, end = self._timeline(jitter=0.0), 0  # packets state their lengths less exactly than their times
        with contextlib.suppress(av.FFmpegError, ValueError):  # a broken end: what came before it counts
            for (stamp, length), (following, _) in pairwise(chain(self._packets(), [(None, 0)])):
                end = max(end, timeline.place(stamp, length, following) + length)
        self._rewind()
        return end / self.sample_rate

    def _packets(self) -> Iterator[tuple[float | None, int]]:
        """(time stamp in seconds, samples) of each packet."""
        for packet in self.container.demux(self.stream):
            length = round((packet.duration or 0) * self.stream.time_base * self.sample_rate)
            yield self._time(packet.pts), length

    # ---------------------------------------------------------------- samples

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        longest = block_length(self.sample_rate, self.channels)
        held: list[Samples] = []
        length = 0
        for piece in self._pieces(start, sys.maxsize if stop is None else stop, longest):
            if held and len(held[0]) != len(piece):
                yield np.concatenate(held, axis=1)
                held, length = [], 0
            held.append(piece)
            length += piece.shape[1]
            if length >= longest:
                yield np.concatenate(held, axis=1)
                held, length = [], 0
        if held:
            yield np.concatenate(held, axis=1)

    def _pieces(self, start: int, stop: int, longest: int) -> Iterator[Samples]:
        """Samples `start` to `stop` in pieces of any length: what overlaps is dropped, and gaps are silence, in pieces of at most `longest`."""
        known = self._known_seconds()
        if known and start >= (known + MISSING_SECONDS) * self.sample_rate:
            return
        if known and self._is_vorbis and self.end_tick is not None:
            stop = min(stop, round(known * self.sample_rate))
        position = start
        for begin, decoded, lost in self._placed(start):
            if lost and min(begin, stop) - position > SHORTEST_GAP * self.sample_rate:
                self.gaps.append((position, min(begin, stop)))
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

    def _placed(self, start: int) -> Iterator[tuple[int, Samples, bool]]:
        """(its place in samples, samples (C, N), whether a gap before it was lost) of each frame, from some frame at or before `start` on."""
        seconds = start / self.sample_rate - PREROLL_SECONDS
        if seconds > 0 and self.kinds & SEEKABLE:
            if self._seek(self.zero_tick + seconds / self.stream.time_base):
                frames = self._decoder.frames()
                first = next(frames, None)
                time = None if first is None else self._time(first.tick)
                if first is not None and time is not None and time * self.sample_rate <= start:
                    timeline = self._timeline(round(time * self.sample_rate))
                    yield from self._along(timeline, chain([first._replace(skipped=0, damaged=False)], frames))
                    if timeline.expected > start:
                        return
            self._rewind()  # stamps did not lead there: go by all that comes before
        frames, self._start = self._start or self._decoder.frames(), None
        heard = False
        for placed in self._along(self._timeline(), frames):
            heard = True
            yield placed
        if not heard and self._decoder.problem is not None:
            raise self._undecodable(self._decoder.problem)

    def _along(self, timeline: Timeline, frames: Iterator[Frame]) -> Iterator[tuple[int, Samples, bool]]:
        """Frames with their places on the timeline."""
        base, lossless = float(self.stream.time_base), bool(self.kinds & CONTINUOUS)
        end = Frame(None, np.zeros((0, 0), np.float32))
        frame: Frame | None = None
        time: float | None = None
        for following in chain(frames, [end]):
            following_time = None if following.tick is None else (following.tick - self.zero_tick) * base
            if frame is not None:
                place = timeline.place(time, frame.samples.shape[1], following_time, frame.skipped * base)
                yield place, frame.samples, frame.damaged or lossless
            frame, time = following, following_time

    def _rewind(self) -> None:
        """Go to the start of the stream."""
        self._start = None
        self._seek(min(self.zero_tick, self.stream.start_time or 0))

    def _seek(self, tick: float) -> bool:
        """Whether the container can go there. If not, it may have gone anywhere."""
        import av

        self._start = None
        with contextlib.suppress(av.FFmpegError, OverflowError):
            self.container.seek(int(tick), stream=self.stream)
            return True
        return False

    def _undecodable(self, error: Exception) -> AudioError:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        return AudioError(f"{self.path}: cannot be decoded, it is no recording or is damaged ({reason})")
