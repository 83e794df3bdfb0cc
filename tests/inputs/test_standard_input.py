"""Standard input: a file for as long as it is needed."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError, UsageError
from asr.inputs import open_inputs
from asr.speech.audio import load_audio


def feed(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr("sys.stdin", path.open(encoding="latin-1"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_it_can_be_decoded_and_is_gone_afterwards(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = (0.1 * np.sin(np.arange(40_000) / 20)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", sound, 16_000)
    feed(monkeypatch, tmp_path / "a.flac")
    with open_inputs(["other.mp3", "-"]) as recordings:
        [other, piped] = recordings
        assert (other.label, piped.label, piped.name) == ("other.mp3", "-", "standard-input")
        assert piped.utterance.audio_filepath.is_relative_to(place)
        part = load_audio(piped.utterance.audio_filepath, offset=1.0, duration=0.5)
        np.testing.assert_allclose(part, sound[16_000:24_000], atol=1e-4)
    assert list(place.iterdir()) == []


def test_it_is_gone_after_an_error_and_after_ctrl_c(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"sound")
    for error in (RuntimeError, KeyboardInterrupt):
        feed(monkeypatch, tmp_path / "a")
        with pytest.raises(error), open_inputs(["-"]) as [piped]:
            assert piped.utterance.audio_filepath.read_bytes() == b"sound"
            raise error
    assert list(place.iterdir()) == []


def test_a_file_called_minus_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    with open_inputs(["./-"]) as [found]:
        assert (found.label, found.utterance.audio_filepath) == ("./-", Path("-"))


def test_empty(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    feed(monkeypatch, tmp_path / "a")
    with pytest.raises(UsageError, match="is empty"), open_inputs(["-"]):
        pass
    assert list(place.iterdir()) == []


def test_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with open(ours, "rb"), open(theirs, encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with pytest.raises(UsageError, match="is a terminal"), open_inputs(["-"]):
            pass


def test_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    closed = (tmp_path / "a").open(encoding="utf-8")
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(UsageError, match="is closed"), open_inputs(["-"]):
            pass


def test_a_full_disk_says_where_more_room_may_be(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"sound")
    feed(monkeypatch, tmp_path / "a")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(AsrError, match=f"{place}: No space left on device: free some space there, or set TMPDIR"), open_inputs(["-"]):
        pass
    assert list(place.iterdir()) == []


def test_a_mistake_among_the_others_is_told_before_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that never ends."""
    reading, writing = os.pipe()
    with open(reading, encoding="latin-1") as pipe, open(writing, "wb"):
        monkeypatch.setattr("sys.stdin", pipe)
        with pytest.raises(UsageError, match="no such manifest"), open_inputs(["-", str(tmp_path / "gone.json")]):
            pass


SCRIPT = """
import signal, time
from asr.inputs import open_inputs
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it
with open_inputs(["-"]) as [piped]:
    print(piped.utterance.audio_filepath.stat().st_size, flush=True)
    time.sleep(600)
"""


def test_a_pipe_larger_than_a_block_and_ctrl_c(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"x" * 3_000_001)
    process.stdin.close()
    assert process.stdout.readline() == b"3000001\n"
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert list(tmp_path.iterdir()) == []
