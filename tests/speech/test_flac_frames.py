"""A long FLAC is known to be one recording from a few of its frames, and joined files are not taken for one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings_support import RATE, encode, noise

from asr.speech import joined
from asr.speech.flac_frames import is_one_flac
from asr.speech.headers import after_flac_head
from asr.speech.joined import find_recordings

LOUD, OTHER = noise(70.0, 1), noise(70.0, 2)  # 2 MB each, of the same length
QUIET = (0.0003 * np.sin(np.arange(70 * RATE) / 7)).astype(np.float32)


class Counted(io.BytesIO):
    """A file that counts the bytes read from it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def flac(samples: np.ndarray, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def is_one(content: bytes) -> bool:
    file = io.BytesIO(content)
    return is_one_flac(file, 0, after_flac_head(file, 0), len(content))


@pytest.mark.parametrize("samples", [LOUD, QUIET, np.stack([LOUD, OTHER], 1), noise(61.7, 3)])
def test_one_recording(samples: np.ndarray) -> None:
    assert is_one(flac(samples))


def test_one_recording_of_ffmpeg(tmp_path: Path) -> None:
    assert is_one(encode(tmp_path / "a.flac", LOUD, "flac", RATE, "flac").read_bytes())


@pytest.mark.parametrize(
    "parts",
    [[LOUD, LOUD], [LOUD, OTHER], [LOUD, QUIET], [QUIET, LOUD], [LOUD, QUIET, OTHER], [LOUD, noise(0.3), LOUD], [LOUD, noise(2.0)]],
    ids=lambda parts: "+".join(f"{len(part) / RATE:g}" for part in parts),
)
def test_joined_recordings(parts: Sequence[np.ndarray]) -> None:
    content = b"".join(map(flac, parts))
    assert not is_one(content)
    assert len(find_recordings(io.BytesIO(content)).links) == len(parts)


def test_following_bytes_are_no_part_of_the_frame() -> None:
    assert not is_one(flac(LOUD) + b"\x55" * 100_000)
    assert not is_one(flac(LOUD)[:-100_000])
    assert not is_one(b"fLaC")


def test_little_of_a_long_flac_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "SMALL", 0)
    file = Counted(flac(np.concatenate([LOUD, OTHER] * 4)))
    assert len(find_recordings(file).links) == 1
    assert file.count < len(file.getvalue()) / 4


def test_little_of_an_mp3_with_a_header_is_read(tmp_path: Path) -> None:
    file = Counted(encode(tmp_path / "a.mp3", LOUD, "libmp3lame", RATE, "mp3").read_bytes())
    assert len(find_recordings(file).links) == 1
    assert file.count < 10_000
