"""Recordings to transcribe, in any form that Python has them: files, file objects, bytes and samples."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from asr.errors import AudioError, UsageError
from asr.inputs.streams import copied_file
from asr.speech.audio import stream_audio
from asr.speech.manifest import Utterance
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE
from asr.speech.windows import Source

Audio: TypeAlias = str | os.PathLike[str] | Utterance | bytes | IO[bytes] | NDArray[Any] | torch.Tensor
"""A file, a part of a file (`Utterance`), the content of a file, an open file, or samples (N,)."""


def open_source(audio: Audio, rate: int = RATE, channel: int | None = None, track: int | None = None) -> Source:
    """Open a recording.

    Args:
        audio: the recording. Samples (N,) are floats in [-1, 1], int8, int16 or int32 of full range, or uint8, in which 128 is silence.
        rate: sample rate of samples (Hz). Files state theirs.
        channel: of a file, 1 for the first; None for the mean of all.
        track: of a file with several audio tracks, 1 for the first; None for the one flagged as default.

    Raises:
        UsageError: `audio` is of another type, or `rate` is not positive.
        AudioError: samples are of an unknown type or shape.
    """
    if isinstance(audio, (str, os.PathLike)):
        return utterance_source(Utterance(id=Path(audio).stem, audio_filepath=Path(audio)), channel, track)
    if isinstance(audio, Utterance):
        return utterance_source(audio, channel, track)
    if isinstance(audio, (bytes, bytearray, memoryview)):
        return _content(io.BytesIO(audio), "<bytes>", channel, track)
    if isinstance(audio, torch.Tensor):
        audio = audio.detach().cpu().numpy()
    if isinstance(audio, np.ndarray):
        samples = _at_16_khz(_float_samples(audio), rate)
        return Source("<samples>", lambda *_: iter([samples]))
    if hasattr(audio, "read"):
        name = getattr(audio, "name", None)
        return _content(audio, name if isinstance(name, str) else "<file object>", channel, track)
    raise UsageError(
        f"a recording of type {type(audio).__name__}: expected a path, an open file, bytes, or samples (N,) as a NumPy array or a torch tensor"
    )


def utterance_source(
    utterance: Utterance, channel: int | None = None, track: int | None = None, also_missing: Callable[[Missing], None] = lambda _: None
) -> Source:
    """Open an utterance of a manifest. Its own track takes precedence over `track`. `also_missing` gets what `on_missing` gets."""
    u = utterance

    def blocks(on_missing: Callable[[Missing], None], on_note: Callable[[str], None]) -> Iterator[Samples]:
        def miss(missing: Missing) -> None:
            on_missing(missing)
            also_missing(missing)

        return stream_audio(u.audio_filepath, RATE, u.offset, u.duration, channel, miss, u.track or track, on_note)

    return Source(str(u.audio_filepath), blocks)


def _content(stream: IO[bytes], name: str, channel: int | None, track: int | None) -> Source:
    """Open the content of a file. Decoders seek and need a path, so it is copied to a temporary file while it is read."""

    def blocks(on_missing: Callable[[Missing], None], on_note: Callable[[str], None]) -> Iterator[Samples]:
        try:
            with copied_file(stream, name) as path:
                try:
                    yield from stream_audio(path, RATE, channel=channel, on_missing=on_missing, track=track, on_note=on_note)
                except AudioError as e:
                    raise AudioError(str(e).replace(str(path), name)) from None
        except UsageError as e:
            raise AudioError(str(e)) from None

    return Source(name, blocks)


def _at_16_khz(samples: Samples, rate: int) -> Samples:
    if rate <= 0:
        raise UsageError(f"rate is {rate}, expected the sample rate in Hz")
    return samples if rate == RATE else soxr.resample(samples, rate, RATE)


def _float_samples(samples: NDArray[Any]) -> Samples:
    """Convert samples (N,) of a type that recordings have to float32 in [-1, 1].

    Raises:
        AudioError: another type or shape, or a sample that is not finite.
    """
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if not (kind == "f" or (kind == "i" and size <= 4) or (kind == "u" and size == 1)):  # wider integers have no known full range
        raise AudioError(f"samples of type {samples.dtype}: expected floats in [-1, 1], or int16, int32 or 8-bit integers")
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AudioError(f"samples of shape {samples.shape}: expected one channel (N,) of finite numbers")
    floats = samples.astype(np.float32, copy=False)
    if kind == "f":
        return floats
    full = np.float32(2 ** (8 * size - 1))
    return (floats - full if kind == "u" else floats) / full
