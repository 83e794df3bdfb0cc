"""Names of output files. A name depends only on its own input, so that a command that is run again finds the same files.

| input | short name | full name |
|---|---|---|
| `talks/a.mp3`, by name or pattern | `a` | `talks/a.mp3` |
| the folder `talks/`, with `mon/a.mp3` in it | `mon/a` | `talks/mon/a.mp3` |
| an utterance `u1` of a manifest, in `talks/a.mp3` | `u1` | `talks/u1.mp3` |
| standard input | `standard-input` | `standard-input` |

A full name starts at the working folder, or, outside of it, at the root. Two inputs of one command with the same name are an error.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.errors import UsageError

LONGEST_BYTES = 200  # of a part of a path: most systems allow 255, and the ending of a format and a temporary mark are added
UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")
SHOWN = 3  # clashes in an error message


@dataclass(frozen=True)
class Name:
    """The parts of the name of an output file.

    Attributes:
        outer: folders, outermost first, that are only part of the full name.
        inner: folders below the folder that the user named.
        stem: name of the recording without its ending.
        ending: ending of the recording, with its dot; only part of the full name.
    """

    outer: tuple[str, ...]
    inner: tuple[str, ...]
    stem: str
    ending: str = ""

    @property
    def short(self) -> str:
        """The path below the output folder, with `/` between folders, without the ending of a format."""
        return _joined(*self.inner, self.stem)

    @property
    def full(self) -> str:
        """The short name with the recording's folders and its ending."""
        return _joined(*self.outer, *self.inner, self.stem + self.ending)


def folders_of(path: Path) -> tuple[str, ...]:
    """Return the folders from the working folder to `path`, or from the root if it is outside. Links are kept."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100
    here = Path.cwd()
    return whole.relative_to(here).parts[:-1] if whole.is_relative_to(here) else whole.parts[1:-1]


def check_distinct(names: Sequence[str], labels: Sequence[str], advice: str) -> None:
    """Check that names are distinct, ignoring case.

    Args:
        names: names of output files.
        labels: the inputs, for the message.
        advice: the remedy, for the message.

    Raises:
        UsageError: two names are equal.
    """
    first: dict[str, int] = {}
    clashes: list[str] = []
    for i, name in enumerate(names):
        other = first.setdefault(_key(name), i)
        if other != i:
            clashes.append(f"{labels[other]} and {labels[i]} ({name})")
    if clashes:
        more = f" and {len(clashes) - SHOWN:,} more" if len(clashes) > SHOWN else ""
        raise UsageError(f"output files of the same name for {', '.join(clashes[:SHOWN])}{more}: {advice}")


def are_distinct(names: Sequence[str]) -> bool:
    """Return whether names are distinct, ignoring case."""
    return len({_key(name) for name in names}) == len(names)


def _key(name: str) -> str:
    """Return a key that is equal for names that are equal on some file systems."""
    return unicodedata.normalize("NFC", name).casefold()


def _joined(*parts: str) -> str:
    return "/".join(map(safe_part, parts))


def safe_part(part: str) -> str:
    """Make a safe name of a file or folder: without separators and `..`, and not too long."""
    part = UNSAFE.sub("_", part)
    if not part.strip(". "):
        part = "_" * max(1, len(part))
    if _bytes(part) <= LONGEST_BYTES:
        return part
    mark = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:8]  # distinguishes long names with the same beginning
    kept = part.encode("utf-8", "ignore")[: LONGEST_BYTES - len(mark) - 1].decode("utf-8", "ignore")
    return f"{kept}-{mark}"


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
