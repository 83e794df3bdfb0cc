"""Recordings from Python: what is accepted, and what errors name."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tests_support import ROOT

import asr
from asr.errors import AudioError, UsageError
from asr.transcribe import Transcriber
from asr.transcript import Transcript

WALK = ROOT / "examples" / "walk.flac"


@pytest.fixture(scope="module")
def model() -> Transcriber:
    return asr.load_model(device="cpu", profile="fast", precision="fp32", text="verbatim")


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "string": str,
    "utterance": lambda path: asr.Utterance("walk", path),
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "file object": lambda path: io.BytesIO(path.read_bytes()),
    "open file": lambda path: open(path, "rb"),  # noqa: SIM115 - closed with the test
    "float samples": lambda path: asr.load_audio(path),
    "int16 samples": lambda path: soundfile.read(path, dtype="int16")[0],
    "tensor": lambda path: torch.from_numpy(asr.load_audio(path)),
    "tensor with gradient": lambda path: torch.from_numpy(asr.load_audio(path)).requires_grad_(),
    "int16 tensor": lambda path: torch.from_numpy(soundfile.read(path, dtype="int16")[0]),
    "bfloat16 tensor": lambda path: torch.from_numpy(asr.load_audio(path)).bfloat16(),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_has_the_same_text(model: Transcriber, kind: str) -> None:
    assert model.transcribe(SOURCES[kind](WALK)).text == model.transcribe(WALK).text


def test_samples_of_another_rate_are_resampled(model: Transcriber) -> None:
    samples = asr.load_audio(WALK, sample_rate=48_000)
    found = model.transcribe(samples, rate=48_000)
    assert found.duration == pytest.approx(len(samples) / 48_000, abs=0.01)
    assert "WALKED DOWN TO THE RIVER" in found.text


SILENCE = np.zeros(9, np.float32)


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        ([1, 2], {}, "a recording of type list: expected a path, an open file, bytes, or samples"),
        (None, {}, "a recording of type NoneType"),
        ("", {}, "the path of a recording is empty"),
        *[(SILENCE, {"rate": rate}, f"rate is {rate!r}, expected the sample rate in Hz") for rate in (0, 1, "16000", np.inf, None, True)],
        *[("a.wav", {"beam": beam}, f"beam is {beam!r}, expected an integer, 1 to 1,000") for beam in (0, 1001, "5", 2.0, True)],
        *[("a.wav", {name: "1"}, f"{name} is '1', expected an integer, 1 or more") for name in ("channel", "track")],
        *[("a.wav", {name: 0}, f"{name} is 0, expected an integer, 1 or more") for name in ("channel", "track")],
        ("a.wav", {"hotwords": "ANNA"}, "hotwords are 'ANNA', expected a list of phrases"),
        ("a.wav", {"hotwords": 5}, "hotwords are 5, expected a list of phrases"),
        ("a.wav", {"hotwords": b"ANNA"}, "hotwords are b'ANNA', expected a list of phrases"),
        ("a.wav", {"hotwords": ["ANNA", None]}, "hotwords:2: None is of type NoneType, expected a phrase"),
        ("a.wav", {"profile": "quick"}, "profile is 'quick', expected fast, balanced or accurate"),
    ],
)
def test_wrong_arguments_are_named(model: Transcriber, audio: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model.transcribe(audio, **options)


@pytest.mark.parametrize("audios", ["a.wav", Path("a.wav"), b"RIFF", io.BytesIO(), None, 5])
def test_a_single_recording_is_no_list(model: Transcriber, audios: Any) -> None:
    """A string is not read as the names of recordings of one letter."""
    with pytest.raises(
        UsageError, match=f"recordings of type {type(audios).__name__}: expected a list of recordings; `transcribe` takes a"
    ):
        model.transcribe_many(audios)


SAMPLES: dict[str, tuple[Any, dict[str, int], str]] = {
    "stereo": (np.zeros((2, 100), np.float32), {}, r"samples of shape \(2, 100\): expected one channel \(N,\)"),
    "not finite": (np.array([0.0, np.nan], np.float32), {}, "contain NaN or infinity"),
    "not scaled": (np.array([0.0, 16383.0], np.float32), {}, "reach 16383, expected floats in .* divide them by the full scale"),
    "beyond float32": (np.array([0.0, 1e300]), {}, "reach 1e.300, expected floats"),
    "sparse": (torch.zeros(100).to_sparse(), {}, "a tensor that cannot be read .*: pass a dense tensor of floats"),
    "meta": (torch.zeros(100, device="meta"), {}, "a tensor that cannot be read"),
    "second channel": (SILENCE, {"channel": 2}, "has 1 channel, and no channel 2"),
    "second track": (SILENCE, {"track": 2}, "has 1 audio track, and no track 2"),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_samples_that_cannot_be_used_affect_no_other_recording(model: Transcriber, kind: str) -> None:
    samples, options, message = SAMPLES[kind]
    with pytest.raises(AudioError, match=f"<samples>: {message}"):
        model.transcribe(samples, **options)  # type: ignore[arg-type]
    if not options:
        first, second = model.transcribe_many([samples, WALK])
        assert (type(first), type(second)) == (AudioError, Transcript)


def test_a_slightly_clipped_recording_is_used(model: Transcriber) -> None:
    assert model.transcribe(3 * asr.load_audio(WALK)).text


class Unreadable:
    """A file object whose `read` does something else."""

    def __init__(self, read: Callable[[int], Any]):
        self.read = read


def closed() -> io.BytesIO:
    file = io.BytesIO(b"RIFF")
    file.close()
    return file


def fail(_: int) -> bytes:
    raise ConnectionResetError("reset by the peer")


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text": (lambda path: open(path, encoding="utf-8"), "is open as text: open it with mode 'rb'"),  # noqa: SIM115
    "for writing": (lambda path: open(path, "ab"), "is open for writing only: open it with mode 'rb'"),  # noqa: SIM115
    "closed": (lambda path: closed(), "<file object> cannot be read: I/O operation on closed file"),
    "at its end": (lambda path: io.BytesIO(), "<file object> is empty: expected a recording, from the position of the file on"),
    "no bytes": (lambda path: b"", "<bytes> is empty"),
    "no recording": (lambda path: b"no recording at all", "<bytes>: "),
    "broken": (lambda path: Unreadable(fail), "<file object> cannot be read: reset by the peer"),
    "of numbers": (lambda path: Unreadable(lambda size: [1, 2]), "read.. returns list, expected bytes"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_read_affects_no_other(model: Transcriber, kind: str, tmp_path: Path) -> None:
    make, message = FILES[kind]
    path = tmp_path / "a.txt"
    path.write_text("no recording", encoding="utf-8")
    first, second = model.transcribe_many([make(path), WALK])
    assert isinstance(first, AudioError)
    assert message.replace("read..", "read()") in str(first)
    assert isinstance(second, Transcript)
