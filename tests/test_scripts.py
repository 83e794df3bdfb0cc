"""Every program of recipes/ and benchmarks/ ends an expected failure in one line, and depends on the library alone."""

from __future__ import annotations

import argparse
import ast
import errno
import os
import sys
from pathlib import Path

import pytest
from tests_support import ROOT, script

from asr.errors import AsrError, UsageError

FILES = sorted([*(ROOT / "recipes").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
SCRIPTS = [path for path in FILES if "__main__" in path.read_text(encoding="utf-8")]
"""the others are imported by them"""
ENDS = [
    (UsageError("a.json: no such manifest"), 2, "error: a.json: no such manifest"),
    (AsrError("a.flac: damaged"), 1, "error: a.flac: damaged"),
    (
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.json"),
        1,
        "error: out.json: No space left on device: free some space and run the same command again",
    ),
    (KeyboardInterrupt(), 130, "error: stopped"),
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_ends_in_one_line(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, path.stem, sys.modules.get(path.stem))  # a test of the program itself finds its own there again
    program = script(path)
    for error, code, line in ENDS:

        def fail(*arguments: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", fail)
        monkeypatch.setattr(argparse.ArgumentParser, "parse_intermixed_args", fail)
        with pytest.raises(SystemExit) as stopped:
            program.main()
        assert stopped.value.code == code
        assert capsys.readouterr().err == f"{line}\n"


LIBRARY = sorted(path for path in (ROOT / "asr").rglob("*.py") if path.parent != ROOT / "asr" / "cli")


def imports(path: Path) -> list[str]:
    """Names of all modules that a file imports, in whatever function."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]


def test_nothing_imports_a_command() -> None:
    """The command line is the top: `asr.__main__` alone imports it."""
    found = {str(path.relative_to(ROOT)) for path in (*FILES, *LIBRARY) for name in imports(path) if f"{name}.".startswith("asr.cli.")}
    assert found == {"asr/__main__.py"}
