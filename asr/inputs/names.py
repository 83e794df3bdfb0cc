"""Names of output files: short where that is enough, longer where two would be the same; never outside the output folder.

A recording's files are named after it, without its ending: `talks/a.mp3` gives `a`. Where two recordings would have the same name,
more of what they are called is kept, for these and no others:

1. the ending, where it differs: `a.mp3` and `a.wav` give `a.mp3` and `a.wav`;
2. the folders, as many as are needed: `mon/a.mp3` and `tue/a.mp3` give `mon/a` and `tue/a`;
3. a number, where all is the same (two utterances of a manifest with one id): `a`, `a-2`.

Names hang on nothing but what is named and its order, so that the same command finds its files again.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_BYTES = 200  # of a part of a path; most systems allow 255, and an ending and a mark for unfinished files are to come
UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass
class Name:
    """What a recording is called, and how much of it is used."""

    outer: tuple[str, ...]
    """folders around it, outermost first; used where they are needed"""
    inner: tuple[str, ...]
    """folders below the one that the user named; always kept"""
    stem: str
    ending: str = ""
    """with its dot"""
    folders_used: int = 0
    ending_used: bool = False

    def __str__(self) -> str:
        used = self.outer[len(self.outer) - self.folders_used :]
        file = self.stem + (self.ending if self.ending_used else "")
        return "/".join(safe_part(part) for part in (*used, *self.inner, file))


def distinct_names(names: list[Name]) -> list[str]:
    """Relative paths without the ending of an output file, `/` between folders; no two alike, even where case does not count."""
    changed = True
    while changed:
        changed = False
        for group in _groups(names):
            changed |= len(group) > 1 and _lengthen(group)
    taken: set[str] = set()
    found = []
    for name in map(str, names):
        number, candidate = 1, name
        while _key(candidate) in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(_key(candidate))
        found.append(candidate)
    return found


def _groups(names: Iterable[Name]) -> list[list[Name]]:
    groups: dict[str, list[Name]] = defaultdict(list)
    for name in names:
        groups[_key(str(name))].append(name)
    return list(groups.values())


def _key(name: str) -> str:
    """The same for what some file systems hold to be the same."""
    return unicodedata.normalize("NFC", name).casefold()


def _lengthen(group: list[Name]) -> bool:
    """Use more of names that are alike; False where there is no more."""
    short_of_ending = [name for name in group if name.ending and not name.ending_used]
    if short_of_ending and len({_key(name.ending) for name in group}) > 1:
        for name in short_of_ending:
            name.ending_used = True
        return True
    if len({name.outer for name in group}) == 1:
        return False
    short_of_folders = [name for name in group if name.folders_used < len(name.outer)]
    for name in short_of_folders:
        name.folders_used += 1
    return bool(short_of_folders)


def safe_part(part: str) -> str:
    """A file's or folder's name that stays where it is put: no separators, no `..`, not too long."""
    part = UNSAFE.sub("_", part)
    if not part.strip(". "):
        part = "_" * max(1, len(part))
    if _bytes(part) <= LONGEST_BYTES:
        return part
    mark = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:8]  # keeps long names apart that begin alike
    while _bytes(part) + 1 + len(mark) > LONGEST_BYTES:
        part = part[:-1]
    return f"{part}-{mark}"


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
