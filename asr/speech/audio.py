"""Recordings of any format to float32 mono at the model's rate.

libsndfile (soundfile) reads wav, flac, sph, aiff and their like, as far as it can. FFmpeg's libraries (PyAV) read everything else, and
go on where libsndfile stops early. The name of a file does not matter, only its content. A recording with damage is read as FFmpeg's own
program reads it, with silence for the damaged stretch, and one that breaks off is read to its end; the gaps are reported once, as `Missing`.
Only the part that is asked for is decoded, block by block, so memory holds little more than the result.

Times are those of the container, from its start on: sound that starts later than the pictures of a video, or pauses, has silence before
it and in its gaps (see timeline.py). A codec's delay, of less than JITTER_SECONDS, is no such silence.

Shapes: C channels, N samples.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from asr.errors import AudioError
from asr.speech.container import ContainerReader
from asr.speech.file_part import FilePart
from asr.speech.linked import LinkedReader
from asr.speech.missing import Gap, Missing, joined
from asr.speech.mixing import Mixer
from asr.speech.ogg import links as ogg_links
from asr.speech.reader import Reader, Samples
from asr.speech.sound_file import SoundFileReader
from asr.speech.tracks import check_track

# What recordings are called, where many files are looked through. One that is named itself may be called anything.
ENDINGS = frozenset(
    """.wav .wave .flac .ogg .oga .opus .mp3 .mp2 .m4a .m4b .aac .wma .sph .aif .aiff .aifc .au .caf .w64 .amr .ac3 .mka
    .mp4 .m4v .mov .mkv .webm .avi .wmv .mpg .mpeg .3gp .flv""".split()  # noqa: SIM905
)

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # Hz; a sample rate outside is a damaged header


TOLERATED_SECONDS = 0.25  # of a recording that may be missing where its text is taught or scored: less than a word


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a recording says."""

    sample_rate: int
    """Hz"""
    channels: int
    seconds: float
    """from the start of the container to the end of its sound"""
    breaks_off: Gap | None = None
    """the missing end, where the header or the last bytes show that the file is cut short"""


def probe(path: Path, track: int | None = None) -> AudioInfo:
    """Read the header alone; the packets of a stream that states no length are counted, undecoded.

    Args:
        path: the recording.
        track: number of the sound track, 1 for the first; None to choose (see tracks.py).

    Raises:
        AudioError: the file is missing, is no recording, holds no sound or no such track.
    """
    with _open(path, track) as reader:
        seconds = reader.seconds()
        if seconds <= 0:
            raise _no_sound(path)
        stated = reader.stated_seconds()
        gap = None
        if stated - seconds > reader.tolerance:
            gap = Gap(seconds, stated, "cut short")
        elif reader.cut_short:
            gap = Gap(seconds, None, "cut short")
        return AudioInfo(reader.sample_rate, reader.channels, seconds, gap)


def load_audio(
    path: Path,
    sample_rate: int = 16_000,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
    track: int | None = None,
) -> Samples:
    """All of `stream_audio` at once: (N,) samples, with what is there of a damaged recording. Raises as it does."""
    return np.concatenate(list(stream_audio(path, sample_rate, offset, duration, channel, track=track)))


def load_whole(
    path: Path, sample_rate: int = 16_000, offset: float = 0.0, duration: float | None = None, tolerance: float = TOLERATED_SECONDS
) -> Samples:
    """Like `load_audio`, for sound that a text belongs to: refuses a part of which more than `tolerance` seconds are missing.

    Raises:
        AudioError: as `stream_audio`, and where sound is missing.
    """
    found: list[Missing] = []
    samples = np.concatenate(list(stream_audio(path, sample_rate, offset, duration, on_missing=found.append)))
    for missing in found:
        if missing.seconds > tolerance or missing.open_ended:
            raise AudioError(f"{path}: {missing}: replace the file, or leave it out")
    return samples


def stream_audio(
    path: Path,
    sample_rate: int = 16_000,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
    on_missing: Callable[[Missing], None] = lambda _: None,
    track: int | None = None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[Samples]:
    """Decode blocks of about a second.

    Times are those of the container. Where its sound begins late or leaves gaps there is silence, of at most an hour for a gap and none
    beyond the length that the container states, for that is a damaged time stamp. Where it overlaps, the later is dropped. At the file's
    own rate a part holds the samples that the whole has there, but for WebM (shifted by up to 1 ms, the precision of its time stamps) and
    containers whose stamps jitter (by as much as they do, JITTER_SECONDS at most).

    Args:
        path: the recording.
        sample_rate: Hz of the result.
        offset: where to begin, in seconds.
        duration: length in seconds; None for all that follows.
        channel: 1 for the first; None for the mean of all.
        on_missing: called at most once, at the end, where sound of the part is damaged or the file breaks off before its stated length.
        track: number of the sound track, 1 for the first; None to choose (see tracks.py).
        on_note: called with a sentence for each choice that was made: of a track, or of a channel where the channels cancel each other.

    Yields:
        (N,) samples.

    Raises:
        AudioError: names the file when it is missing, no recording, empty from `offset` on, has no such channel or track, or holds
            samples that are not finite (once it comes to them).
    """
    with _open(path, track) as reader:
        rate = reader.sample_rate
        if channel is not None and not 1 <= channel <= reader.channels:
            has = "1 channel" if reader.channels == 1 else f"{reader.channels} channels"
            raise AudioError(f"{path}: has {has}, and no channel {channel}")
        if reader.note:
            on_note(reader.note)
        start = round(offset * rate)
        stop = None if duration is None else start + round(duration * rate)
        mix = Mixer(rate, channel, on_note, offset)
        resample = _resampler(rate, sample_rate)
        decoded = 0
        for channels in reader.blocks(start, stop):
            block = mix(channels)
            finite = np.isfinite(block)
            if not finite.all():
                place = (start + decoded + int(np.argmin(finite))) / rate
                raise AudioError(f"{path}: contains NaN or infinite samples, at {place:.2f} s: make the file anew")
            decoded += len(block)
            yield resample(block, False)
        if not decoded:
            raise _no_sound(path, offset)
        yield resample(np.zeros(0, np.float32), True)
        if gaps := _gaps(reader, start, stop, start + decoded):
            on_missing(Missing(gaps))


def _gaps(reader: Reader, start: int, stop: int | None, end: int) -> tuple[Gap, ...]:
    """All gaps of a part from sample `start` to `stop`, which was read to sample `end`."""
    rate = reader.sample_rate
    found = [Gap(first / rate, last / rate, "damaged") for first, last in reader.gaps]
    stated = round(reader.stated_seconds() * rate)
    # A manifest may have taken its durations from the bytes that are there: a part that ends where the file breaks off is cut short too.
    whole = stop is None or (reader.truncated and stop >= end >= (reader.seconds() - reader.tolerance) * rate)
    wanted = stated if whole or stop is None else min(stated, stop)
    if wanted - end > reader.tolerance * rate:
        found.append(Gap(end / rate, wanted / rate, "cut short"))
    elif reader.cut_short and (stop is None or end < stop):
        found.append(Gap(end / rate, None, "cut short"))
    return joined(found)


def _resampler(rate: int, wanted: int) -> Callable[[Samples, bool], Samples]:
    """(block, whether it is the last) -> block. soxr is what librosa resamples with; librosa itself takes seconds to import."""
    if rate == wanted:
        return lambda block, _: block
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    return lambda block, last: np.asarray(stream.resample_chunk(block, last), np.float32)


@contextlib.contextmanager
def _open(path: Path, track: int | None = None) -> Iterator[Reader]:
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
            reader = _reader(path, file, stack, track)
            rate = reader.sample_rate
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise AudioError(f"{path}: cannot be decoded, its header is damaged (a sample rate of {rate} Hz)")
            yield reader
    except OSError as e:  # of the disk, at any place of the file
        raise AudioError(f"{path}: cannot be read: {e.strerror or e}") from None


def _reader(path: Path, file: FileIO, stack: contextlib.ExitStack, track: int | None) -> Reader:
    """The reader that an open file needs, by its content."""
    if links := ogg_links(file):
        if len(links) > 1:
            return LinkedReader(path, file, links, track)
        return ContainerReader(path, FilePart(file), stack, track, None, links[0].end_tick, not links[0].whole)
    file.seek(0)
    if not _looks_like_mp3(file):
        sound = SoundFileReader.open(file, stack, lambda rate: ContainerReader(path, FilePart(file), stack, track, rate))
        if sound is not None:
            check_track(path, 1, track)
            return sound
    return ContainerReader(path, FilePart(file), stack, track)


def _looks_like_mp3(file: FileIO) -> bool:
    """A tag, or a frame's first bits: libsndfile would open it, and complain of many on stderr."""
    head = file.read(3)
    file.seek(0)
    return head == b"ID3" or (len(head) == 3 and head[0] == 0xFF and head[1] >= 0xE0)


def _no_sound(path: Path, offset: float = 0.0) -> AudioError:
    return AudioError(f"{path}: holds no sound" + (f" at {offset:g} s and after" if offset else " (0 samples)"))
