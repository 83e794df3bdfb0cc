"""Messages are one line each, whatever is in them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asr.console import format_duration, one_line_errors, print_error, print_note, progress_bar
from asr.errors import ManifestError, UsageError
from asr.speech.manifest import read_manifest

BREAKS = "a\nerror: b\rc\x0bd\x85e\u2028f"
SHOWN = "a\\nerror: b\\u000dc\\u000bd\\u0085e\\u2028f"


def test_an_id_cannot_start_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(BREAKS)
    print_note(f"note: {BREAKS}")
    assert capsys.readouterr().err == f"error: {SHOWN}\nnote: {SHOWN}\n"


def test_each_problem_of_a_manifest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "two\nlines.json"
    manifest.write_text(json.dumps({"text": "a"}) + "\n{}\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        one_line_errors(lambda: (read_manifest(manifest), None)[1])()
    assert stopped.value.code == 1
    shown = str(manifest).replace("\n", "\\n")
    assert capsys.readouterr().err.splitlines() == [f"error: {shown}:{line}: audio_filepath is missing" for line in (1, 2)]


@pytest.mark.parametrize(
    ("error", "lines"), [(UsageError("one\ntwo"), ["error: one", "error: two"]), (ManifestError(["x\ny"]), ["error: x\\ny"])]
)
def test_errors_with_several_problems(error: Exception, lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit):
        one_line_errors(fail)()
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize("total", [0, 1, 2])
def test_no_progress_is_shown_in_a_pipe(total: int, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("working", total) as advance:
        advance(1)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_durations() -> None:
    assert [format_duration(seconds) for seconds in (0, 59.6, 3599, 3661)] == ["0:00", "1:00", "59:59", "1:01:01"]


IN_A_TERMINAL = """
from asr.console import audio_progress, print_line, print_note
with audio_progress(100) as progress:
    progress.advance(10)
    print_line("a result")
    print_note("a note")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")
def test_a_line_stands_above_the_progress_bar_and_not_behind_it() -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen([sys.executable, "-c", IN_A_TERMINAL], stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO at the end
        while block := os.read(ours, 65536):
            shown += block
    os.close(ours)
    assert process.wait(60) == 0
    for line in (b"a result", b"a note"):
        before, _, after = shown.partition(line)
        assert before.endswith(b"\r\x1b[2K")
        assert after.startswith(b"\r\n")
