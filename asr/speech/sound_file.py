"""Recordings that libsndfile (soundfile) reads: wav, flac, sph, aiff, au, caf, w64, ..."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from asr.errors import AudioError
from asr.speech.headers import flac_first_sample, share_beyond_end
from asr.speech.reader import MISSING_SECONDS, Reader, Samples, Span, block_length

OTHERS = ("MP3", "OGG")  # formats that FFmpeg reads better, see `SoundFileReader.open`


class SoundFileReader:
    """wav, flac, sph, aiff, au, caf, w64, ..., by libsndfile; from where it fails on, by FFmpeg."""

    note = None
    cut_short = False

    def __init__(self, sound: Any, file: BinaryIO, behind: Callable[[int], Reader]):
        """`behind` opens the same file with FFmpeg, at a rate in Hz; it raises AudioError where that cannot read it."""
        self.sound, self.file, self.behind = sound, file, behind
        sound.seekable = lambda: False  # soundfile seeks after every block otherwise, which some codecs cannot
        self.sample_rate: int = sound.samplerate
        self.channels: int = sound.channels
        self.gaps: list[Span] = []
        self.tolerance = MISSING_SECONDS if sound.subtype.startswith("MPEG") else 0.02

    @classmethod
    def open(cls, file: BinaryIO, stack: contextlib.ExitStack, behind: Callable[[int], Reader]) -> SoundFileReader | None:
        """Open a file, or return None for a file that FFmpeg reads better.

        libsndfile guesses the length of an MP3 without a Xing header, and a part of an MP3 begins with garbage. Of Ogg it reads one link
        and no cut-out piece to its end, and it reads on behind a lost page as if nothing were missing. It states no length for a FLAC
        that was piped, and 0 for a WAV whose recorder died. It reads no FLAC that was cut out of another.
        """
        import soundfile

        try:  # by descriptor, so that the contents alone decide: libsndfile takes any .snd, .vox or .raw for sound
            sound = stack.enter_context(soundfile.SoundFile(file.fileno(), closefd=False))
        except soundfile.LibsndfileError:
            return None
        if sound.format in OTHERS or not 0 < sound.frames < 2**60 or (sound.format == "FLAC" and flac_first_sample(file)):
            return None
        return cls(sound, file, behind)

    def seconds(self) -> float:
        return float(self.sound.frames / max(1, self.sample_rate))

    @functools.cached_property
    def _beyond(self) -> float:
        return share_beyond_end(self.file)

    @property
    def truncated(self) -> bool:
        return self._beyond > 0

    def stated_seconds(self) -> float:
        return (1 + self._beyond) * self.seconds()

    def blocks(self, start: int, stop: int | None) -> Iterator[Samples]:
        end = self.sound.frames if stop is None else min(stop, self.sound.frames)
        if start >= end:
            return
        position = start
        for block in self._sound_blocks(start, end):
            position += block.shape[1]
            yield block
        if position < end:
            with contextlib.suppress(AudioError):  # then it ends here
                reader = self.behind(self.sample_rate)
                self.gaps = reader.gaps
                yield from reader.blocks(position, end)

    def _sound_blocks(self, start: int, end: int) -> Iterator[Samples]:
        """Samples `start` to `end`, or to where libsndfile fails."""
        import soundfile

        longest = block_length(self.sample_rate, self.channels)
        position = 0
        if start:
            try:
                position = self.sound.seek(start)
            except soundfile.LibsndfileError:
                if self.sound.format == "FLAC":  # it is damaged; in the codecs of other formats nothing can be sought
                    return
        with contextlib.suppress(soundfile.LibsndfileError):
            while position < end:
                block = self.sound.read(min(longest, end - position), dtype="float32", always_2d=True)
                if not len(block):
                    break
                early = min(max(0, start - position), len(block))  # of a codec that cannot be sought in
                position += len(block)
                if early < len(block):
                    yield block.T[:, early:]
