"""Find recordings by the names in a list."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asr.speech.audio import ENDINGS


class AudioFinder:
    """Look for recordings in several folders in turn, and count where they are found.

    Examples:
        >>> AudioFinder([Path("recordings"), Path("examples")]).find("river.flac")
        PosixPath('examples/river.flac')
    """

    def __init__(self, folders: Sequence[Path], add_endings: bool = False):
        """Prepare a search.

        Args:
            folders: where to look, in this order.
            add_endings: whether to try all endings of recordings for a name without one.
        """
        self.folders = list(dict.fromkeys(folders))
        self.endings = ["", *sorted(ENDINGS, key=lambda e: (e != ".flac", e))] if add_endings else [""]
        self.found: Counter[Path] = Counter()
        """Number of recordings found in each folder; absolute paths are not counted."""
        self.missed = 0

    def find(self, name: str) -> Path | None:
        """Return the path of a recording, or None. If no file has a back slash in its name, back slashes separate folders, too."""
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

    def describe_missing(self, name: str) -> str:
        """Return the problem of a recording that does not exist."""
        if Path(name).is_absolute():
            return f"{name}: no such recording"
        return f"{name}: no such recording in {', '.join(map(_folder_name, self.folders))}"

    def notes(self) -> list[str]:
        """Return a remark on the folders in which recordings with relative names were found."""
        if self.missed and not self.found:
            return ["no recording was found: --audio-folder DIR says where they are"]
        places = [(_folder_name(folder), count) for folder, count in self.found.most_common() if count]
        if len(places) > 1:
            return ["recordings found in " + ", ".join(f"{folder} ({count:,})" for folder, count in places)]
        return [f"recordings found in {folder}" for folder, _ in places]


def _folder_name(folder: Path) -> str:
    return "the working directory" if folder == Path() else str(folder)
