"""Recordings on the disk go with the server, however it ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from serve_support import EXAMPLES, Parrot, serving

from asr.serve import recordings
from asr.serve.recordings import Recordings
from asr.speech.audio import probe

RIVER = (EXAMPLES / "river.flac").read_bytes()
SERVER = """
import sys, tempfile
from pathlib import Path
from asr.serve import recordings
recordings.DESCRIPTORS = Path(sys.argv[1])
mine = recordings.Recordings()
spool = tempfile.SpooledTemporaryFile()
spool.write(b"secret")
kept = mine.keep(spool)
print(kept.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def spool(content: bytes) -> tempfile.SpooledTemporaryFile[bytes]:
    file: tempfile.SpooledTemporaryFile[bytes] = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    file.write(content)
    return file


def other_server(temporary: Path, descriptors: str) -> subprocess.Popen[str]:
    """Another process with a recording."""
    return subprocess.Popen(
        [sys.executable, "-c", SERVER, descriptors],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)},
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc/self/fd")
def test_a_recording_has_no_name(temporary: Path) -> None:
    recording = Recordings().keep(spool(RIVER))
    assert list(temporary.iterdir()) == []
    assert probe(recording.path).seconds == pytest.approx(3.907, abs=1e-3)
    assert probe(recording.path).seconds == pytest.approx(3.907, abs=1e-3)  # each reader starts at the beginning
    recording.close()


@pytest.mark.parametrize("descriptors", ["/proc/self/fd", "/nowhere"])
def test_kill_9_leaves_no_recording_for_the_next_server(temporary: Path, descriptors: str) -> None:
    process = other_server(temporary, descriptors)
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    if descriptors == "/nowhere":
        assert path.read_bytes() == b"secret"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    process.send_signal(signal.SIGKILL)
    process.wait()
    Recordings().close()
    assert list(temporary.iterdir()) == []


def test_a_server_that_lives_keeps_its_recordings(temporary: Path) -> None:
    process = other_server(temporary, "/nowhere")
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    Recordings().close()
    assert path.read_bytes() == b"secret"
    process.communicate("")
    assert process.returncode == 0


def test_folders_of_others_stay(temporary: Path) -> None:
    for name in ("asr-serve-old", "asr-cache", "other"):
        (temporary / name).mkdir()
    (temporary / "other" / "lock").touch()
    (temporary / "asr-serve-link").symlink_to(temporary / "other")
    Recordings().close()
    assert {path.name for path in temporary.iterdir()} == {"asr-serve-old", "asr-cache", "other", "asr-serve-link"}
    assert (temporary / "other" / "lock").exists()


def test_the_folder_may_be_cleaned_away(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system does with old files; where a recording has a name."""
    monkeypatch.setattr(recordings, "DESCRIPTORS", Path("/nowhere"))
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot) as live:  # type: ignore[arg-type, return-value]
        assert live.post(RIVER).json()["text"] == "3.907"
        [folder] = temporary.iterdir()
        assert [path.name for path in folder.iterdir()] == ["lock"]
        (folder / "lock").unlink()
        folder.rmdir()
        assert live.post(RIVER).json()["text"] == "3.907"
    assert list(temporary.iterdir()) == []
