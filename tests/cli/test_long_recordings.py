"""`asr transcribe` of a long recording: results shown at once, kept when the command is stopped, and used by the next one."""

from __future__ import annotations

import errno
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests_support import ROOT
from typer.testing import CliRunner, Result

from asr.cli import app
from asr.cli.search import TranscriptOptions
from asr.decode.segments import Found
from asr.files import write_atomically
from asr.speech.audio import load_audio
from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["transcribe", *arguments])


@pytest.fixture(scope="module")
def fast() -> Transcriber:
    return TranscriptOptions(profile="fast", precision="fp32", batch_seconds=8, threads=1).transcriber()


@pytest.fixture
def here(fast: Transcriber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a model that is loaded once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TranscriptOptions, "transcriber", lambda self, nbest=1: fast)
    return tmp_path


@pytest.fixture
def long(here: Path) -> Path:
    """A recording of several segments, and a short one that comes after it by name."""
    clip = load_audio(ROOT / "examples" / "walk.flac")
    pause = np.zeros(16_000, np.float32)
    soundfile.write("long.flac", np.concatenate([clip, pause] * 8), 16_000)
    soundfile.write("short.flac", clip, 16_000)
    return here


def stop_after(calls: int, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] = KeyboardInterrupt) -> list[int]:
    """Stop at the given call of `recognize`; return the sizes of its batches."""
    batches: list[int] = []
    recognize = Transcriber.recognize

    def counted(self: Transcriber, speech: list[SpeechSegment]) -> list[Found]:
        if len(batches) == calls:
            raise error
        batches.append(len(speech))
        return recognize(self, speech)

    monkeypatch.setattr(Transcriber, "recognize", counted)
    return batches


FAST = ("--text", "verbatim", "--profile", "fast", "--precision", "fp32", "--batch-seconds", "8", "-f", "txt,srt")


def test_a_stopped_recording_goes_on_with_the_same_command(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("long.flac", "-o", "undisturbed", *FAST).exit_code == 0
    with monkeypatch.context() as patch:
        done = stop_after(2, patch)
        stopped = run("long.flac", "-o", "out", *FAST)
    assert stopped.exit_code == 130
    assert stopped.stderr.endswith("and whole, and out/long.partial.json has the results so far; the same command goes on\n")
    assert [path.name for path in Path("out").iterdir()] == ["long.partial.json"]
    with monkeypatch.context() as patch:
        again = stop_after(100, patch)
        resumed = run("long.flac", "-o", "out", *FAST, "--numbers", "words")  # the results are verbatim
    assert resumed.exit_code == 0
    assert f"long.flac: going on after {sum(done)} segments of out/long.partial.json" in resumed.stderr
    assert sum(done) + sum(again) == 8
    assert sorted(path.name for path in Path("out").iterdir()) == ["long.srt", "long.txt"]
    for name in ("long.srt", "long.txt"):
        assert Path("out", name).read_bytes() == Path("undisturbed", name).read_bytes()


@pytest.mark.parametrize("change", ["option", "recording", "damage"])
def test_partial_results_of_another_job_are_not_used(long: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        run("long.flac", "-o", "out", *FAST)
    partial = Path("out/long.partial.json")
    if change == "recording":
        os.utime("long.flac", (1, 1))
    if change == "damage":
        partial.write_bytes(partial.read_bytes()[:-9])
    result = run("long.flac", "-o", "out", *FAST, *(["--beam-size", "2"] if change == "option" else []))
    reason = "damaged" if change == "damage" else "made from another recording, or with another model or other options"
    assert f"note: out/long.partial.json: {reason}: long.flac is transcribed from its start\n" in result.stderr
    assert result.exit_code == 0
    assert not partial.exists()


def test_a_transcript_named_like_a_partial_one_is_kept(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out").mkdir()
    Path("out/long.partial.json").write_text('{"text": "mine"}', encoding="utf-8")
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        stopped = run("long.flac", "-o", "out", *FAST)
    assert stopped.stderr == "error: stopped: 0 of 1 are done and whole; the same command goes on\n"
    assert run("long.flac", "-o", "out", *FAST).exit_code == 0
    assert Path("out/long.partial.json").read_text(encoding="utf-8") == '{"text": "mine"}'


def test_a_missing_recording_with_partial_results_affects_no_other(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        run("long.flac", "-o", "out", *FAST)
    Path("long.flac").unlink()
    result = run("long.flac", "short.flac", "-o", "out", *FAST)
    assert result.exit_code == 1
    assert "error: long.flac: no such file\n" in result.stderr
    assert result.stderr.endswith("1 transcribed, 1 failed\n")
    assert Path("out/short.txt").is_file()


def test_a_recording_that_vanishes_breaks_no_stop(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(self: Transcriber, speech: list[SpeechSegment]) -> list[Found]:
        Path("long.flac").unlink(missing_ok=True)
        monkeypatch.setattr(Transcriber, "recognize", stop)
        return [None for _ in speech]

    def stop(self: Transcriber, speech: list[SpeechSegment]) -> list[Found]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Transcriber, "recognize", vanish)
    result = run("long.flac", "-o", "out", *FAST)
    assert (result.exit_code, result.stderr) == (130, "error: stopped: 0 of 1 are done and whole; the same command goes on\n")


def test_a_short_recording_does_not_wait_for_a_long_one(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(2, monkeypatch)
    result = run("long.flac", "short.flac", "-o", "out", *FAST)
    assert "stopped: 1 of 2 are done and whole, and out/long.partial.json has the results so far" in result.stderr
    assert {"short.txt", "short.srt"} < {path.name for path in Path("out").iterdir()}


VERBOSE = [sys.executable, "-m", "asr", "transcribe", "long.flac", "-o", "out", *FAST, "--verbose", "--threads", "1"]


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_keeps_the_results(long: Path, name: str, code: int) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"no {name} here")
    process = subprocess.Popen(VERBOSE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(getattr(signal, name))
    rest = process.stderr.read()
    assert process.wait(60) == code
    assert re.match(r"\[00:00\.\d{3} --> 00:0\d\.\d{3}\] SHE ", first)
    assert "out/long.partial.json has the results so far; the same command goes on" in rest


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")
def test_a_closed_terminal_keeps_the_results(long: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, VERBOSE)
    seen = b""
    while b"--> " not in seen:
        seen += os.read(terminal, 65536)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129
    assert [path.name for path in Path("out").iterdir()] == ["long.partial.json"]


def test_a_signal_while_files_are_written_waits_for_them(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = write_atomically

    def interrupted(path: Path, content: str) -> None:
        if path.suffix == ".txt":
            os.kill(os.getpid(), signal.SIGINT)
        write(path, content)

    monkeypatch.setattr("asr.output.formats.write_atomically", interrupted)
    result = run("long.flac", "short.flac", "-o", "out", *FAST)
    assert result.exit_code == 130
    assert "stopped: 1 of 2 are done and whole" in result.stderr
    assert {"short.txt", "short.srt"} <= {path.name for path in Path("out").iterdir()}
    assert not Path("out/short.partial.json").exists()


def full(*_: object) -> bool:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/long.partial.json")


def test_partial_results_that_cannot_be_written_stop_nothing(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.cli.transcribing.PARTIAL_SECONDS", 0.0)
    monkeypatch.setattr("asr.output.write_partial", full)
    result = run("long.flac", "-o", "out", *FAST)
    assert result.exit_code == 0
    assert "note: out/long.partial.json: No space left on device: the results so far are not kept\n" in result.stderr
    assert Path("out/long.srt").is_file()


def refuse(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the output file of a name fail with an error number."""
    write = write_atomically

    def refused(path: Path, content: str) -> None:
        if path.name == name:
            raise OSError(number, os.strerror(number), str(path))
        write(path, content)

    monkeypatch.setattr("asr.output.formats.write_atomically", refused)


def test_a_file_that_cannot_be_written_affects_no_other(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse("short.txt", errno.EACCES, monkeypatch)
    result = run("short.flac", "long.flac", "-o", "out", *FAST)
    assert result.exit_code == 1
    assert f"error: out/short.txt: {os.strerror(errno.EACCES)}\n" in result.stderr
    assert result.stderr.endswith("1 transcribed, 1 failed\n")
    assert Path("out/long.txt").is_file()


def test_a_full_disk_ends_the_command_and_keeps_the_results(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse("short.txt", errno.ENOSPC, monkeypatch)
    result = run("short.flac", "long.flac", "-o", "out", *FAST)
    assert result.exit_code == 1
    assert f"error: out/short.txt: {os.strerror(errno.ENOSPC)}: free some space and run the same command again\n" in result.stderr
    assert Path("out/short.partial.json").is_file()
    assert not Path("out/long.txt").exists()


def test_results_of_a_recording_that_cannot_be_read_now_are_used_later(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        run("long.flac", "-o", "out", *FAST)
    Path("long.flac").rename("away.flac")
    assert run("long.flac", "-o", "out", *FAST).exit_code == 1
    Path("away.flac").rename("long.flac")
    result = run("long.flac", "-o", "out", *FAST)
    assert result.exit_code == 0
    assert "long.flac: going on after" in result.stderr


def test_segments_are_shown_on_request(long: Path) -> None:
    result = run("long.flac", "short.flac", *FAST[:-2], "-f", "txt", "--verbose")
    lines = result.stderr.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["long.flac"] * 8 + ["short.flac"]
    assert " ".join(line.split("] ")[1] for line in lines).split() == result.stdout.split()  # which has paragraphs
    assert run("long.flac", *FAST[:-2]).stderr == ""
