"""LibriSpeech (Panayotov et al. 2015): read novels, 960 hours to train on, in the layout of its archives.

`LibriSpeech/SUBSET/SPEAKER/CHAPTER/` holds `SPEAKER-CHAPTER.trans.txt`, of lines `ID TEXT`, and a recording `ID.flac` for
each line; `LibriSpeech/SPEAKERS.TXT` has the gender of each speaker (F or M). A part of it will do, and so will recordings
of other formats. It is free to use (CC BY 4.0).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr.errors import AudioError, UsageError
from asr.files import write_atomically
from asr.prepare.progress import Progress, no_progress
from asr.speech.audio import ENDINGS, probe
from asr.speech.manifest import Utterance, write_manifest

UTTERANCES = {
    "train-clean-100": 28_539,
    "train-clean-360": 104_014,
    "train-other-500": 148_688,
    "dev-clean": 2_703,
    "dev-other": 2_864,
    "test-clean": 2_620,
    "test-other": 2_939,
}
"""the official subsets, and how many utterances each has when it is whole"""


@dataclass
class Subset:
    """One subset, as found."""

    name: str
    utterances: list[Utterance] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """recordings and lines that cannot be used, each with its reason"""

    @property
    def is_for_training(self) -> bool:
        return self.name.startswith("train-")

    @property
    def official(self) -> int:
        """utterances of the whole subset"""
        return UTTERANCES[self.name]

    @property
    def hours(self) -> float:
        return sum(u.duration or 0.0 for u in self.utterances) / 3600

    @property
    def words(self) -> int:
        return sum(len((u.text or "").split()) for u in self.utterances)

    @property
    def genders(self) -> dict[str, int]:
        """speakers by gender: F, M, unknown"""
        speakers = {u.speaker: u.extra.get("gender", "unknown") for u in self.utterances}
        return dict(sorted(Counter(speakers.values()).items()))

    def statistics(self) -> dict[str, Any]:
        """Entry of the subset in `statistics.json`."""
        return {
            "utterances": len(self.utterances),
            "official_utterances": self.official,
            "hours": round(self.hours, 3),
            "speakers": sum(self.genders.values()),
            "speakers_by_gender": self.genders,
            "words": self.words,
            "problems": len(self.problems),
        }


def prepare_librispeech(data: Path, output: Path, subsets: Sequence[str] = (), progress: Progress = no_progress) -> list[Subset]:
    """Write SUBSET.json for each subset (all that are there, unless some are named) into `output`, and return what was found.

    Utterances carry speaker, gender (if SPEAKERS.TXT has it) and subset. Recordings that are missing or damaged (by their
    headers: they are not decoded), and lines without text, are left out and listed in `Subset.problems`. `statistics.json` and, if
    there are problems, `problems.txt` summarise all subsets; a subset of which nothing can be used gets no manifest.

    Raises UsageError when `data` holds no LibriSpeech or a subset that is named is unknown or not there.
    """
    check_names(subsets)
    corpus = corpus_folder(data)
    there = [name for name in UTTERANCES if (corpus / name).is_dir()]
    if not there:
        raise UsageError(
            f"{data}: holds no LibriSpeech: give the folder around its subsets ({', '.join(UTTERANCES)}), or have some fetched: "
            f"asr prepare librispeech --data {data} --download --subsets train-clean-100,dev-clean"
        )
    absent = [name for name in subsets if name not in there]
    if absent:
        fetch = f"asr prepare librispeech --data {data} --download --subsets {','.join(absent)}"
        raise UsageError(f"{corpus}: {', '.join(absent)} not there, only {', '.join(there)}: have it fetched: {fetch}")
    genders = read_genders(corpus / "SPEAKERS.TXT")
    found = [_read_subset(corpus / name, genders, progress) for name in there if not subsets or name in subsets]
    for subset in found:
        if subset.utterances:
            write_manifest(output / f"{subset.name}.json", subset.utterances)
    write_atomically(output / "statistics.json", json.dumps({s.name: s.statistics() for s in found}, indent=2) + "\n")
    problems = [problem for subset in found for problem in subset.problems]
    if problems:
        write_atomically(output / "problems.txt", "\n".join(problems) + "\n")
    else:
        (output / "problems.txt").unlink(missing_ok=True)  # of an earlier run
    return found


def check_names(subsets: Sequence[str]) -> None:
    """Raises UsageError for a subset that LibriSpeech has not."""
    unknown = [name for name in subsets if name not in UTTERANCES]
    if unknown:
        raise UsageError(f"--subsets: LibriSpeech has no {', '.join(map(repr, unknown))}: choose from {', '.join(UTTERANCES)}")


def corpus_folder(data: Path) -> Path:
    """Where the subsets are, or are to come: `data` if it holds one or is named LibriSpeech, else `data/LibriSpeech`."""
    holds_one = any((data / name).is_dir() for name in UTTERANCES)
    return data if holds_one or data.resolve().name == "LibriSpeech" else data / "LibriSpeech"


def read_genders(path: Path) -> dict[str, str]:
    """Speakers and their genders, F or M, from SPEAKERS.TXT (`14 | F | train-clean-360 | 25.03 | Kristin LeMoine`); {} without it."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = ([cell.strip() for cell in line.split("|")] for line in lines if not line.startswith(";"))
    return {row[0]: row[1] for row in rows if len(row) > 2 and row[1] in ("F", "M")}


# ---------------------------------------------------------------- a subset, chapter by chapter


def _read_subset(folder: Path, genders: dict[str, str], progress: Progress) -> Subset:
    subset = Subset(folder.name)
    chapters = sorted((c for c in folder.glob("*/*") if c.is_dir()), key=_place)
    with ThreadPoolExecutor() as pool, progress(f"reading the chapters of {folder.name}", len(chapters)) as advance:
        try:
            for utterances, problems in pool.map(lambda chapter: _read_chapter(chapter, genders), chapters):
                subset.utterances += utterances
                subset.problems += problems
                advance(1)
        except BaseException:  # Ctrl-C does not wait for the chapters that are left
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if not subset.utterances:
        subset.problems.append(f"{folder}: nothing to use: expected SPEAKER/CHAPTER/ID.flac and SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt")
    return subset


def _place(chapter: Path) -> list[tuple[int, str]]:
    """Speakers, and their chapters, in the order of their numbers: 19/198 before 103/1240."""
    return [(int(name) if name.isdecimal() else 0, name) for name in (chapter.parent.name, chapter.name)]


def _read_chapter(folder: Path, genders: dict[str, str]) -> tuple[list[Utterance], list[str]]:
    """Utterances of a chapter, and what of it cannot be used."""
    recordings = _recordings(folder)
    transcripts = sorted(p for p in folder.glob("*.trans.txt") if not p.name.startswith("."))
    if not transcripts:
        return [], [f"{folder}: no transcripts ({folder.parent.name}-{folder.name}.trans.txt) for {len(recordings)} recordings"]
    extra = {"gender": genders[folder.parent.name]} if folder.parent.name in genders else {}
    extra["subset"] = folder.parent.parent.name
    utterances: list[Utterance] = []
    problems: list[str] = []
    told: set[str] = set()
    for path in transcripts:
        try:
            lines = path.read_bytes().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as e:
            number = 1 + e.object.count(b"\n", 0, e.start)
            return [], [f"{path}:{number}: not UTF-8 text: the {len(recordings)} recordings beside it are left out"]
        for number, line in enumerate(lines, start=1):
            name, _, text = line.strip().partition(" ")
            if not name:
                continue
            problem = _problem(name, text, recordings, told)
            told.add(name)
            if problem:
                problems.append(f"{path}:{number}: {problem}")
                continue
            try:
                seconds = round(probe(recordings[name]).seconds, 3)
            except AudioError as e:
                problems.append(str(e))
                continue
            utterances.append(Utterance(name, recordings[name], text.strip(), seconds, speaker=folder.parent.name, extra=extra))
    problems += [f"{path}: no line in {transcripts[0].name}" for name, path in recordings.items() if name not in told]
    return utterances, problems


def _recordings(folder: Path) -> dict[str, Path]:
    """Recordings by id; of one that is there in several formats the FLAC, which is the original."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith(".")]
    return {p.stem: p for p in sorted(files, key=lambda p: (p.suffix.lower() == ".flac", p.name))}


def _problem(name: str, text: str, recordings: dict[str, Path], told: set[str]) -> str | None:
    if name in told:
        return f"{name} stands here a second time"
    if name not in recordings:
        return f"{name} has no recording beside it"
    return None if text.strip() else f"{name} has no text"
