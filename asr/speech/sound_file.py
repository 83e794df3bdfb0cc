"""Recordings that libsndfile (soundfile) reads: WAV, FLAC, SPHERE, AIFF, AU, CAF, W64, ..."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from asr.errors import AudioError
from asr.speech.headers import flac_first_sample
from asr.speech.reader import MISSING_SECONDS, FileReader, Reader, Samples, block_length

BETTER_BY_FFMPEG = ("MP3", "OGG")  # see `SoundFileReader.open`
READ_PAST_THE_END = ("W64", "NIST")  # libsndfile takes all bytes that follow the sound for sound


class SoundFileReader(FileReader):
    """WAV, FLAC, SPHERE, AIFF, AU, CAF, W64, ..., by libsndfile. Where libsndfile fails, FFmpeg reads the rest."""

    def __init__(self, sound: Any, file: BinaryIO, fallback: Callable[[int], Reader], unread: int = 0):
        """Read an open file.

        Args:
            sound: the file as `soundfile.SoundFile`.
            file: the open file.
            fallback: opens the same file with FFmpeg, at a rate in Hz; raises AudioError where FFmpeg cannot read it.
            unread: bytes that follow the recording, see `Reader.unread`.
        """
        super().__init__(file, unread)
        self.sound, self.fallback = sound, fallback
        sound.seekable = lambda: False  # else soundfile seeks after every block, which some codecs do not support
        self.sample_rate: int = sound.samplerate
        self.channels: int = sound.channels
        self.tolerance = MISSING_SECONDS if sound.subtype.startswith("MPEG") else 0.02
        self.frames: int = sound.frames
        if sound.format in READ_PAST_THE_END and self.beyond < 0:
            self.frames = round((1 + self.beyond) * sound.frames)

    @classmethod
    def open(
        cls, file: BinaryIO, stack: contextlib.ExitStack, fallback: Callable[[int], Reader], unread: int = 0
    ) -> SoundFileReader | None:
        """Open a file with libsndfile.

        libsndfile guesses the length of an MP3 without a Xing header, and a part of an MP3 starts with noise. It reads one link of an
        Ogg file, and does not report a lost page. It states no length for a FLAC that was piped, and 0 for a WAV whose recorder
        crashed. It does not read a FLAC that was cut out of another.

        Args:
            file: the open file.
            stack: closes libsndfile's handle.
            fallback: see `SoundFileReader`.
            unread: bytes that follow the recording, see `Reader.unread`.

        Returns:
            The reader; None for a file that libsndfile cannot read, or that FFmpeg reads better.
        """
        import soundfile

        try:  # by descriptor, so that the content alone decides: libsndfile takes any .snd, .vox or .raw for sound
            sound = stack.enter_context(soundfile.SoundFile(file.fileno(), closefd=False))
        except soundfile.LibsndfileError:
            return None
        if sound.format in BETTER_BY_FFMPEG or not 0 < sound.frames < 2**60 or (sound.format == "FLAC" and flac_first_sample(file)):
            return None
        return cls(sound, file, fallback, unread)

    def seconds(self) -> float:
        return float(self.frames / max(1, self.sample_rate))

    def stated_seconds(self) -> float:
        return (1 + max(0.0, self.beyond)) * self.seconds()

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        end = self.frames if stop is None else min(stop, self.frames)
        if start >= end:
            return
        position = start
        for block in self._sound_blocks(start, end):
            position += block.shape[1]
            yield block
        if position < end:
            with contextlib.suppress(AudioError):  # then the recording ends here
                reader = self.fallback(self.sample_rate)
                self.gaps = reader.gaps
                yield from reader.blocks(position, end)

    def _sound_blocks(self, start: int, end: int) -> Iterator[Samples]:
        """Yield samples `start` to `end`, or up to where libsndfile fails."""
        import soundfile

        longest = block_length(self.sample_rate, self.channels)
        position = 0
        if start:
            try:
                position = self.sound.seek(start)
            except soundfile.LibsndfileError:
                if self.sound.format == "FLAC":  # damaged; in other formats the codec does not support seeking
                    return
        with contextlib.suppress(soundfile.LibsndfileError):
            while position < end:
                block = self.sound.read(min(longest, end - position), dtype="float32", always_2d=True)
                if not len(block):
                    break
                early = min(max(0, start - position), len(block))  # of a codec without seeking
                position += len(block)
                if early < len(block):
                    yield block.T[:, early:]
