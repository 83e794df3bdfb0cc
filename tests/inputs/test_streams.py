"""Standard input and named pipes: copied to a temporary file while they are read."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError, UsageError
from asr.inputs import Recording, expand
from asr.inputs import open_inputs as open_recordings
from asr.speech.audio import load_audio


def open_inputs(arguments: list[str]) -> AbstractContextManager[list[Recording]]:
    return open_recordings(expand(arguments))


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
        assert (other.label, piped.label, piped.name.short) == ("other.mp3", "-", "standard-input")
        if Path("/proc/self/fd").is_dir():
            assert list(place.iterdir()) == []  # it has no name: nothing of it is left, even after kill -9
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


COPY = """
import hashlib, resource, sys
from asr.console import one_line_errors
from asr.inputs import expand, open_inputs

@one_line_errors
def copy(limit):
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with open_inputs(expand(["-", "-"])) as [piped]:
        print(hashlib.sha256(piped.utterance.audio_filepath.read_bytes()).hexdigest())

copy(int(sys.argv[1]))
"""


def copy(stdin: int | bytes, limit: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Copy standard input in a process of its own, which can write files of `limit` bytes."""
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run(
        [sys.executable, "-c", COPY, str(limit)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        timeout=60,
        **given,  # type: ignore[call-overload]
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("size", [150_000, 1_100_000, 3_000_000])
def test_an_end_that_does_not_fit_on_the_disk_is_an_error(place: Path, size: int) -> None:
    """A write to a full disk takes the part that fits: 100,000 of the last block's bytes here."""
    limit = (size - 1) // (1 << 20) * (1 << 20) + 100_000 - size % 2
    done = copy(bytes(size), min(limit, size - 1), TMPDIR=str(place))
    problem = "File too large: free some space there, or set TMPDIR to a folder with more"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: standard input (-) cannot be copied to {place}: {problem}\n"
    assert list(place.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting a file system of 1 MiB takes root")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a file system of 1 MiB cannot be mounted here")
    try:
        done = copy(bytes((1 << 20) + 500_000), TMPDIR=str(disk))
    finally:
        subprocess.run(["umount", disk], check=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: standard input (-) cannot be copied to {disk}: No space left on device: free some space there, or set TMPDIR to a folder with more\n"
    )


def test_a_pipe_that_does_not_block_is_read_to_its_end(place: Path) -> None:
    """Programs that share a pipe may set it so: a moment without data is not its end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    sound = os.urandom(300_000)

    def feed() -> None:
        with open(writing, "wb", buffering=0) as pipe:
            for start in range(0, len(sound), 50_000):
                time.sleep(0.3)
                pipe.write(sound[start : start + 50_000])

    thread = threading.Thread(target=feed)
    thread.start()
    done = copy(reading, TMPDIR=str(place))
    os.close(reading)
    thread.join()
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, hashlib.sha256(sound).hexdigest(), "")


class Failing(io.BytesIO):
    """A pipe from a machine that went away."""

    def read(self, size: int | None = -1, /) -> bytes:
        if block := super().read(3):
            return block
        raise OSError(errno.EIO, "Input/output error")


def test_an_input_that_fails_on_the_way(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Failing(b"sound")))
    with pytest.raises(AsrError, match=r"^standard input \(-\) cannot be read: Input/output error$"), open_inputs(["-"]):
        pass
    assert list(place.iterdir()) == []


def test_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"sound")
    feed(monkeypatch, tmp_path / "a")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with (
        pytest.raises(AsrError, match=r"^standard input \(-\) cannot be copied: No such file or directory: set TMPDIR to"),
        open_inputs(["-"]),
    ):
        pass


def test_a_mistake_is_reported_before_the_long_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that never ends."""
    reading, writing = os.pipe()
    with open(reading, encoding="latin-1") as pipe, open(writing, "wb"):
        monkeypatch.setattr("sys.stdin", pipe)
        with pytest.raises(UsageError, match="no such manifest"), open_inputs(["-", str(tmp_path / "gone.json")]):
            pass


# ---------------------------------------------------------------- named pipes


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe, as a shell makes for <(command)."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    path = tmp_path / "63"
    os.mkfifo(path)
    return path


def pour(path: Path, content: bytes) -> threading.Thread:
    thread = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    thread.start()
    return thread


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path, pipe: Path, place: Path) -> None:
    sound = (0.1 * np.sin(np.arange(40_000) / 20)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", sound, 16_000)
    thread = pour(pipe, (tmp_path / "a.flac").read_bytes())
    with open_inputs([str(pipe), "other.mp3"]) as [piped, other]:
        assert (piped.label, piped.name.short, piped.is_stream, other.is_stream) == (str(pipe), "63", True, False)
        np.testing.assert_allclose(load_audio(piped.utterance.audio_filepath, offset=1.0, duration=0.5), sound[16_000:24_000], atol=1e-4)
    thread.join(10)
    assert list(place.iterdir()) == []


def test_an_empty_pipe_is_named(pipe: Path, place: Path) -> None:
    thread = pour(pipe, b"")
    with pytest.raises(UsageError, match=r"63 is empty: did the command before the pipe fail\?$"), open_inputs([str(pipe)]):
        pass
    thread.join(10)
    assert list(place.iterdir()) == []


def test_a_shell_s_process_substitution(tmp_path: Path) -> None:
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    soundfile.write(tmp_path / "a.flac", np.zeros(1_600), 16_000)
    code = "import sys; from asr.inputs import expand, open_inputs\n"
    code += "with open_inputs(expand(sys.argv[1:])) as found: print(*(r.utterance.audio_filepath.stat().st_size for r in found))"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} <(cat a.flac) <(cat a.flac)"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    size = (tmp_path / "a.flac").stat().st_size
    assert (done.returncode, done.stdout) == (0, f"{size} {size}\n"), done.stderr


SCRIPT = """
import signal, time
from asr.inputs import expand, open_inputs
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it
with open_inputs(expand(["-"])) as [piped]:
    print(piped.utterance.audio_filepath.stat().st_size, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_pipe_larger_than_a_block_and_a_stop(tmp_path: Path, end: signal.Signals) -> None:
    """Of a recording, which may be private, nothing stays on the disk."""
    if end != signal.SIGINT and not Path("/proc/self/fd").is_dir():
        pytest.skip("only Linux opens a file without a name")
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
    process.send_signal(end)
    process.wait(timeout=60)
    assert list(tmp_path.iterdir()) == []
