"""Recordings by the names that other people's lists give them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asr.speech.audio import ENDINGS


class AudioFinder:
    """Looks for recordings in some folders, one after the other, and counts where they were.

    >>> AudioFinder([Path("cv"), Path("cv/clips")]).find("a1.mp3")
    PosixPath('cv/clips/a1.mp3')
    """

    def __init__(self, folders: Sequence[Path], add_endings: bool = False):
        """With `add_endings`, a name that has no ending of a recording is also looked for with each of them."""
        self.folders = list(dict.fromkeys(folders))
        self.endings = ["", *sorted(ENDINGS, key=lambda e: (e != ".flac", e))] if add_endings else [""]
        self.found: Counter[Path] = Counter()
        """recordings by folder; those with an absolute path are not counted"""
        self.missed = 0

    def find(self, name: str) -> Path | None:
        """The recording, or None. Back slashes part folders too, where no file has one in its name."""
        for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
            endings = [""] if Path(spelling).suffix.lower() in ENDINGS else self.endings
            for folder in self.folders:
                for ending in endings:
                    path = folder / (spelling + ending)
                    if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name that is too long
                        self.found[folder] += not Path(spelling).is_absolute()
                        return path
        self.missed += 1
        return None

    def missing(self, name: str) -> str:
        """What to say of a recording that is not there."""
        if Path(name).is_absolute():
            return f"{name}: no such recording"
        return f"{name}: no such recording in {', '.join(map(_shown, self.folders))}"

    def notes(self) -> list[str]:
        """Where relative names were found, and how often where that is in several folders."""
        if self.missed and not self.found:
            return ["no recording was found: --audio-folder DIR says where they are"]
        places = [(_shown(folder), count) for folder, count in self.found.most_common() if count]
        if len(places) > 1:
            return ["recordings found in " + ", ".join(f"{folder} ({count:,})" for folder, count in places)]
        return [f"recordings found in {folder}" for folder, _ in places]


def _shown(folder: Path) -> str:
    return "the working directory" if folder == Path() else str(folder)
