"""What cannot be served is told before a server is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import ROOT, script


def test_no_recording_of_the_length_asked_for(
    tones: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["serve.py", "--manifest", str(tones[1]), "--lengths", "70", "80", "--threads", "1"])
    with pytest.raises(SystemExit) as stopped:
        script(ROOT / "benchmarks" / "serve.py").main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {tones[1]}: no recording of 70 to 80 s: choose others with --lengths\n"


def test_a_server_that_ends_is_told_with_the_command_that_says_why() -> None:
    program = script(ROOT / "benchmarks" / "serve.py")
    with pytest.raises(program.AsrError, match=r"the server ended with exit code 2: .* serve .*--model /nowhere tells why"):
        program.server(1, "--model", "/nowhere").__enter__()
