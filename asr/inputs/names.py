"""Names of output files. Each follows from its own input alone, whatever else is transcribed with it.

| input | short name | full name |
|---|---|---|
| `talks/a.mp3`, by its name or a pattern | `a` | `talks/a.mp3` |
| the folder `talks/`, with `mon/a.mp3` in it | `mon/a` | `talks/mon/a.mp3` |
| an utterance `u1` of a manifest, in `talks/a.mp3` | `u1` | `talks/u1.mp3` |
| standard input | `standard-input` | `standard-input` |

A full path starts at the working folder, or, outside it, at the root. Two inputs of one command with the same name are refused.
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

LONGEST_BYTES = 200  # of a part of a path; most systems allow 255, and a format's ending and a mark for unfinished files are to come
UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")
SHOWN = 3  # clashes in an error message


@dataclass(frozen=True)
class Name:
    """The parts of an output file's name."""

    outer: tuple[str, ...]
    """folders of a full name alone, outermost first"""
    inner: tuple[str, ...]
    """folders below the folder that the user named"""
    stem: str
    ending: str = ""
    """of the recording, with its dot; of a full name alone"""

    @property
    def short(self) -> str:
        """A relative path below the output folder, `/` between folders, without the ending of a format."""
        return _joined(*self.inner, self.stem)

    @property
    def full(self) -> str:
        """As `short`, with the recording's folders and its ending."""
        return _joined(*self.outer, *self.inner, self.stem + self.ending)


def folders_of(path: Path) -> tuple[str, ...]:
    """Folders from the working folder to `path`, or from the root where `path` is outside it; links stay as they are."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100
    here = Path.cwd()
    return whole.relative_to(here).parts[:-1] if whole.is_relative_to(here) else whole.parts[1:-1]


def check_distinct(names: Sequence[str], labels: Sequence[str], advice: str) -> None:
    """Raise UsageError if two names are the same, where case does not count; `labels` name the inputs in the message."""
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
    """Whether no two names are the same, where case does not count."""
    return len({_key(name) for name in names}) == len(names)


def _key(name: str) -> str:
    """Equal for names that some file systems take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def _joined(*parts: str) -> str:
    return "/".join(map(safe_part, parts))


def safe_part(part: str) -> str:
    """A file's or folder's name that stays where it is put: no separators, no `..`, not too long."""
    part = UNSAFE.sub("_", part)
    if not part.strip(". "):
        part = "_" * max(1, len(part))
    if _bytes(part) <= LONGEST_BYTES:
        return part
    mark = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:8]  # keeps long names apart that begin alike
    kept = part.encode("utf-8", "ignore")[: LONGEST_BYTES - len(mark) - 1].decode("utf-8", "ignore")
    return f"{kept}-{mark}"


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
