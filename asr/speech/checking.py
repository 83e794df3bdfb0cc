"""Check of a manifest and of the recordings that it names, for everything that cannot be used."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from asr.errors import AudioError
from asr.speech.audio import probe, stream_audio
from asr.speech.manifest import SLACK_SECONDS, Utterance, parse_manifest, part_seconds, shown
from asr.speech.missing import TOLERATED_SECONDS, Gap, Missing


@dataclass(frozen=True)
class ManifestReport:
    """Result of `check_manifest`.

    Attributes:
        utterances: lines that hold an utterance.
        hours: length of their sound.
        problems: what keeps a line from being used, as `file:line: key: problem`.
        notes: sound that is missing in utterances that `asr train` and `asr evaluate` still use, in the same form.
    """

    utterances: int
    hours: float
    problems: list[str]
    notes: list[str]


class Checked(NamedTuple):
    """An utterance whose recording was checked.

    Attributes:
        utterance: the utterance.
        seconds: its length as far as the recording goes (s).
        problem: why it cannot be used; None if it can.
        note: what is missing although it can be used; None if nothing is.
    """

    utterance: Utterance
    seconds: float
    problem: str | None = None
    note: str | None = None


def check_manifest(path: Path, headers_only: bool = False) -> ManifestReport:
    """Parse every line of a manifest, and decode every recording.

    Args:
        path: the manifest.
        headers_only: read only the headers of recordings, in a hundredth of the time. Damage behind the headers is not found.

    Returns:
        Counts, problems and notes.

    Raises:
        UsageError: the manifest cannot be read.
    """
    utterances: list[Utterance] = []
    problems: list[tuple[int, str]] = []
    notes: list[tuple[int, str]] = []
    for found in parse_manifest(path):
        if isinstance(found, str):
            problems.append((_line(found, path), found))
        else:
            utterances.append(found)
    first: dict[str, str] = {}
    for u in utterances:
        if u.id in first:
            problems.append((_line(u.source, path), f"{u.source}: id {shown(u.id)} is also that of {first[u.id]}"))
        first.setdefault(u.id, u.source)
        if u.text is not None and not u.text.strip():
            problems.append((_line(u.source, path), f"{u.source}: text is empty"))
    seconds = 0.0
    for checked in check_recordings(utterances, headers_only):
        seconds += checked.seconds
        place = checked.utterance.source
        if checked.problem:
            problems.append((_line(place, path), f"{place}: {checked.problem}"))
        elif checked.note:
            notes.append((_line(place, path), f"{place}: {checked.note}"))
    if not utterances and not problems:
        problems.append((1, f"{path}:1: the manifest is empty, expected one JSON object per line"))
    return ManifestReport(len(utterances), seconds / 3600, [text for _, text in sorted(problems)], [text for _, text in sorted(notes)])


def check_recordings(utterances: Sequence[Utterance], headers_only: bool = False) -> Iterator[Checked]:
    """Check the recordings of utterances. Each is decoded once, from its first utterance to its last.

    Args:
        utterances: the utterances.
        headers_only: see `check_manifest`.

    Yields:
        Each utterance with what was found; those of a recording follow each other.
    """
    tracks: dict[tuple[Path, int | None], list[Utterance]] = defaultdict(list)
    for u in utterances:
        tracks[u.audio_filepath, u.track].append(u)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for checked in pool.map(lambda group: _check(group, headers_only), tracks.values()):
            yield from checked
    finally:
        pool.shutdown(cancel_futures=True)


def _check(group: Sequence[Utterance], headers_only: bool) -> list[Checked]:
    """Check the utterances of one track of a recording."""
    path, track = group[0].audio_filepath, group[0].track
    try:
        info = probe(path, track)
        found = [part_seconds(u, info.seconds) for u in group]
        spans = [(u.offset, u.offset + length) for u, (length, problem) in zip(group, found, strict=True) if length > 0]
        gaps, end = ([info.breaks_off] if info.breaks_off else []), info.seconds
        if spans and not headers_only:
            gaps, end = _decode(path, track, info.sample_rate, min(a for a, _ in spans), max(b for _, b in spans))
    except AudioError as e:
        return [Checked(u, 0.0, f"audio_filepath: {e}") for u in group]
    checked = []
    for u, (length, problem) in zip(group, found, strict=True):
        lost, is_too_much = (None, False) if problem else _lost(u, length, gaps, end)
        checked.append(Checked(u, length, problem or (lost if is_too_much else None), None if is_too_much else lost))
    return checked


def _decode(path: Path, track: int | None, rate: int, start: float, stop: float) -> tuple[list[Gap], float]:
    """Return the gaps of a part of a recording, and the end of its sound (s). Raises AudioError."""
    missing: list[Missing] = []
    samples = sum(map(len, stream_audio(path, rate, start, stop - start, on_missing=missing.append, track=track)))
    return [gap for one in missing for gap in one.gaps], start + samples / rate


def _lost(u: Utterance, length: float, gaps: Sequence[Gap], end: float) -> tuple[str | None, bool]:
    """Describe what an utterance lacks.

    Args:
        u: the utterance.
        length: its length (s).
        gaps: the gaps of its recording.
        end: end of the sound of its recording (s).

    Returns:
        What is missing, if anything, and whether it is too much to use the utterance.
    """
    begin, stop = u.offset, u.offset + length
    inside = tuple(gap for gap in gaps if gap.start <= stop and (gap.end or stop) > begin)
    cut = tuple(gap for gap in gaps if gap.reason != "damaged" and gap.start <= stop + SLACK_SECONDS)
    if inside or cut:
        seconds = sum(max(0.0, min(stop, gap.end or stop) - max(begin, gap.start)) for gap in inside)
        is_too_much = bool(cut) or seconds > TOLERATED_SECONDS or any(gap.end is None for gap in inside)
        return f"audio_filepath: {u.audio_filepath}: {Missing(inside or cut)}", is_too_much
    early = stop - end - SLACK_SECONDS
    return (f"audio_filepath: {u.audio_filepath}: the sound ends at {end:.2f} s", early > TOLERATED_SECONDS) if early > 0 else (None, False)


def _line(place: str, path: Path) -> int:
    return int(place.removeprefix(f"{path}:").split(":")[0])
