"""Recordings of any format to float32 mono at the model's rate.

soundfile reads wav, flac, ogg, opus, mp3 and sph; PyAV (ffmpeg's libraries) what soundfile cannot: m4a, mp4, webm, wma, video.
What a file is called does not matter, only what is in it. A recording that breaks off is read as far as it goes.

Shapes: N samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asr.errors import AudioError


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a recording says."""

    sample_rate: int
    channels: int
    seconds: float


def probe(path: Path) -> AudioInfo:
    """Read the header alone. Raises AudioError naming the file."""
    _must_be_file(path)
    try:
        info = soundfile.info(path)
        found = AudioInfo(info.samplerate, info.channels, info.frames / info.samplerate)
    except soundfile.LibsndfileError:
        found = _probe_with_av(path)
    if found.seconds <= 0:
        raise AudioError(f"{path}: holds no sound (0 samples)")
    return found


def load_audio(path: Path, sample_rate: int = 16_000, offset: float = 0.0, duration: float | None = None) -> np.ndarray:
    """Decode (N,) float32 samples in about [-1, 1], channels averaged, at `sample_rate`.

    Only the part from `offset`, of `duration` seconds (None: to the end), is decoded. Raises AudioError naming the file when it is
    missing, no audio, empty from there on, or holds samples that are not finite.
    """
    _must_be_file(path)
    try:
        samples, rate = _read_with_soundfile(path, offset, duration)
    except soundfile.LibsndfileError:
        samples, rate = _read_with_av(path, offset, duration)
    if not len(samples):
        raise AudioError(f"{path}: holds no sound" + (f" at {offset:g} s and after" if offset else " (0 samples)"))
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    finite = np.isfinite(mono)
    if not finite.all():
        raise AudioError(f"{path}: contains NaN or infinite samples, at {offset + int(np.argmin(finite)) / rate:.2f} s: make the file anew")
    if rate != sample_rate:
        import librosa

        mono = librosa.resample(mono, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")
    return np.ascontiguousarray(mono, dtype=np.float32)


def _must_be_file(path: Path) -> None:
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, expected a recording")
    if path.is_file() and path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty")


def _read_with_soundfile(path: Path, offset: float, duration: float | None) -> tuple[np.ndarray, int]:
    """(N, channels) and the file's own rate."""
    with soundfile.SoundFile(path) as file:
        rate = int(file.samplerate)
        start = min(round(offset * rate), file.frames)
        if start:
            file.seek(start)
        frames = -1 if duration is None else max(0, round(duration * rate))
        return file.read(frames, dtype="float32", always_2d=True), rate


def _open_with_av(path: Path) -> Any:
    import av

    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as e:
        raise AudioError(f"{path}: cannot be decoded, it is no recording or is damaged ({_reason(e)})") from None
    if not container.streams.audio:
        container.close()
        raise AudioError(f"{path}: has no sound track")
    return container


def _probe_with_av(path: Path) -> AudioInfo:
    with _open_with_av(path) as container:
        stream = container.streams.audio[0]
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1_000_000  # in av.time_base
        else:
            samples, rate = _read_with_av(path, 0.0, None)  # some streams do not know their length before they end
            seconds = len(samples) / rate
        return AudioInfo(stream.codec_context.sample_rate, stream.codec_context.channels, seconds)


def _read_with_av(path: Path, offset: float, duration: float | None) -> tuple[np.ndarray, int]:
    """(N, channels) and the file's own rate."""
    import av

    with _open_with_av(path) as container:
        stream = container.streams.audio[0]
        rate = int(stream.codec_context.sample_rate)
        resampler = av.AudioResampler(format="fltp", rate=rate)  # the samples' format alone
        if offset > 1:
            container.seek(int((offset - 1) * 1_000_000))  # to a packet before; the rest is cut below, by time stamps
        end = math.inf if duration is None else offset + duration
        parts: list[np.ndarray] = []
        begins: float | None = None
        try:
            for frame in container.decode(stream):
                if frame.time is not None and frame.time > end:
                    break
                for part in resampler.resample(frame):
                    begins = (frame.time or 0.0) if begins is None else begins
                    parts.append(part.to_ndarray().T)
        except (av.FFmpegError, OSError) as e:
            if not parts:  # broken from the start; what comes before a break is kept
                raise AudioError(f"{path}: cannot be decoded ({_reason(e)})") from None
    if not parts:
        return np.zeros((0, 1), np.float32), rate
    skip = max(0, round((offset - (begins or 0.0)) * rate))
    keep = None if duration is None else skip + round(duration * rate)
    return np.concatenate(parts)[skip:keep], rate


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
