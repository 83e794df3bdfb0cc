"""Choice among several audio tracks of a container."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asr.errors import AudioError


def choose_track(path: Path, tracks: Sequence[Any], wanted: int | None) -> tuple[Any, str | None]:
    """Choose the audio track to read.

    The default choice is that of FFmpeg's program and of players: the track flagged as default; of several, the one with most channels;
    of several, the first.

    Args:
        path: the recording, for messages.
        tracks: its audio tracks (PyAV streams), at least one.
        wanted: number of a track, 1 for the first; None for the default choice.

    Returns:
        The track, and a sentence on the choice; None if there was no choice to make.

    Raises:
        AudioError: there is no such track, or its codec is unknown.
    """
    check_track(path, len(tracks), wanted)
    if wanted is None:
        known = [i for i, track in enumerate(tracks) if track.codec_context is not None]
        number = max(known, key=lambda i: (_is_default(tracks[i]), tracks[i].channels, -i), default=0)
    else:
        number = wanted - 1
    if tracks[number].codec_context is None:
        raise AudioError(f"{path}: cannot be decoded: the codec of its audio track is unknown: convert it to WAV")
    if wanted is not None or len(tracks) == 1:
        return tracks[number], None
    names = "; ".join(f"{i}: {_described(track)}" for i, track in enumerate(tracks, start=1))
    return tracks[number], f"audio track {number + 1} of {len(tracks)} is read ({names}); choose another with --track"


def check_track(path: Path, count: int, wanted: int | None) -> None:
    """Raise AudioError if a recording of `count` audio tracks has no track `wanted`."""
    if wanted is not None and not 1 <= wanted <= count:
        has = "1 audio track" if count == 1 else f"{count} audio tracks"
        raise AudioError(f"{path}: has {has}, and no track {wanted}")


def _is_default(track: Any) -> bool:
    from av.stream import Disposition

    return bool(track.disposition & Disposition.default)


def _described(track: Any) -> str:
    """Describe a track by its language, title and flag."""
    words = [track.metadata.get("language", ""), track.metadata.get("title", ""), "default" if _is_default(track) else ""]
    return ", ".join(" ".join(word.split())[:40] for word in words if word and word != "und") or "no name"
