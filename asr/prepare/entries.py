"""Convert an entry of a list, in any format, to an utterance of a recording that exists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.prepare.audio_files import AudioFinder
from asr.speech.audio import ENDINGS
from asr.speech.manifest import Utterance

FOLDERS = (".", "clips", "wavs", "wav", "audio")
"""Usual folders of recordings, relative to the list."""


def finder_beside(path: Path, audio_folder: Path | None = None) -> AudioFinder:
    """Return a finder that looks in `audio_folder`, in `FOLDERS`, then in the working directory."""
    folders = [path.parent / name for name in FOLDERS]
    return AudioFinder([*([audio_folder] if audio_folder else []), *folders, Path()], add_endings=True)


class EntryReader:
    """Convert the entries of one list to utterances."""

    def __init__(self, path: Path, finder: AudioFinder, names: Mapping[str, str] | None = None):
        """Prepare to read a list.

        Args:
            path: the list.
            finder: finds its recordings.
            names: names of columns or keys by role, for messages.
        """
        self.path, self.finder, self.names = path, finder, names or {}

    def utterance(self, values: Mapping[str, str], extra: Mapping[str, Any], place: str) -> Utterance | str:
        """Convert an entry.

        Args:
            values: values of the entry by role: audio, text, and others of `ROLES`.
            extra: further keys of the utterance.
            place: `file:line` of the entry.

        Returns:
            The utterance, or `place: problem`.
        """
        name = values.get("audio", "")
        if not name:
            return f"{place}: names no recording ({self.names.get('audio', 'audio')} is empty)"
        audio = self.finder.find(name)
        if audio is None:
            return f"{place}: {self.finder.describe_missing(name)}"
        seconds: dict[str, float | None] = {}
        for role in ("duration", "offset"):
            try:
                seconds[role] = _parse_seconds(values.get(role, ""), role == "duration")
            except ValueError as e:
                return f"{place}: {self.names.get(role, role)} is {values[role]!r}, expected seconds ({e})"
        offset = seconds["offset"] or 0.0
        track = values.get("track", "")
        if track and not (track.isascii() and track.isdecimal() and int(track) > 0):
            return f"{place}: {self.names.get('track', 'track')} is {track!r}, expected the number of an audio track (1 for the first)"
        return Utterance(
            id=values.get("id") or self._id(name, offset),
            audio_filepath=audio,
            text=values["text"],
            duration=seconds["duration"],
            offset=offset,
            speaker=values.get("speaker") or None,
            lang=values.get("lang") or None,
            extra=dict(extra),
            source=place,
            track=int(track) if track else None,
        )

    def _id(self, name: str, offset: float) -> str:
        """Return the name of the recording with its folders: numbers of recordings often restart in each folder."""
        path = Path(name)
        if path.is_absolute() and path.is_relative_to(self.path.parent.resolve()):
            path = path.relative_to(self.path.parent.resolve())
        parts = [part for part in path.parts if part not in (path.anchor, "..")]
        stem = "/".join(parts)
        return (stem.removesuffix(path.suffix) if path.suffix.lower() in ENDINGS else stem) + (f"-{offset:.2f}" if offset else "")


def _parse_seconds(cell: str, above_zero: bool) -> float | None:
    """Parse seconds; None for an empty cell. Raises ValueError with the expected range."""
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
