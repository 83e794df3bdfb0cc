"""One clip in every format that people have: the same words come out, but for what the codec changes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

import asr
from asr.score.wer import word_errors
from asr.transcript import Transcript

SPEECH = Path(__file__).parents[1] / "examples" / "river.flac"
RATE = 16_000

SOUNDFILE: dict[str, dict[str, str]] = {
    "a.wav": {},
    "float.wav": {"subtype": "FLOAT"},
    "alaw.wav": {"subtype": "ALAW"},
    "a.flac": {},
    "a.ogg": {},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {},
    "a.sph": {"format": "NIST"},
    "a.aiff": {},
    "a.au": {},
}
FFMPEG = {
    "a.m4a": ("aac", RATE),
    "a.mp4": ("aac", 48_000),
    "a.webm": ("libopus", 48_000),
    "a.wma": ("wmav2", 44_100),
    "a.mov": ("pcm_s16le", RATE),
    "a.ac3": ("ac3", 48_000),
}


def encode(path: Path, codec: str, samples: np.ndarray, rate: int) -> None:
    """By FFmpeg, with a picture beside the sound where the container is a video's."""
    with av.open(str(path), "w") as out:
        sound = out.add_stream(codec, rate=rate, layout="mono")
        sound.codec_context.bit_rate = 96_000
        if path.suffix in (".mp4", ".mov"):
            picture = out.add_stream("mpeg4", rate=5, width=64, height=64, pix_fmt="yuv420p")
            for i in range(int(5 * len(samples) / RATE)):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i % 256, np.uint8), format="rgb24")
                out.mux(picture.encode(frame))
            out.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(
            format=sound.codec_context.format, layout="mono", rate=rate, frame_size=sound.codec_context.frame_size or 0
        )
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(sound.encode(converted))
        out.mux(sound.encode(None))


def test_every_format_says_the_same(tmp_path: Path) -> None:
    samples, _ = soundfile.read(SPEECH, dtype="float32")
    for name, how in SOUNDFILE.items():
        soundfile.write(tmp_path / name, samples, RATE, **how)
    for name, (codec, rate) in FFMPEG.items():
        encode(tmp_path / name, codec, samples, rate)
    for rate in (8_000, 22_050, 96_000):
        soundfile.write(tmp_path / f"{rate}.wav", soxr.resample(samples, RATE, rate), rate)
    quiet = np.zeros_like(samples)
    soundfile.write(tmp_path / "stereo.flac", np.stack([samples, samples, quiet], axis=1), RATE)

    paths = sorted(tmp_path.iterdir())
    assert len(paths) == len(SOUNDFILE) + len(FFMPEG) + 4
    model = asr.load_model(device="cpu")
    expected = model.transcribe(SPEECH).text
    said = {
        path.name: result.text if isinstance(result, Transcript) else str(result)
        for path, result in zip(paths, model.transcribe_many(paths), strict=True)
    }
    allowed = {"8000.wav": 0.5, "a.wma": 0.35, "a.ac3": 0.35, "alaw.wav": 0.35}
    errors = {name: word_errors([expected], [text]).rate for name, text in said.items()}
    for name, rate in errors.items():
        assert rate <= allowed.get(name, 0.22), (name, said[name])
    for name in ("a.wav", "float.wav", "a.flac", "a.sph", "a.aiff", "a.au", "a.mov"):  # nothing is lost in these
        assert errors[name] == 0, (name, said[name])


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_a_recording_without_words_has_none(tmp_path: Path, name: str) -> None:
    silence = np.zeros(3 * RATE, np.float32)
    if name in FFMPEG:
        encode(tmp_path / name, *(FFMPEG[name][0], silence, FFMPEG[name][1]))
    else:
        soundfile.write(tmp_path / name, silence, RATE)
    assert asr.load_model(device="cpu").transcribe(tmp_path / name).text == ""
