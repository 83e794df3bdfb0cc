"""Decode recordings of any format to float32 mono at the model's sample rate.

The content of a file decides how it is read, not its name. libsndfile (soundfile) reads WAV, FLAC, SPHERE, AIFF and the like. FFmpeg's
libraries (PyAV) read everything else, and continue where libsndfile stops early. Recordings that follow each other in a file are read as
one (joined.py). Damaged stretches are silence. A truncated file is read to its end. All gaps are reported once, as `Missing`.

Only the requested part is decoded, block by block, so memory holds little more than the result.

Times are those of the container. Sound that begins later than the pictures of a video, or pauses, is preceded by silence (timeline.py).
The delay of a codec, shorter than JITTER_SECONDS, is no such pause.

Shapes: C channels, N samples.
"""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from asr.errors import AudioError
from asr.speech.container import ContainerReader
from asr.speech.file_part import FilePart
from asr.speech.joined import find_recordings
from asr.speech.linked import LinkedReader
from asr.speech.missing import Gap, Missing, merge_gaps
from asr.speech.mixing import Mixer
from asr.speech.reader import Reader, Samples
from asr.speech.sound_file import SoundFileReader
from asr.speech.tracks import check_track
from asr.text.formats.record import AUDIO_ENDINGS

ENDINGS = AUDIO_ENDINGS
"""endings by which recordings are found in folders; a recording that is named itself may have any"""

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # Hz; a sample rate outside is a damaged header


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a recording states.

    Attributes:
        sample_rate: samples per second (Hz).
        channels: number of channels.
        seconds: length from the start of the container to the end of its sound.
        breaks_off: the missing end, where the header or the last bytes show that the file is cut short; else None.
    """

    sample_rate: int
    channels: int
    seconds: float
    breaks_off: Gap | None = None


def probe(path: Path, track: int | None = None) -> AudioInfo:
    """Read the header of a recording. If the stream states no length, its packets are counted without decoding.

    Args:
        path: the recording.
        track: number of the audio track, 1 for the first; None for the default choice (tracks.py).

    Returns:
        Sample rate, channels and length.

    Raises:
        AudioError: the file is missing, is no recording, or has no sound or no such track.
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
        elif reader.unread:
            gap = Gap(seconds, None, "unread")
        return AudioInfo(reader.sample_rate, reader.channels, seconds, gap)


def load_audio(
    path: Path | str,
    sample_rate: int = 16_000,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
    track: int | None = None,
) -> Samples:
    """Decode a recording, or a part of it, at once. Takes the arguments of `stream_audio`.

    Returns:
        (N,) samples. Missing sound is silence, or shortens the result where the file ends early.

    Raises:
        AudioError: as `stream_audio`.

    Examples:
        >>> load_audio("examples/river.flac", offset=1.0, duration=0.5).shape
        (8000,)
    """
    return np.concatenate(list(stream_audio(Path(path), sample_rate, offset, duration, channel, track=track)))


def load_whole(
    path: Path,
    sample_rate: int = 16_000,
    offset: float = 0.0,
    duration: float | None = None,
    track: int | None = None,
    on_missing: Callable[[Missing], None] = lambda _: None,
) -> Samples:
    """Decode sound that a text belongs to.

    Args:
        path: the recording.
        sample_rate: sample rate of the result (Hz).
        offset: start of the part (s).
        duration: length of the part (s); None for all that follows.
        track: number of the audio track; see `stream_audio`.
        on_missing: called once if a tolerable amount of sound is missing (`Missing.too_much` is False).

    Returns:
        (N,) samples.

    Raises:
        AudioError: as `stream_audio`, and where too much sound is missing.
    """
    found: list[Missing] = []
    samples = np.concatenate(list(stream_audio(path, sample_rate, offset, duration, on_missing=found.append, track=track)))
    for missing in found:
        if missing.too_much:
            raise AudioError(f"{path}: {missing}: replace the file, or leave it out")
        on_missing(missing)
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
    """Decode a recording, or a part of it, in blocks of about a second.

    Times are those of the container. Gaps between time stamps are silence. A gap longer than an hour, or beyond the stated length, is a
    damaged stamp and is ignored. Where frames overlap, the later one is dropped. At the file's own sample rate a part equals the same
    samples of the whole, except in WebM (shifted by up to 1 ms, the precision of its stamps) and in containers whose stamps jitter
    (shifted by as much, at most JITTER_SECONDS).

    Args:
        path: the recording.
        sample_rate: sample rate of the result (Hz).
        offset: start of the part (s).
        duration: length of the part (s); None for all that follows.
        channel: number of the channel, 1 for the first; None for the mean of all.
        on_missing: called at most once, at the end, if sound of the part is damaged, or the file ends early or has unread bytes.
        track: number of the audio track, 1 for the first; None for the default choice (tracks.py).
        on_note: called with a sentence for each choice that was made: of a track, or of a channel where the channels cancel each other.

    Yields:
        (N,) samples.

    Raises:
        AudioError: the file is missing, is no recording, is empty from `offset` on, has no such channel or track, or holds samples that
            are not finite (raised when they are reached).
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
                raise AudioError(f"{path}: contains NaN or infinite samples, at {place:.2f} s: write the file again")
            decoded += len(block)
            yield resample(block, False)
        if not decoded:
            raise _no_sound(path, offset)
        yield resample(np.zeros(0, np.float32), True)
        if gaps := _gaps(reader, start, stop, start + decoded):
            on_missing(Missing(gaps))


def _gaps(reader: Reader, start: int, stop: int | None, end: int) -> tuple[Gap, ...]:
    """Return all gaps of a part from sample `start` to `stop`, of which samples up to `end` were read."""
    rate = reader.sample_rate
    found = [Gap(first / rate, last / rate if last > first else None, "damaged") for first, last in reader.gaps]
    stated = round(reader.stated_seconds() * rate)
    # A manifest may have its durations from a truncated file, so a part that ends where the file breaks off is cut short too.
    whole = stop is None or (reader.truncated and stop >= end >= (reader.seconds() - reader.tolerance) * rate)
    wanted = stated if whole or stop is None else min(stated, stop)
    if wanted - end > reader.tolerance * rate:
        found.append(Gap(end / rate, wanted / rate, "cut short"))
    elif (reader.cut_short or reader.unread) and (stop is None or end < stop):
        found.append(Gap(end / rate, None, "cut short" if reader.cut_short else "unread"))
    return merge_gaps(found)


def _resampler(rate: int, wanted: int) -> Callable[[Samples, bool], Samples]:
    """Return a function of (block, whether it is the last) that resamples a stream by soxr."""
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
        hint = ": addresses are not downloaded, so fetch the file first" if re.match("[a-z]+:/", str(path)) else ""
        raise AudioError(f"{path}: no such file{hint}") from None
    except OSError as e:
        raise AudioError(f"{path}: cannot be read: {e.strerror}") from None
    try:
        with file, contextlib.ExitStack() as stack:
            reader = _reader(path, file, stack, track)
            rate = reader.sample_rate
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise AudioError(f"{path}: cannot be decoded: its header is damaged (a sample rate of {rate} Hz): write the file again")
            yield reader
    except OSError as e:  # of the disk, at any place of the file
        raise AudioError(f"{path}: cannot be read: {e.strerror or e}") from None


def _reader(path: Path, file: FileIO, stack: contextlib.ExitStack, track: int | None) -> Reader:
    """Choose the reader of an open file by its content."""
    links, unread = find_recordings(file)
    if len(links) > 1:
        return LinkedReader(path, file, links, track, unread)
    [link] = links

    def by_ffmpeg(rate: int | None = None) -> ContainerReader:
        return ContainerReader(path, FilePart(file, link.begin, link.end), stack, track, rate, link.end_ticks, not link.whole, unread)

    file.seek(0)
    if not _looks_like_mp3(file):
        sound = SoundFileReader.open(file, stack, by_ffmpeg, unread)
        if sound is not None:
            check_track(path, 1, track)
            return sound
    return by_ffmpeg()


def _looks_like_mp3(file: FileIO) -> bool:
    """Whether a file starts with a tag or the first bits of a frame. libsndfile would open it, and print warnings to stderr."""
    head = file.read(3)
    file.seek(0)
    return head == b"ID3" or (len(head) == 3 and head[0] == 0xFF and head[1] >= 0xE0)


def _no_sound(path: Path, offset: float = 0.0) -> AudioError:
    return AudioError(f"{path}: holds no sound" + (f" at {offset:g} s and after" if offset else " (0 samples)"))
