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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from asr.errors import AudioError
from asr.speech.container import ContainerReader
from asr.speech.reader import MISSING_SECONDS, Reader, Samples
from asr.speech.sound_file import SoundFileReader

# What recordings are called, where many files are looked through. One that is named itself may be called anything.
ENDINGS = frozenset(
    """.wav .wave .flac .ogg .oga .opus .mp3 .mp2 .m4a .m4b .aac .wma .sph .aif .aiff .aifc .au .caf .w64 .amr .ac3 .mka
    .mp4 .m4v .mov .mkv .webm .avi .wmv .mpg .mpeg .3gp .flv""".split()  # noqa: SIM905
)

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


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Reader]:
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
            reader: Reader | None = None if _looks_like_mp3(file) else SoundFileReader.open(file, stack)
            if reader is None:
                file.seek(0)
                reader = ContainerReader(path, file, stack)
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


def _no_sound(path: Path, offset: float = 0.0) -> AudioError:
    return AudioError(f"{path}: holds no sound" + (f" at {offset:g} s and after" if offset else " (0 samples)"))
