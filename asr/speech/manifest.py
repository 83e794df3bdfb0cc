"""Manifests: files that list utterances, one JSON object per line (the format that NeMo uses), or one JSON array of them.

Bad lines are reported as `file:line: key: problem`, all of a file at once.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr.errors import AudioError, ManifestError, UsageError
from asr.files import atomic_file
from asr.json_text import NotJsonError, array_elements, decode_json
from asr.speech.audio import probe
from asr.text.unicode_form import unicode_form

OWN_KEYS = ("audio_filepath", "text", "duration", "offset", "track", "id", "speaker", "lang")
MOST_SECONDS = 1e8  # longest duration and offset accepted: three years
SLACK_SECONDS = 0.1  # by which a duration may exceed its file, as codecs round


@dataclass(frozen=True)
class Utterance:
    """One line of a manifest.

    Attributes:
        id: unique name; by default the file's name without its ending, and the offset if there is one.
        audio_filepath: the recording.
        text: reference transcript; None if the manifest gives none.
        duration: length (s); None if the manifest gives none.
        offset: start within the recording (s).
        speaker: name of the speaker; None if the manifest gives none.
        lang: language; None if the manifest gives none.
        extra: all other keys, unchanged.
        source: the line it was read from, as `file:line`.
        track: number of the audio track, 1 for the first; None for the default choice (tracks.py).
    """

    id: str
    audio_filepath: Path
    text: str | None = None
    duration: float | None = None
    offset: float = 0.0
    speaker: str | None = None
    lang: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, hash=False)
    source: str = ""
    track: int | None = None


class _Problem(ValueError):
    """A line that cannot be used; the message is `key: problem`."""


def iter_manifest(path: Path) -> Iterator[Utterance]:
    """Read utterances one by one. JSON lines are read on demand, an array at once.

    Args:
        path: the manifest.

    Yields:
        The utterances, in order.

    Raises:
        UsageError: the file cannot be read.
        ManifestError: a line cannot be used.
    """
    for found in parse_manifest(path):
        if isinstance(found, str):
            raise ManifestError([found])
        yield found


def read_manifest(path: Path, need_text: bool = False) -> list[Utterance]:
    """Read all utterances.

    Args:
        path: the manifest.
        need_text: require every utterance to have a `text`.

    Returns:
        The utterances, in order; at least one.

    Raises:
        UsageError: the file cannot be read.
        ManifestError: lines cannot be used, or there are none; lists all of them. One problem if no line is JSON.
    """
    utterances: list[Utterance] = []
    problems: list[str] = []
    for found in parse_manifest(path):
        if isinstance(found, str):
            problems.append(found)
        elif need_text and found.text is None:
            problems.append(f"{found.source}: text is missing, and is needed here")
        else:
            utterances.append(found)
    if not utterances and len(problems) > 1 and problems[0].startswith(f"{path}:1: not "):  # another kind of file
        problems = [f"{problems[0]}, nor is any other line: is this a manifest? `asr manifest from` converts other layouts"]
    if not utterances and not problems:
        problems.append(f"{path}:1: the manifest is empty, expected one JSON object per line")
    if problems:
        raise ManifestError(problems)
    return utterances


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest as JSON lines, atomically.

    Args:
        path: the manifest. Recordings in its folder are written by their relative path, others by their absolute path.
        utterances: read one by one.
    """
    folder = path.parent.resolve()
    with atomic_file(path) as f:
        for u in utterances:
            f.write(_line_of(u, folder).encode("utf-8"))


def _line_of(u: Utterance, folder: Path) -> str:
    audio = u.audio_filepath.resolve()
    record: dict[str, Any] = {"id": u.id, "audio_filepath": str(audio.relative_to(folder) if audio.is_relative_to(folder) else audio)}
    if u.offset:
        record["offset"] = u.offset
    optional = {"duration": u.duration, "track": u.track, "text": u.text, "speaker": u.speaker, "lang": u.lang}
    record |= {key: value for key, value in optional.items() if value is not None}
    return json.dumps(record | u.extra, ensure_ascii=False) + "\n"


# ---------------------------------------------------------------- reading


def parse_manifest(path: Path) -> Iterator[Utterance | str]:
    """Read utterances one by one, going on after lines that cannot be used.

    Args:
        path: the manifest.

    Yields:
        An utterance, or a string `file:line: key: problem`, for each line.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        with open(path, "rb") as f:
            start = f.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            f.seek(0)
            records = _array(path) if start.startswith(b"[") else _lines(f)
            for number, record in records:
                place = f"{path}:{number}"
                try:
                    yield _utterance(decode_json(record) if isinstance(record, bytes) else record, path, place)
                except (_Problem, NotJsonError) as e:
                    yield f"{place}: {e}"
                except UnicodeDecodeError:
                    yield f"{place}: not UTF-8 text"
    except NotJsonError as e:  # an array with a fault of syntax
        yield f"{path}:{e.line}: {e}"
    except FileNotFoundError:
        raise UsageError(f"{path}: no such manifest") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, expected a manifest file") from None
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}") from None


def _lines(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
        if line:
            yield number, line


def _array(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, element) for each element of a JSON array."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        yield 1 + data.count(b"\n", 0, e.start), b"\xff"
        return
    yield from array_elements(text)


def _utterance(record: Any, path: Path, place: str) -> Utterance:
    if not isinstance(record, dict):
        raise _Problem(f"is {shown(record)}, expected a JSON object")
    audio = record.get("audio_filepath")
    if not isinstance(audio, str) or not audio or "\0" in audio:
        raise _Problem("audio_filepath is missing" if audio is None else f"audio_filepath is {shown(audio)}, expected a path")
    duration = _seconds(record, "duration", "a number > 0")
    if duration is not None and duration <= 0:
        raise _Problem(f"duration is {shown(duration)}, expected seconds (a number > 0)")
    offset = _seconds(record, "offset", "a number >= 0") or 0.0
    if offset < 0:
        raise _Problem(f"offset is {shown(offset)}, expected seconds (a number >= 0)")
    track = record.get("track")
    if track is not None and (isinstance(track, bool) or not isinstance(track, int) or track < 1):
        raise _Problem(f"track is {shown(track)}, expected the number of an audio track (1 for the first)")
    strings: dict[str, str | None] = {}
    for key in ("text", "id", "speaker", "lang"):
        value = record.get(key)
        if key != "text" and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # speakers and ids are often numbers
        if not isinstance(value, str | None):
            raise _Problem(f"{key} is {shown(value)}, expected a string")
        if value is not None and any("\ud800" <= c <= "\udfff" for c in value):  # half a surrogate pair cannot be encoded
            raise _Problem(f"{key} is {json.dumps(value)[:40]}, which is not valid Unicode")
        strings[key] = value
    file = Path(audio)
    return Utterance(
        id=strings["id"] or file.stem + (f"-{offset:.2f}" if offset else ""),
        audio_filepath=file if file.is_absolute() else path.parent / file,
        text=None if strings["text"] is None else unicode_form("NFC", strings["text"]),  # the form that tokenizers write
        duration=duration,
        offset=offset,
        speaker=strings["speaker"],
        lang=strings["lang"],
        extra={key: value for key, value in record.items() if key not in OWN_KEYS},
        source=place,
        track=track,
    )


def _seconds(record: dict[str, Any], key: str, expected: str) -> float | None:
    value = record.get(key)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, OverflowError):  # not a number, or an integer of more than 308 digits
        number = math.nan
    if not math.isfinite(number):
        raise _Problem(f"{key} is {shown(value)}, expected seconds ({expected})")
    if number > MOST_SECONDS:
        raise _Problem(f"{key} is {shown(value)}, expected at most {MOST_SECONDS:g} seconds")
    return number


def shown(value: Any) -> str:
    """Format a value for an error message, in at most 40 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"


# ---------------------------------------------------------------- counting


def part_seconds(u: Utterance, whole: float) -> tuple[float, str | None]:
    """Compute how much of an utterance its recording holds.

    Args:
        u: the utterance.
        whole: length of the recording (s).

    Returns:
        The seconds present, and the problem if they are less than stated; else None.
    """
    if u.offset >= whole:
        return 0.0, f"offset is {u.offset:g}, and the recording is {whole:.2f} s long"
    if u.duration is not None and u.offset + u.duration > whole + SLACK_SECONDS:
        return whole - u.offset, f"duration is {u.duration:g}, and only {whole - u.offset:.2f} s of the recording are left there"
    return whole - u.offset if u.duration is None else u.duration, None


def _length(u: Utterance) -> float:
    """Return the duration of an utterance, read from the recording if the manifest gives none. Raises AudioError."""
    if u.duration is not None:
        return u.duration
    length, problem = part_seconds(u, probe(u.audio_filepath, u.track).seconds)
    if problem:
        raise AudioError(f"{u.audio_filepath}: {problem}")
    return length


@dataclass(frozen=True)
class ManifestStats:
    """Result of `manifest_stats`. Lengths are in seconds; `histogram` holds (from, to, number of utterances)."""

    utterances: int
    hours: float
    speakers: int
    words: int
    distinct_words: int
    characters: int
    min_seconds: float
    median_seconds: float
    mean_seconds: float
    max_seconds: float
    histogram: list[tuple[float, float, int]]


def manifest_stats(path: Path) -> ManifestStats:
    """Count utterances, words and lengths.

    Args:
        path: the manifest. Lengths that it does not give are read from the recordings.

    Returns:
        The counts.

    Raises:
        UsageError: the file cannot be read.
        ManifestError: lines cannot be used.
        AudioError: a length is not given and its recording cannot be read.
    """
    utterances = read_manifest(path)
    seconds = [_length(u) for u in utterances]
    words = [word for u in utterances for word in (u.text or "").split()]
    width = next(w for w in (0.5, 1.0, 2.0, 5.0, 10.0, 60.0, math.inf) if max(seconds) / w <= 12)
    width = max(seconds) if math.isinf(width) else width
    bins = [0] * max(1, math.ceil(max(seconds) / width))
    for s in seconds:
        bins[min(int(s / width), len(bins) - 1)] += 1
    return ManifestStats(
        utterances=len(utterances),
        hours=sum(seconds) / 3600,
        speakers=len({u.speaker for u in utterances if u.speaker is not None}),
        words=len(words),
        distinct_words=len(set(words)),
        characters=sum(len(u.text or "") for u in utterances),
        min_seconds=min(seconds),
        median_seconds=statistics.median(seconds),
        mean_seconds=statistics.fmean(seconds),
        max_seconds=max(seconds),
        histogram=[(i * width, (i + 1) * width, count) for i, count in enumerate(bins)],
    )
