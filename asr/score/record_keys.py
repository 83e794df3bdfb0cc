"""The meaning of a record's keys: utterance id, times, speaker and recording."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from asr.errors import UsageError
from asr.text.formats import ROLES
from asr.text.formats.record import ID, is_recording
from asr.text.unicode_form import unicode_form

MOST_SECONDS = 1e8  # three years, longer than any recording


def names_of(records: list[tuple[int, dict[str, Any]]], known_ids: Collection[str], has_keys: bool) -> list[str | None] | None:
    """Find the id of each record.

    A path becomes the file's stem (with the offset, as in manifests), unless two records would then have the same id or `known_ids`
    have more of the path.

    Args:
        records: (line, record).
        known_ids: Ids of the references. If no usual key of ids exists, the key that holds these in most records is taken.
        has_keys: Whether the format names its keys.

    Returns:
        An id for each record (None for one without), or None if the file has no ids.
    """
    keys = [*ROLES["id"], *ROLES["audio"]] if has_keys else [ID]
    if not any(key in record for _, record in records for key in keys):
        keys = [key for key in records[0][1] if 2 * sum(str(record.get(key)) in known_ids for _, record in records) > len(records)]
    found = [
        next(((k, record[k]) for k in keys if isinstance(record.get(k), str | int) and record[k] != ""), None) for _, record in records
    ]
    if not any(found):
        return None
    choices: list[list[str | None]] = [[], [], [], []]
    for one, (_, record) in zip(found, records, strict=True):
        key, value = one or ("", "")
        offset = _seconds(record.get("offset"))
        is_path = key in ROLES["audio"] or is_recording(str(value))
        place = f"-{offset:.2f}" if offset > 0 and is_path else ""
        for choice, spelling in zip(choices, _spellings(str(value), is_path), strict=True):
            choice.append((spelling + place) or None)
    unique = [choice for choice in choices if len(set(choice)) == len(choice)] or [choices[1]]
    return max(unique, key=lambda choice: sum(name in known_ids for name in choice)) if known_ids else unique[0]


def _spellings(name: str, is_path: bool) -> tuple[str, str, str, str]:
    """Candidates for an id: a path's stem, the path, the path without its suffix, and the name."""
    path = PurePosixPath(name)
    return path.stem if is_path else name, name, str(path.with_suffix("")) if is_recording(name) else name, path.name


def is_broken(text: str) -> bool:
    """Whether a text has a lone surrogate: JSON can encode it, UTF-8 cannot."""
    return not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)


def _seconds(value: Any) -> float:
    """A number or the number in a string; NaN for anything else."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def mend(more: dict[str, Any], folder: Path) -> str | None:
    """Convert the details of a record in place: times to numbers, the path relative to the working directory, one key for the speaker.

    Returns:
        The problem, if a value is invalid.
    """
    for key in ("duration", "offset"):
        if more.get(key) == "":  # an empty cell of a table
            del more[key]
        if key in more:
            seconds = _seconds(more[key])
            if not 0 <= seconds <= MOST_SECONDS:  # NaN as well
                return f'{key} is "{str(more[key])[:40]}", expected seconds (a number)'
            more[key] = seconds
    speaker = next((more[key] for key in ROLES["speaker"] if key in more), None)
    if speaker is not None:
        more["speaker"] = str(speaker)
    audio = next((more[key] for key in ROLES["audio"] if isinstance(more.get(key), str) and more[key]), None)
    if audio:
        more["audio_filepath"] = str(folder / audio)
    broken = next((key for key, value in more.items() if is_broken(key) or (isinstance(value, str) and is_broken(value))), None)
    return f"{broken!r} is not valid Unicode" if broken else None


def add_kaldi(path: Path, details: dict[str, dict[str, Any]]) -> None:
    """Add speakers and durations from the files beside `text` in a Kaldi data folder."""
    for name, key in (("utt2spk", "speaker"), ("utt2dur", "duration")):
        beside = path.parent / name
        if str(path) == "-" or not beside.is_file():
            continue
        for number, line in enumerate(beside.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            cells = line.split()
            if len(cells) != 2:
                raise UsageError(f"{beside}:{number}: expected an id and its {key}")
            more = {key: cells[1]}
            problem = mend(more, path.parent)
            if problem:
                raise UsageError(f"{beside}:{number}: {problem}")
            details.setdefault(unicode_form("NFC", cells[0]), {}).update(more)
