"""Recordings for tests, written by real encoders, and measures of what is read of them."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from asr.speech.audio import stream_audio
from asr.speech.missing import Missing

RATE = 16_000
SECONDS = 12.0


def noise(seconds: float = SECONDS, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """(N,) smooth noise whose level changes five times a second: no two moments are alike, and every codec keeps it."""
    generator = np.random.default_rng(seed)
    n = round(seconds * rate)
    white = generator.standard_normal(n + 15)
    level = np.repeat(generator.uniform(0.3, 1.0, n * 5 // rate + 1), rate // 5)[:n]
    return (0.2 * level * np.convolve(white, np.hanning(16) / 4, "valid")).astype(np.float32)


def encode(path: Path, samples: np.ndarray, codec: str, rate: int = RATE, container: str | None = None, **options: str) -> Path:
    """Write by FFmpeg's libraries; Vorbis, which PyAV's builds cannot encode, by libsndfile or FFmpeg's program."""
    if codec == "libvorbis":
        if container in (None, "ogg"):
            soundfile.write(path, samples if rate == RATE else noise(len(samples) / RATE, 2, rate), rate, format="OGG", subtype="VORBIS")
            return path
        soundfile.write(path.with_suffix(".wav"), samples, RATE)
        how = ["-i", path.with_suffix(".wav"), "-ar", str(rate), "-c:a", codec, "-f", container, path]
        subprocess.run([program("ffmpeg"), "-nostdin", "-v", "error", "-y", *how], check=True)
        return path
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 48_000
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, frame_size=stream.codec_context.frame_size or 1024)
        for piece in [*resampler.resample(sound_frame(samples)), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return path


def sound_frame(samples: np.ndarray) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    return frame


def read(path: Path, *part: float | None) -> tuple[np.ndarray, list[Missing]]:
    found: list[Missing] = []
    blocks = list(stream_audio(path, RATE, *part, on_missing=found.append))  # type: ignore[arg-type]
    return np.concatenate(blocks), found


def lag(samples: np.ndarray, expected: np.ndarray, begin: float = 1.0, length: float = 2.0) -> float:
    """Seconds by which `samples` are late."""
    piece = expected[round(begin * RATE) : round((begin + length) * RATE)]
    n = 1 << (len(samples) + len(piece)).bit_length()
    match = np.fft.irfft(np.fft.rfft(samples, n) * np.conj(np.fft.rfft(piece, n)), n)
    return int(np.argmax(match)) / RATE - begin


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def copy(source: Path, target: Path, *options: str) -> Path:
    subprocess.run([program("ffmpeg"), "-nostdin", "-v", "error", "-y", *options, "-i", source, "-c", "copy", target], check=True)
    return target


def film(path: Path, default: int) -> Path:
    """Two audio tracks, the second a second late; the track `default` is flagged."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("aac", rate=RATE, layout="mono") for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.metadata["language"] = ("eng", "deu")[number]
            stream.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
        for number, stream in enumerate(streams):
            out.mux(stream.encode(sound_frame(noise(4.0, number))))
            out.mux(stream.encode(None))
    return path
