"""Recordings that libsndfile (soundfile) reads: wav, flac, ogg, opus, sph, aiff, au, ..."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import FileIO
from typing import Any

from asr.speech.reader import PREROLL_SECONDS, Samples, block_length


class SoundFileReader:
    """wav, flac, ogg, opus, sph, aiff, au, ..., by libsndfile."""

    def __init__(self, sound: Any):
        self.sound = sound
        self.sample_rate: int = sound.samplerate
        self.channels: int = sound.channels

    @classmethod
    def open(cls, file: FileIO, stack: contextlib.ExitStack) -> SoundFileReader | None:
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
        longest = block_length(rate, self.channels)
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
