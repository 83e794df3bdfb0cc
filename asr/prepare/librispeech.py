"""LibriSpeech (Panayotov et al. 2015): read novels, 960 hours to train on, in the layout of its archives.

`LibriSpeech/SUBSET/SPEAKER/CHAPTER/` holds `SPEAKER-CHAPTER.trans.txt`, of lines `ID TEXT`, and a recording `ID.flac` for
each line. Recordings of any other format are taken as well. Openslr.org/12 has it, under CC BY 4.0.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import AsrError, AudioError, UsageError
from asr.speech.audio import probe
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
    def hours(self) -> float:
        return sum(u.duration or 0.0 for u in self.utterances) / 3600

    @property
    def official(self) -> int:
        """utterances of the whole subset"""
        return UTTERANCES[self.name]


def find_corpus(data: Path) -> Path:
    """The folder that holds the subsets: `data`, or `LibriSpeech` in it. Raises UsageError when neither does."""
    for folder in (data, data / "LibriSpeech"):
        if any((folder / name).is_dir() for name in UTTERANCES):
            return folder
    raise UsageError(
        f"{data}: holds no subset of LibriSpeech ({', '.join(UTTERANCES)}): give the folder around them, or fetch one with --download"
    )


def prepare_librispeech(
    data: Path, output: Path, subsets: Sequence[str] = (), track: Callable[[str, int], None] = lambda subset, count: None
) -> list[Subset]:
    """Write a manifest for each subset (all that are there, unless some are named) into `output`, and return what was found.

    Utterances carry speaker, gender (where SPEAKERS.TXT is there) and subset. What is missing or damaged is listed in
    `Subset.problems` and left out. `track` is told of every subset and every recording looked at.

    Raises UsageError when `data` is no LibriSpeech or a subset that is asked for is not there.
    """
    corpus = find_corpus(data)
    there = [name for name in UTTERANCES if (corpus / name).is_dir()]
    check_names(subsets)
    absent = [name for name in subsets if name not in there]
    if absent:
        raise UsageError(f"{corpus}: {', '.join(absent)} is not there, only {', '.join(there)}: fetch it with --download")
    genders = read_genders(corpus / "SPEAKERS.TXT")
    found = []
    for name in there:
        if not subsets or name in subsets:
            subset = _read_subset(corpus / name, genders, track)
            if subset.utterances:
                write_manifest(output / f"{name}.json", subset.utterances)
            found.append(subset)
    return found


def check_names(subsets: Sequence[str]) -> None:
    """Raises UsageError for a subset that LibriSpeech has not."""
    unknown = [name for name in subsets if name not in UTTERANCES]
    if unknown:
        raise UsageError(f"LibriSpeech has no subset {', '.join(unknown)}: choose from {', '.join(UTTERANCES)}")


def download_librispeech(data: Path, subsets: Sequence[str]) -> Iterator[str]:
    """Fetch and unpack subsets into `data/LibriSpeech` by torchaudio's dataset; yields the name of each before it is fetched.

    Subsets that are there are left alone. All is done in a folder beside, which takes its place when it is whole: after a stop, an
    archive that has been fetched is not fetched again, and a subset is never half there.
    """
    check_names(subsets)
    for name in subsets:
        place = data / "LibriSpeech" / name
        if place.is_dir():
            continue
        yield name
        from torchaudio.datasets import LIBRISPEECH

        beside = data / ".fetching" / name
        shutil.rmtree(beside / "LibriSpeech", ignore_errors=True)  # unpacked in part
        beside.mkdir(parents=True, exist_ok=True)
        try:
            LIBRISPEECH(beside, url=name, download=True)
        except (OSError, RuntimeError, EOFError) as e:  # no network, a checksum that differs, a full disk
            raise AsrError(f"{name}: could not be fetched: {' '.join(str(e).split())}: the same command tries again") from None
        place.parent.mkdir(parents=True, exist_ok=True)
        for file in (beside / "LibriSpeech").glob("*.TXT"):
            os.replace(file, place.parent / file.name)
        os.replace(beside / "LibriSpeech" / name, place)
        shutil.rmtree(beside, ignore_errors=True)


def read_genders(path: Path) -> dict[str, str]:
    """Speakers and their genders, F or M, from SPEAKERS.TXT (`14 | F | train-clean-360 | 25.03 | Kristin LeMoine`); {} without it."""
    if not path.is_file():
        return {}
    rows = (line.split("|") for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if not line.startswith(";"))
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 2}


def _read_subset(folder: Path, genders: dict[str, str], track: Callable[[str, int], None]) -> Subset:
    subset = Subset(folder.name)
    candidates: list[Utterance] = []
    for transcripts in sorted(folder.glob("*/*/*.trans.txt"), key=lambda p: _numbers(p.name)):
        candidates += _read_chapter(transcripts, genders, subset)
    with ThreadPoolExecutor() as pool:
        for utterance, seconds in zip(candidates, pool.map(_seconds, candidates), strict=True):
            if isinstance(seconds, str):
                subset.problems.append(seconds)
            else:
                subset.utterances.append(Utterance(**{**vars(utterance), "duration": seconds}))
            track(subset.name, len(candidates))
    return subset


def _read_chapter(transcripts: Path, genders: dict[str, str], subset: Subset) -> list[Utterance]:
    recordings = {p.stem: p for p in sorted(transcripts.parent.iterdir()) if p.is_file() and not p.name.endswith(".txt")}
    try:
        lines = transcripts.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        subset.problems.append(f"{transcripts}: cannot be read: {e}")
        return []
    utterances = []
    for number, line in enumerate(lines, start=1):
        name, _, text = line.strip().partition(" ")
        recording = recordings.pop(name, None)
        if recording is None:
            subset.problems.append(f"{transcripts}:{number}: {name or 'an empty line'} has no recording beside it")
        elif not text.strip():
            subset.problems.append(f"{transcripts}:{number}: {name} has no text")
        else:
            speaker = name.split("-")[0]
            extra = {"gender": genders[speaker]} if speaker in genders else {}
            utterances.append(Utterance(name, recording, text.strip(), speaker=speaker, extra={**extra, "subset": subset.name}))
    subset.problems += [f"{path}: no line in {transcripts.name}" for path in recordings.values()]
    return utterances


def _numbers(name: str) -> list[int]:
    """`19-198.trans.txt` -> [19, 198], so that speakers are in the order of their numbers."""
    return [int(part) for part in name.split(".")[0].split("-") if part.isdigit()]


def _seconds(utterance: Utterance) -> float | str:
    try:
        return round(probe(utterance.audio_filepath).seconds, 3)
    except AudioError as e:
        return str(e)
