"""Manifests and the recordings that they name, looked through for all that cannot be used."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from asr.errors import AudioError
from asr.speech.audio import TOLERATED_SECONDS, probe, stream_audio
from asr.speech.manifest import SLACK_SECONDS, Utterance, parse_manifest, part_seconds, shown
from asr.speech.missing import Gap, Missing


@dataclass(frozen=True)
class ManifestReport:
    """What `check_manifest` found."""

    utterances: int
    hours: float
    problems: list[str]


def check_manifest(path: Path, headers_only: bool = False) -> ManifestReport:
    """Parse every line, and decode every recording (or with `headers_only` open its header).

    Args:
        path: the manifest.
        headers_only: leave damage behind the headers unfound, which takes a hundredth of the time.

    Raises:
        UsageError: there is no such manifest.
    """
    utterances: list[Utterance] = []
    problems: list[tuple[int, str]] = []
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
    for u, length, problem in check_recordings(utterances, headers_only):
        seconds += length
        if problem:
            problems.append((_line(u.source, path), f"{u.source}: {problem}"))
    if not utterances and not problems:
        problems.append((1, f"{path}:1: the manifest is empty, expected one JSON object a line"))
    return ManifestReport(len(utterances), seconds / 3600, [text for _, text in sorted(problems)])


def check_recordings(utterances: Sequence[Utterance], headers_only: bool = False) -> Iterator[tuple[Utterance, float, str | None]]:
    """Utterances with the seconds of them that are there, and what is wrong with their recording; those of a file together.

    Each file is decoded once, from its first utterance to its last.
    """
    files: dict[Path, list[Utterance]] = defaultdict(list)
    for u in utterances:
        files[u.audio_filepath].append(u)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for group, found in zip(files.values(), pool.map(lambda group: _checked(group, headers_only), files.values()), strict=True):
            yield from ((u, length, problem) for u, (length, problem) in zip(group, found, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)


def _checked(group: Sequence[Utterance], headers_only: bool) -> list[tuple[float, str | None]]:
    """Seconds that are there, and what is wrong, of each utterance of one file."""
    path = group[0].audio_filepath
    try:
        info = probe(path)
        found = [part_seconds(u, info.seconds) for u in group]
        spans = [(u.offset, u.offset + length) for u, (length, problem) in zip(group, found, strict=True) if length > 0]
        gaps, end = ([info.breaks_off] if info.breaks_off else []), info.seconds
        if spans and not headers_only:
            gaps, end = _decoded(path, info.sample_rate, min(a for a, _ in spans), max(b for _, b in spans))
    except AudioError as e:
        return [(0.0, f"audio_filepath: {e}")] * len(group)
    return [(length, problem or _lost(u, length, gaps, end)) for u, (length, problem) in zip(group, found, strict=True)]


def _decoded(path: Path, rate: int, start: float, stop: float) -> tuple[list[Gap], float]:
    """Gaps of a part of a recording, and where its sound ends (s). Raises AudioError."""
    missing: list[Missing] = []
    samples = sum(map(len, stream_audio(path, rate, start, stop - start, on_missing=missing.append)))
    return [gap for one in missing for gap in one.gaps], start + samples / rate


def _lost(u: Utterance, length: float, gaps: Sequence[Gap], end: float) -> str | None:
    """What an utterance lacks by the gaps of its recording, whose sound ends at `end` (s)."""
    begin, stop = u.offset, u.offset + length
    lost = sum(max(0.0, min(stop, gap.end or stop) - max(begin, gap.start)) for gap in gaps)
    cut = [gap for gap in gaps if gap.reason == "cut short" and gap.start <= stop + SLACK_SECONDS]
    if lost > TOLERATED_SECONDS or cut:
        return f"audio_filepath: {u.audio_filepath}: {Missing(tuple(gap for gap in gaps if gap.start <= stop and (gap.end or stop) > begin) or tuple(cut))}"
    if stop > end + SLACK_SECONDS + TOLERATED_SECONDS:
        return f"audio_filepath: {u.audio_filepath}: the sound ends at {end:.2f} s"
    return None


def _line(place: str, path: Path) -> int:
    return int(place.removeprefix(f"{path}:").split(":")[0])
