"""The examples in the docstrings of asr/ run, and print the output that stands below them."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from tests_support import ROOT

MODULES = sorted(path for path in (ROOT / "asr").rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_the_examples_print_their_output(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(import_module(module_name(path)), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_examples_are_in_an_examples_section(path: Path) -> None:
    """Outside a section named Examples, the documentation site shows them as quotations."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        if line.lstrip().startswith(">>> "):
            indentation = len(line) - len(line.lstrip())
            above = next(other for other in reversed(lines[:i]) if other.strip() and len(other) - len(other.lstrip()) < indentation)
            assert above.strip() == "Examples:", f"{path.name}:{i + 1}"
