"""Recordings that FFmpeg's libraries (PyAV) read: MP3, M4A, MP4, WebM, Matroska, Ogg, WMA, AAC, ..., and the sound of videos.

Frames are placed by their time stamps (see timeline.py). Time 0 is the first decoded frame, since some containers state another start.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asr.errors import AudioError
from asr.speech.decoding import Decoder, Frame
from asr.speech.file_part import FilePart
from asr.speech.headers import asf_seconds, avi_seconds, flac_first_sample, mp3_seconds
from asr.speech.reader import MISSING_SECONDS, PREROLL_SECONDS, FileReader, Samples, block_length
from asr.speech.timeline import JITTER_SECONDS, LONGEST_GAP, Timeline
from asr.speech.tracks import choose_track

# Demuxers by FFmpeg's short names. Those below seek by time stamps, by an index, or by reading from the start. Others, such as WAV's,
# compute a position from the byte rate in the header, which some encoders write wrong. There a part is decoded from the start.
STAMPED = frozenset({"mov", "matroska", "asf", "mpegts", "mpeg", "avi", "flv", "nut", "mxf", "rm", "amr", "caf"})
# Formats without pauses: a step between their time stamps is lost sound.
CONTINUOUS = frozenset({"ogg", "flac", "mp3", "aac", "ac3", "eac3", "dts", "truehd", "wv", "tta", "ape", "tak", "mpc", "mpc8"})
SEEKABLE = STAMPED | CONTINUOUS
# Precision of the stated length (s), where it is better than MISSING_SECONDS.
PRECISION = {"wv": 0.05, "tta": 0.05, "flac": 0.05, "ogg": 0.05, "mp3": 0.1, "mov": 0.25}
SHORTEST_GAP = 0.005  # s; shorter steps are rounding errors of time stamps


class _Placed(NamedTuple):
    """Samples (C, N) of a frame on the timeline."""

    begin: int
    samples: Samples
    lost: bool
    """whether a gap before it is lost sound"""
    garbled: bool
    """whether it is damaged itself"""


class ContainerReader(FileReader):
    """A recording of any container, by FFmpeg's libraries."""

    def __init__(
        self,
        path: Path,
        file: FilePart,
        stack: contextlib.ExitStack,
        track: int | None = None,
        rate: int | None = None,
        end_ticks: Sequence[int | None] = (),
        cut_short: bool = False,
        unread: int = 0,
    ):
        """Open a file.

        Args:
            path: the file's name, for messages.
            file: the open file.
            stack: closes the container.
            track: number of the audio track, 1 for the first; None to choose.
            rate: sample rate of the output (Hz); None for that of the stream.
            end_ticks: end of the sound of each stream in its time base, as far as known; else the container's is used.
            cut_short: whether the file is known to end too early.
            unread: bytes that follow the recording, see `Reader.unread`.

        Raises:
            AudioError: FFmpeg cannot open the file, or it has no sound or no such track.
        """
        import av

        super().__init__(file, unread)
        self.path = path
        try:
            # A playlist (m3u8, concat, ...) names other files and addresses: allow it no protocol.
            options = {"protocol_whitelist": "none"}
            # Before version 19, PyAV raises an error for tags that are not UTF-8 unless asked to replace the bytes.
            tags: Any = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
            self.container: Any = stack.enter_context(av.open(file, options=options, **tags))
        except (av.FFmpegError, ValueError) as e:
            raise self._undecodable(e) from None
        tracks = self.container.streams.audio
        if not tracks:
            raise AudioError(f"{path}: cannot be decoded: it has no audio track, or is no recording")
        self.stream, self.note = choose_track(path, tracks, track)
        self.kinds = frozenset(self.container.format.name.split(","))
        if self.stream.codec_context.name == "flac":  # otherwise damaged frames are decoded to noise
            self.stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self.sample_rate: int = rate or self.stream.rate or 0  # of the first frame; a stream may change it, times may not
        self.channels: int = self.stream.channels
        self.end_tick = end_ticks[self.stream.index] if self.stream.index < len(end_ticks) else None
        self.cut_short = cut_short
        self.tolerance = next((seconds for kind, seconds in PRECISION.items() if kind in self.kinds), MISSING_SECONDS)
        self._jitter = 0.0 if self.kinds == {"flac"} else JITTER_SECONDS
        self._decoder = Decoder(self.container, self.stream, file, self.sample_rate)
        self._start: Iterator[Frame] | None = None  # all frames, until they are read
        self.zero_tick = self._zero_tick()

    # ---------------------------------------------------------------- times

    def _zero_tick(self) -> int:
        """Return the tick of time 0: the first frame, or the container's start if the sound begins later than a codec's delay."""
        frames = self._decoder.frames()
        first = next(frames, None)
        self._start = iter(()) if first is None else chain([first], frames)
        start = self.stream.start_time or 0
        if self.kinds == {"flac"} and not flac_first_sample(self.file):
            return 0  # even if its first frames are damaged
        if first is None or first.tick is None:
            return start
        origin: int = first.tick - first.skipped
        if self.stream.codec_context.name in ("wmav1", "wmav2"):  # FFmpeg's decoder drops the first frame
            origin -= round(first.samples.shape[1] / self.sample_rate / self.stream.time_base)
        if self.container.start_time is None:
            return origin
        begin = round(self.container.start_time / (1_000_000 * self.stream.time_base))
        late = (origin - begin) * self.stream.time_base
        return begin if JITTER_SECONDS < late <= LONGEST_GAP else origin

    def _time(self, tick: int | None) -> float | None:
        """Convert a time stamp to seconds."""
        return None if tick is None else float((tick - self.zero_tick) * self.stream.time_base)

    def seconds(self) -> float:
        stated = self._known_seconds()
        return stated or self._counted_seconds()

    def stated_seconds(self) -> float:
        if self.kinds == {"mp3"}:
            return mp3_seconds(self.file)
        if self.kinds & {"asf", "avi"} and len(self.container.streams) == 1:
            return asf_seconds(self.file) if "asf" in self.kinds else avi_seconds(self.file)
        if self.truncated:
            return (1 + self.beyond) * self.seconds()
        return self._known_seconds()

    def _known_seconds(self) -> float:
        """Return the length stated by the container; 0 for formats that state none, where FFmpeg would guess it from the bit rate."""
        if self.end_tick is not None:
            # FFmpeg gives the first frame of a short Vorbis stream a stamp above 0, and does not trim the last frame.
            begin = 0 if self._is_vorbis and 0 <= self.zero_tick * self.stream.time_base < JITTER_SECONDS else self.zero_tick
            return float(max(0, self.end_tick - begin) * self.stream.time_base)
        if "mov" in self.kinds:
            start = self.stream.start_time or 0
            return max(0.0, self._time(start + self.stream.duration) or 0.0) if self.stream.duration else 0.0
        if self.kinds & {"matroska", "asf"}:
            # The duration is that of the longest track. Writers of Matroska add the duration of each as a tag.
            alone = len(self.container.streams) == 1
            length = (self.container.duration or 0) / 1e6 if alone else _tagged_seconds(self.stream.metadata.get("DURATION", ""))
            return max(0.0, length - float(self.zero_tick * self.stream.time_base))
        if self.kinds & {"wv", "tta"} and self.stream.duration:
            return float(self.stream.duration * self.stream.time_base)
        if self.kinds & {"flv", "rm"} and len(self.container.streams) == 1:
            return max(0.0, (self.container.duration or 0) / 1e6 - float(self.zero_tick * self.stream.time_base))
        if self.kinds == {"flac"} and self.zero_tick == 0 and self.stream.duration:
            return float(self.stream.duration * self.stream.time_base)
        return 0.0

    @property
    def _is_vorbis(self) -> bool:
        return self.stream.codec_context.name == "vorbis"

    def _timeline(self, expected: int | None = None, jitter: float | None = None) -> Timeline:
        length = self.container.duration  # of the longest track; None if unknown
        end = math.inf if length is None else length / 1e6 + MISSING_SECONDS
        return Timeline(self.sample_rate, end, expected, self._jitter if jitter is None else jitter)

    def _counted_seconds(self) -> float:
        """Compute the length from the time stamps of all packets, and return to the start of the stream."""
        import av

        self._rewind()
        timeline, end = self._timeline(jitter=0.0), 0  # lengths of packets are less exact than their times
        with contextlib.suppress(av.FFmpegError, ValueError):  # a damaged end does not void what comes before it
            for (stamp, length), (following, _) in pairwise(chain(self._packets(), [(None, 0)])):
                end = max(end, timeline.place(stamp, length, following) + length)
        self._rewind()
        return end / self.sample_rate

    def _packets(self) -> Iterator[tuple[float | None, int]]:
        """Yield (time stamp in seconds, samples) of each packet."""
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
        """Yield samples `start` to `stop` in pieces of any length. Overlaps are dropped. Gaps are silence, in pieces of at most `longest`."""
        known = self._known_seconds()
        if known and start >= (known + MISSING_SECONDS) * self.sample_rate:
            return
        if known and self._is_vorbis and self.end_tick is not None:
            stop = min(stop, round(known * self.sample_rate))
        position = start
        for begin, decoded, lost, garbled in self._placed(start):
            if lost and min(begin, stop) - position > SHORTEST_GAP * self.sample_rate:
                self.gaps.append((position, min(begin, stop)))
            if garbled and max(begin, start) < min(begin + decoded.shape[1], stop):
                self.gaps.append((max(begin, start), min(begin + decoded.shape[1], stop)))
            if lost and not decoded.shape[1]:
                break  # nothing follows the damage
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

    def _placed(self, start: int) -> Iterator[_Placed]:
        """Yield all frames from one at or before `start` on."""
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
            self._rewind()  # seeking failed: decode from the start
        frames, self._start = self._start or self._decoder.frames(), None
        decoded = False
        for placed in self._along(self._timeline(), frames):
            decoded = True
            yield placed
        if not decoded and self._decoder.problem is not None:
            raise self._undecodable(self._decoder.problem)

    def _along(self, timeline: Timeline, frames: Iterator[Frame]) -> Iterator[_Placed]:
        """Place frames on the timeline."""
        base, lossless = float(self.stream.time_base), bool(self.kinds & CONTINUOUS)
        end = Frame(None, np.zeros((0, 0), np.float32))
        frame: Frame | None = None
        time: float | None = None
        for following in chain(frames, [end]):
            following_time = None if following.tick is None else (following.tick - self.zero_tick) * base
            if frame is not None:
                place = timeline.place(time, frame.samples.shape[1], following_time, frame.skipped * base)
                yield _Placed(place, frame.samples, frame.damaged or lossless, frame.garbled)
            frame, time = following, following_time

    def _rewind(self) -> None:
        """Go to the start of the stream."""
        self._start = None
        self._seek(min(self.zero_tick, self.stream.start_time or 0))

    def _seek(self, tick: float) -> bool:
        """Seek to a tick. Return False on failure, which leaves the container at any position."""
        import av

        self._start = None
        with contextlib.suppress(av.FFmpegError, OverflowError):
            self.container.seek(int(tick), stream=self.stream)
            return True
        return False

    def _undecodable(self, error: Exception) -> AudioError:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        return AudioError(
            f"{self.path}: cannot be decoded: it is damaged, or no recording: check that it plays, or convert it to WAV ({reason})"
        )


def _tagged_seconds(tag: str) -> float:
    """Read a Matroska tag such as `00:01:02.500000000`; 0 for other text."""
    found = re.fullmatch(r"(\d{1,5}):(\d\d):(\d\d(?:\.\d+)?)", tag.strip())
    return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3]) if found else 0.0
