"""Errors of the server benchmarks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import ROOT, script

from asr.errors import AsrError


def test_no_recording_of_the_length_asked_for(
    tones: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["serve.py", "--manifest", str(tones[1]), "--lengths", "70", "80", "--threads", "1"])
    with pytest.raises(SystemExit) as stopped:
        script(ROOT / "benchmarks" / "serve.py").main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {tones[1]}: no recording of 70 to 80 s: choose others with --lengths\n"


def test_a_server_that_does_not_start() -> None:
    program = script(ROOT / "benchmarks" / "running_server.py")
    with pytest.raises(AsrError, match=r"the server ended with exit code 2: run .* serve .*--model /nowhere to see why"):
        program.server("--model", "/nowhere").__enter__()
