"""Where output files may be written: never over an input, and over other files on request alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from asr.errors import UsageError
from asr.files import check_writable, overwritten

SHOWN = 3  # files in an error message


def check_targets(files: Sequence[Path], inputs: Iterable[Path], overwrite: bool) -> None:
    """Check before any work that all output files can be written.

    Args:
        files: the output files, each once; neither they nor their folders need to exist.
        inputs: files that the command reads.
        overwrite: whether existing files, other than inputs, may be replaced.

    Raises:
        UsageError: one line with the first files at fault, and how many there are.
    """
    for file in {file.parent: file for file in files}.values():
        try:
            check_writable(file.parent / ".asr")  # any name: existing files are looked at below
        except OSError as e:
            raise UsageError(f"{file.parent}: cannot be written to: {e.strerror}") from None
    existing = [file for file in files if file.exists()]
    if lost := overwritten(existing, inputs):
        raise UsageError(f"{_listed(lost)}: would overwrite an input of this command: choose another --output-dir or --format")
    if others := [file for file in existing if not file.is_file()]:
        raise UsageError(f"{_listed(others)}: is in the way, and not a file: choose another --output-dir")
    if existing and not overwrite:
        raise UsageError(f"{_listed(existing)}: exists already: --overwrite replaces it, --skip-existing keeps it")


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files[:SHOWN])) + (f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else "")
