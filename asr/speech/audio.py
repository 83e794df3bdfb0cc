"""Recordings of any format to float32 mono at the model's rate.

libsndfile (soundfile) reads wav, flac, ogg, opus, sph and their like; FFmpeg's libraries (PyAV) read mp3, m4a, mp4, webm, wma, video.
What a file is called does not matter, only what is in it. A recording that breaks off is read as far as it goes, and how much is
missing is told. Only the part that is asked for is decoded, block by block, so that memory holds little more than the result.

Times are those of the container, from its start on: sound that starts later than the pictures of a video, or pauses, has silence before
it and in its gaps (see timeline.py). A codec's delay, of less than JITTER_SECONDS, is no such silence.

Shapes: C channels, N samples.
"""

from __future__ import annotations

import contextlib
import math
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.errors import AudioError
from asr.speech.timeline import JITTER_SECONDS, LONGEST_GAP, Timeline

Samples = NDArray[np.float32]  # (N,) in about [-1, 1]

# What recordings are called, where many files are looked through. One that is named itself may be called anything.
ENDINGS = frozenset(
    """.wav .wave .flac .ogg .oga .opus .mp3 .mp2 .m4a .m4b .aac .wma .sph .aif .aiff .aifc .au .caf .w64 .amr .ac3 .mka
    .mp4 .m4v .mov .mkv .webm .avi .wmv .mpg .mpeg .3gp .flv""".split()  # noqa: SIM905
)

PREROLL_SECONDS = 1.0  # decoded and dropped before a part: a lossy codec needs what came before (MP3: 0.3 s, measured)
BLOCK_SECONDS = 1.0  # decoded at once
BLOCK_NUMBERS = 4_000_000  # of all channels, decoded at once at most: a small file may state 255 channels and any rate
MISSING_SECONDS = 0.5  # headers are not more exact than that
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # Hz; a sample rate outside is a damaged header


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a recording says."""

    sample_rate: int
    """Hz"""
    channels: int
    seconds: float
    """from the start of the container to the end of its sound"""


def probe(path: Path) -> AudioInfo:
    """Read the header alone; a stream that states no length is run through, undecoded. Raises AudioError naming the file."""
    with _open(path) as reader:
        seconds = reader.seconds()
        if seconds <= 0:
            raise _no_sound(path)
        return AudioInfo(reader.sample_rate, reader.channels, seconds)


def load_audio(
    path: Path, sample_rate: int = 16_000, offset: float = 0.0, duration: float | None = None, channel: int | None = None
) -> Samples:
    """All of `stream_audio` at once: (N,) samples. Raises as it does."""
    return np.concatenate(list(stream_audio(path, sample_rate, offset, duration, channel)))


def stream_audio(
    path: Path,
    sample_rate: int = 16_000,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
    on_missing: Callable[[float], None] = lambda _: None,
) -> Iterator[Samples]:
    """Decode blocks of about a second at `sample_rate` (Hz): from `offset` (s), of `duration` (s; None: to the end).

    `channel` is 1 for the first; None is the mean of all. Times are those of the container: where its sound begins late or leaves gaps
    there is silence, of at most an hour for a gap and none beyond the length that the container states, for that is a damaged time stamp;
    where it overlaps, the later is dropped. At the file's own rate a part holds the samples that the whole has there, but for WebM
    (shifted by up to 1 ms, the precision of its time stamps), containers whose stamps jitter (by as much as they do, JITTER_SECONDS
    at most), and some Ogg Vorbis (by up to about 10 ms: libsndfile issue 885). Where a recording breaks off before the length that its header states, `on_missing` is told at the end how many seconds
    of what was asked for are missing.

    Raises AudioError naming the file when it is missing, no recording, empty from there on, has no such channel, or holds samples
    that are not finite (once it comes to them).
    """
    with _open(path) as reader:
        rate = reader.sample_rate
        if channel is not None and not 1 <= channel <= reader.channels:
            has = "1 channel" if reader.channels == 1 else f"{reader.channels} channels"
            raise AudioError(f"{path}: has {has}, and no channel {channel}")
        start = round(offset * rate)
        stop = None if duration is None else start + round(duration * rate)
        if offset and offset >= (reader.stated_seconds() or math.inf):
            raise _no_sound(path, offset)
        resample = _resampler(rate, sample_rate)
        decoded = 0
        for channels in reader.blocks(start, stop):
            block = _one_channel(channels, channel)
            finite = np.isfinite(block)
            if not finite.all():
                place = (start + decoded + int(np.argmin(finite))) / rate
                raise AudioError(f"{path}: contains NaN or infinite samples, at {place:.2f} s: make the file anew")
            decoded += len(block)
            yield resample(block, False)
        if not decoded:
            raise _no_sound(path, offset)
        yield resample(np.zeros(0, np.float32), True)
        if stated := round(reader.stated_seconds() * rate):
            missing = (min(stated, stop or stated) - start - decoded) / rate
            if missing > MISSING_SECONDS:
                on_missing(missing)


def _resampler(rate: int, wanted: int) -> Callable[[Samples, bool], Samples]:
    """(block, whether it is the last) -> block. soxr is what librosa resamples with; librosa itself takes seconds to import."""
    if rate == wanted:
        return lambda block, _: block
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    return lambda block, last: np.asarray(stream.resample_chunk(block, last), np.float32)


def _one_channel(channels: Samples, channel: int | None) -> Samples:
    """(C, N) -> (N,): the channel asked for, or the mean. A stream may change its channels on the way: its last stands for one that is gone."""
    if channel is not None:
        return channels[min(channel, len(channels)) - 1]
    return channels[0] if len(channels) == 1 else channels.mean(axis=0, dtype=np.float32)


# ---------------------------------------------------------------- the two ways to read


class _Reader(Protocol):
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


@contextlib.contextmanager
def _open(path: Path) -> Iterator[_Reader]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f"{path}: is a folder, expected a recording")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"{path}: is not a regular file, expected a recording")
        if status.st_size == 0:
            raise AudioError(f"{path}: the file is empty")
        file = FileIO(path)  # unbuffered, for libsndfile shares the descriptor and its position
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise AudioError(f"{path}: no such file") from None
    except OSError as e:
        raise AudioError(f"{path}: cannot be read: {e.strerror}") from None
    try:
        with file, contextlib.ExitStack() as stack:
            reader: _Reader | None = None if _looks_like_mp3(file) else _SoundFileReader.open(file, stack)
            if reader is None:
                file.seek(0)
                reader = _ContainerReader(path, file, stack)
            rate = reader.sample_rate
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise AudioError(f"{path}: cannot be decoded, its header is damaged (a sample rate of {rate} Hz)")
            yield reader
    except OSError as e:  # of the disk, at any place of the file
        raise AudioError(f"{path}: cannot be read: {e.strerror or e}") from None


def _looks_like_mp3(file: FileIO) -> bool:
    """A tag, or a frame's first bits: libsndfile would open it, and complain of many on stderr."""
    head = file.read(3)
    file.seek(0)
    return head == b"ID3" or (len(head) == 3 and head[0] == 0xFF and head[1] >= 0xE0)


def _block_length(rate: int, channels: int) -> int:
    """Samples of each channel in a block."""
    return max(1, min(round(BLOCK_SECONDS * rate), BLOCK_NUMBERS // max(1, channels)))


class _SoundFileReader:
    """wav, flac, ogg, opus, sph, aiff, au, ..., by libsndfile."""

    def __init__(self, sound: Any):
        self.sound = sound
        self.sample_rate: int = sound.samplerate
        self.channels: int = sound.channels

    @classmethod
    def open(cls, file: FileIO, stack: contextlib.ExitStack) -> _SoundFileReader | None:
        """None for what FFmpeg reads better.

        libsndfile guesses the length of an MP3 without a Xing header (2.4 times too long, seen), and a part of an MP3 begins
        with garbage and a message on stderr; it knows no length for a FLAC that was piped, and 0 for a WAV whose recorder died.
        """
        import soundfile

        try:  # by descriptor, so that the contents alone decide: libsndfile takes any .snd, .vox or .raw for sound
            sound = stack.enter_context(soundfile.SoundFile(file.fileno(), closefd=False))
        except soundfile.LibsndfileError:
            return None
        return cls(sound) if sound.format != "MP3" and 0 < sound.frames < 2**60 else None

    def stated_seconds(self) -> float:
        return float(self.sound.frames / max(1, self.sample_rate))

    def seconds(self) -> float:
        return self.stated_seconds()

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        import soundfile

        sound, rate = self.sound, self.sample_rate
        longest = _block_length(rate, self.channels)
        end = sound.frames if stop is None else min(stop, sound.frames)
        preroll = round(PREROLL_SECONDS * rate) if sound.format == "OGG" else 0
        position = max(0, start - preroll)
        with contextlib.suppress(soundfile.LibsndfileError):  # it breaks off: what came before is kept
            while position < end:
                if sound.tell() != position:
                    sound.seek(position)
                block = sound.read(min(longest, end - position), dtype="float32", always_2d=True)
                if not len(block):
                    break
                early = min(max(0, start - position), len(block))
                position += len(block)
                yield block.T[:, early:]


class _ContainerReader:
    """mp3, m4a, mp4, webm, mkv, wma, aac, ..., and the sound of a video, by FFmpeg's libraries."""

    def __init__(self, path: Path, file: FileIO, stack: contextlib.ExitStack):
        import av

        self.path = path
        try:
            # A playlist (m3u8, concat, ...) names other files and addresses to read: no protocol is open to it.
            options = {"protocol_whitelist": "none"}
            self.container: Any = stack.enter_context(av.open(file, options=options, metadata_errors="replace"))
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
        longest = _block_length(self.sample_rate, self.channels)
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


def _no_sound(path: Path, offset: float = 0.0) -> AudioError:
    return AudioError(f"{path}: holds no sound" + (f" at {offset:g} s and after" if offset else " (0 samples)"))
