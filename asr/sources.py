"""Recordings to transcribe, in any form that Python has them: files, file objects, bytes and samples."""

from __future__ import annotations

import io
import math
import operator
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, SupportsIndex, TypeAlias

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from asr.errors import AsrError, AudioError, UsageError
from asr.inputs.streams import copied_file
from asr.speech.audio import HIGHEST_RATE, LOWEST_RATE, stream_audio
from asr.speech.manifest import Utterance
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE
from asr.speech.windows import Source

Audio: TypeAlias = str | os.PathLike[str] | Utterance | bytes | IO[bytes] | NDArray[Any] | torch.Tensor
"""A file, a part of a file (`Utterance`), the content of a file, an open file, or samples (N,)."""

ACCEPTED = "a path, an open file, bytes, or samples (N,) as a NumPy array or a torch tensor"
SAMPLE_TYPES = "floats in [-1, 1], or int16, int32 or 8-bit integers"
NAME = "<samples>"
LOUDEST = 100.0
"""amplitude beyond which floats are integers that were not scaled; a float recording can exceed 1 a little"""


def open_source(audio: Audio, rate: float = RATE, channel: int | None = None, track: int | None = None) -> Source:
    """Open a recording. It is read, and errors of its content are raised, when its blocks are.

    Args:
        audio: the recording. Samples (N,) are floats in [-1, 1], int8, int16 or int32 of full range, or uint8, in which 128 is silence.
        rate: sample rate of samples (Hz). Files state theirs.
        channel: 1 for the first; None for the mean of all. Samples have one.
        track: of a file with several audio tracks, 1 for the first; None for the one flagged as default.

    Raises:
        UsageError: an argument is of another type or out of range.
    """
    channel = None if channel is None else positive_integer("channel", channel)
    track = None if track is None else positive_integer("track", track)
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.integer, np.floating)) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UsageError(f"rate is {rate!r}, expected the sample rate in Hz, {LOWEST_RATE:,} to {HIGHEST_RATE:,}")
    if isinstance(audio, (str, os.PathLike)):
        if not os.fspath(audio):
            raise UsageError("the path of a recording is empty")
        path = Path(os.fsdecode(audio))
        return utterance_source(Utterance(id=path.stem, audio_filepath=path), channel, track)
    if isinstance(audio, Utterance):
        return utterance_source(audio, channel, track)
    if isinstance(audio, (bytes, bytearray, memoryview)):
        return _content(io.BytesIO(audio), "<bytes>", channel, track)
    if isinstance(audio, (np.ndarray, torch.Tensor)):
        return _samples(audio, float(rate), channel, track)
    if hasattr(audio, "read"):
        name = getattr(audio, "name", None)
        return _content(audio, name if isinstance(name, str) else "<file object>", channel, track)
    raise UsageError(f"a recording of type {type(audio).__name__}: expected {ACCEPTED}")


def positive_integer(name: str, value: object, most: float = math.inf) -> int:
    """Check an argument that counts from 1, and return it.

    Raises:
        UsageError: it is no integer from 1 to `most`.
    """
    if not isinstance(value, SupportsIndex) or isinstance(value, bool) or not 1 <= operator.index(value) <= most:
        bounds = "1 or more" if most == math.inf else f"1 to {most:,}"
        raise UsageError(f"{name} is {value!r}, expected an integer, {bounds}")
    return operator.index(value)


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
            with copied_file(stream, name, "expected a recording, from the position of the file on") as path:
                try:
                    yield from stream_audio(path, RATE, channel=channel, on_missing=on_missing, track=track, on_note=on_note)
                except AudioError as e:
                    raise AudioError(str(e).replace(str(path), name)) from None
        except AudioError:
            raise
        except AsrError as e:
            raise AudioError(str(e)) from None

    return Source(name, blocks)


def _samples(samples: NDArray[Any] | torch.Tensor, rate: float, channel: int | None, track: int | None) -> Source:
    """Open samples, which have one channel and one track."""

    def blocks(*_: object) -> Iterator[Samples]:
        for name, number in {"channel": channel, "audio track": track}.items():
            if number not in (None, 1):
                raise AudioError(f"{NAME}: has 1 {name}, and no {name.split()[-1]} {number}")
        floats = _float_samples(_array(samples))
        yield floats if rate == RATE else soxr.resample(floats, rate, RATE)

    return Source(NAME, blocks)


def _array(samples: NDArray[Any] | torch.Tensor) -> NDArray[Any]:
    """Convert a tensor of any device; types that NumPy lacks, such as bfloat16, become float32."""
    if isinstance(samples, np.ndarray):
        return samples
    try:
        samples = samples.detach().cpu()
        array: NDArray[Any] = (samples.float() if samples.is_floating_point() else samples).numpy()
    except (TypeError, RuntimeError) as e:  # sparse, quantised, without data
        reason = str(e).split("\n")[0]
        raise AudioError(f"{NAME}: a tensor that cannot be read ({reason}): pass a dense tensor of {SAMPLE_TYPES}") from None
    return array


def _float_samples(samples: NDArray[Any]) -> Samples:
    """Convert samples (N,) of a type that recordings have to float32 in [-1, 1].

    Raises:
        AudioError: another type or shape, or samples that are not finite or far out of range.
    """
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if not (kind == "f" or (kind == "i" and size <= 4) or (kind == "u" and size == 1)):  # wider integers have no known full range
        raise AudioError(f"{NAME}: samples of type {samples.dtype}: expected {SAMPLE_TYPES}")
    if samples.ndim != 1:
        raise AudioError(
            f"{NAME}: samples of shape {samples.shape}: expected one channel (N,): choose a channel, or average them (samples.mean(axis))"
        )
    if kind != "f":
        full = np.float32(2 ** (8 * size - 1))
        floats = samples.astype(np.float32)
        return (floats - full if kind == "u" else floats) / full
    if not np.isfinite(samples).all():
        raise AudioError(f"{NAME}: contain NaN or infinity, expected finite numbers in [-1, 1]")
    if samples.size and (peak := np.abs(samples).max()) > LOUDEST:
        raise AudioError(f"{NAME}: reach {peak:g}, expected floats in [-1, 1]: divide them by the full scale (32768 for 16 bits)")
    return samples.astype(np.float32, copy=False)
