"""One entry of a list, whatever the list's format, as an utterance of a recording that is there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.prepare.audio_files import AudioFinder
from asr.speech.audio import ENDINGS
from asr.speech.manifest import Utterance

FOLDERS = (".", "clips", "wavs", "wav", "audio")
"""where recordings are usually found, from the list's own folder"""


def finder_beside(path: Path, audio_folder: Path | None = None) -> AudioFinder:
    """Look in `audio_folder`, in `FOLDERS`, then in the working directory."""
    folders = [path.parent / name for name in FOLDERS]
    return AudioFinder([*([audio_folder] if audio_folder else []), *folders, Path()], add_endings=True)


class EntryReader:
    """Makes utterances of entries."""

    def __init__(self, path: Path, finder: AudioFinder, names: Mapping[str, str] | None = None):
        """`names` are those of the columns or keys, by role, for messages."""
        self.path, self.finder, self.names = path, finder, names or {}

    def utterance(self, told: Mapping[str, str], extra: Mapping[str, Any], place: str) -> Utterance | str:
        """An utterance by its values by role, or `place: reason`."""
        name = told.get("audio", "")
        if not name:
            return f"{place}: names no recording ({self.names.get('audio', 'audio')} is empty)"
        audio = self.finder.find(name)
        if audio is None:
            return f"{place}: {self.finder.missing(name)}"
        seconds: dict[str, float | None] = {}
        for role in ("duration", "offset"):
            try:
                seconds[role] = _seconds(told.get(role, ""), role == "duration")
            except ValueError as e:
                return f"{place}: {self.names.get(role, role)} is {told[role]!r}, expected seconds ({e})"
        offset = seconds["offset"] or 0.0
        track = told.get("track", "")
        if track and not (track.isascii() and track.isdecimal() and int(track) > 0):
            return f"{place}: {self.names.get('track', 'track')} is {track!r}, expected the number of an audio track (1 for the first)"
        return Utterance(
            id=told.get("id") or self._id(name, offset),
            audio_filepath=audio,
            text=told["text"],
            duration=seconds["duration"],
            offset=offset,
            speaker=told.get("speaker") or None,
            lang=told.get("lang") or None,
            extra=dict(extra),
            source=place,
            track=int(track) if track else None,
        )

    def _id(self, name: str, offset: float) -> str:
        """The recording's name with its folders, which tell apart recordings that are numbered anew in each."""
        path = Path(name)
        if path.is_absolute() and path.is_relative_to(self.path.parent.resolve()):
            path = path.relative_to(self.path.parent.resolve())
        parts = [part for part in path.parts if part not in (path.anchor, "..")]
        stem = "/".join(parts)
        return (stem.removesuffix(path.suffix) if path.suffix.lower() in ENDINGS else stem) + (f"-{offset:.2f}" if offset else "")


def _seconds(cell: str, above_zero: bool) -> float | None:
    """Raises ValueError with what was expected."""
    expected = "a number > 0" if above_zero else "a number >= 0"
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
        raise ValueError(expected)
    return value
