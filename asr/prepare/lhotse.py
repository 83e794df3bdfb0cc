"""Lhotse's cuts in JSON lines (`cuts.jsonl`, `cuts.jsonl.gz`): each supervision of a cut becomes an utterance.

A cut is a part of a recording, and a supervision is a part of a cut with its text. Cuts that a manifest cannot describe become problems:
one channel of several, changed sound (speed, volume, mixing, padding), recordings from a command, an address or memory, and cuts with
features only. Commands are never run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr.errors import UsageError
from asr.prepare.audio_files import AudioFinder
from asr.prepare.listing import Listing, count_lines, numbered_lines
from asr.speech.manifest import OWN_KEYS, Utterance

HARMLESS = {"Resample"}  # transforms that keep the times of the words


class _Unusable(ValueError):
    """The reason why a manifest cannot describe a cut or supervision."""


def read_cuts(path: Path, audio_folder: Path | None = None) -> Listing:
    """Read cuts.

    Args:
        path: the file.
        audio_folder: where to look for recordings with relative paths first; then in the working directory, as Lhotse does, and beside
            the file.

    Returns:
        The supervisions as utterances, with their ids.

    Raises:
        UsageError: the file cannot be read, or does not hold cuts.
    """
    first = next((line for _, line in numbered_lines(path) if line.strip()), None)
    if first is None:
        raise UsageError(f"{path}: is empty, expected one cut a line")
    _check_kind(path, first)
    finder = AudioFinder([*([audio_folder] if audio_folder else []), Path(), path.parent])
    return Listing(count_lines(path), _utterances(path, finder), finder.notes)


def is_cuts(path: Path) -> bool:
    """Return whether `read_cuts` reads a file of JSON lines, or at least can name the problem.

    Raises:
        UsageError: the file cannot be read.
    """
    first = next((line for _, line in numbered_lines(path) if line.strip()), "")
    try:
        keys = _parsed(first).keys()
    except _Unusable:
        return False
    return bool({"audio_filepath", "sources", "recording_id", "supervisions", "tracks", "recording", "type"} & keys)


def _check_kind(path: Path, first: str) -> None:
    try:
        record = _parsed(first)
    except _Unusable as e:
        raise UsageError(f"{path}:1: {e}: expected one cut a line, in JSON") from None
    if "audio_filepath" in record:
        raise UsageError(f"{path}: is a manifest already: asr manifest check {path}")
    if "sources" in record or "recording_id" in record:
        content = "recordings" if "sources" in record else "supervisions"
        raise UsageError(
            f"{path}: holds {content}, not cuts: join both with `lhotse cut simple -r RECORDINGS -s SUPERVISIONS cuts.jsonl.gz`"
        )
    if not {"supervisions", "tracks", "recording", "type"} & record.keys():
        raise UsageError(f"{path}:1: not a cut of Lhotse's: its keys are {', '.join(map(str, list(record)[:10])) or 'none'}")


def _utterances(path: Path, finder: AudioFinder) -> Iterator[Utterance | str]:
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        name = ""
        try:
            cut = _parsed(line)
            name = f" cut {cut.get('id', '')}:"
            audio = _recording(cut, finder)
            supervisions = _list(cut, "supervisions")
            if not supervisions:
                raise _Unusable("has no supervision, so no text")
        except _Unusable as e:
            yield f"{place}:{name} {e}"
            continue
        for supervision in supervisions:
            try:
                yield _utterance(cut, supervision, audio, place, alone=len(supervisions) == 1)
            except _Unusable as e:
                yield f"{place}:{name} {e}"


def _parsed(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise _Unusable(f"not JSON: {getattr(e, 'msg', 'cannot be read')}") from None
    if not isinstance(record, dict):
        raise _Unusable("not a JSON object")
    return record


# ---------------------------------------------------------------- the recording of a cut


def _recording(cut: dict[str, Any], finder: AudioFinder) -> Path:
    if cut.get("type") == "MixedCut" or "tracks" in cut:
        raise _Unusable("is a MixedCut, of several recordings or with padding: export its audio first")
    if cut.get("type") == "PaddingCut":
        raise _Unusable("is padding, not speech")
    recording = cut.get("recording")
    if not isinstance(recording, dict):
        raise _Unusable("has no recording (features alone?)")
    changes = [_name_of(change) for change in _list(recording, "transforms")]
    changed = [change for change in changes if change not in HARMLESS]
    if changed:
        raise _Unusable(f"its recording is changed while it is loaded ({', '.join(changed)}): export its audio first")
    channel = cut.get("channel", 0)
    if isinstance(channel, list):
        if len(channel) != 1:
            raise _Unusable(f"is of {len(channel)} channels: export each to a file of its own")
        channel = channel[0]
    sources = [source for source in _list(recording, "sources") if isinstance(source, dict) and channel in _list(source, "channels")]
    if len(sources) != 1:
        raise _Unusable(f"its recording has {'no source' if not sources else 'several sources'} for channel {channel}")
    source = sources[0]
    if source.get("type") != "file":
        raise _Unusable(f"its recording is not in a file (but of the type {_preview(source.get('type'))}): export its audio first")
    if len(_list(source, "channels")) != 1:
        raise _Unusable(f"is channel {channel} of {len(source['channels'])} in one file: export each to a file of its own")
    name = source.get("source")
    if not isinstance(name, str) or not name:
        raise _Unusable(f"the source of its recording is {_preview(name)}, expected a path")
    audio = finder.find(name)
    if audio is None:
        raise _Unusable(finder.describe_missing(name))
    return audio


def _name_of(change: Any) -> str:
    return str(change.get("name", "?")) if isinstance(change, dict) else "?"


# ---------------------------------------------------------------- an utterance


def _utterance(cut: dict[str, Any], supervision: Any, audio: Path, place: str, alone: bool) -> Utterance:
    if not isinstance(supervision, dict):
        raise _Unusable(f"a supervision is {_preview(supervision)}, expected an object")
    name = supervision.get("id") or (cut.get("id") if alone else None)
    if not isinstance(name, str | int):
        raise _Unusable(f"the id of a supervision is {_preview(name)}, expected a string")
    # A supervision may start before its cut or end after it; the recording and the text cover all of it.
    offset = round(_number(cut, "start", name) + _number(supervision, "start", name), 5)
    duration = _number(supervision, "duration", name)
    if offset < 0 or duration <= 0:
        raise _Unusable(f"supervision {name} begins at {offset:g} s and is {duration:g} s long")
    strings = {key: supervision.get(key) for key in ("text", "speaker", "language", "gender")}
    for key, value in strings.items():
        if not isinstance(value, str | None):
            raise _Unusable(f"{key} of supervision {name} is {_preview(value)}, expected a string")
    custom = supervision.get("custom")
    kept = custom if isinstance(custom, dict) else {}
    extra = {key: value for key, value in kept.items() if isinstance(value, str | int | float) and key not in OWN_KEYS}
    return Utterance(
        id=str(name),
        audio_filepath=audio,
        text=strings["text"],
        duration=duration,
        offset=offset,
        speaker=strings["speaker"],
        lang=strings["language"],
        extra=extra | ({"gender": strings["gender"]} if strings["gender"] else {}),
        source=place,
    )


def _number(record: dict[str, Any], key: str, name: str | int) -> float:
    value = record.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9 or value != value:
        raise _Unusable(f"{key} at supervision {name} is {_preview(value)}, expected seconds")
    return float(value)


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key) or []
    if not isinstance(value, list):
        raise _Unusable(f"{key} is {_preview(value)}, expected a list")
    return value


def _preview(value: Any) -> str:
    """Return the first 40 characters of a value as JSON."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
