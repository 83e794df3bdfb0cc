"""CMU AN4: census data spoken in 1991 at Carnegie Mellon: names spelled, numbers, dates, a few commands.

The corpus is a folder with `etc/an4_train.fileids`, `etc/an4_train.transcription`, the same for `an4_test`, and `wav/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asr.errors import AudioError, UsageError
from asr.speech.audio import probe
from asr.speech.manifest import Utterance, write_manifest
from asr.text.lines import split_trn

ENDINGS = (".sph", ".wav", ".flac", ".opus", ".ogg", ".mp3")
MARKS = re.compile(r"</?s>|<sil>|\+\+\S*\+\+|\[[^\[\]]*\]")  # sentence bounds and noises


@dataclass(frozen=True)
class Prepared:
    """What `prepare_an4` wrote, and what it could not use."""

    utterances: dict[str, int]
    """by manifest"""
    problems: list[str]


def prepare_an4(data: Path, output: Path, dev_speakers: int = 7) -> Prepared:
    """Write train.json and dev.json (of other speakers), train_all.json (both) and test.json into `output`.

    `data` is the corpus or the folder around it. The official test part stays as it is; `dev_speakers` are taken from the official
    training part, women and men in their proportion there. Recordings that are missing or damaged are left out and told.
    Raises UsageError when `data` is not AN4.
    """
    corpus = next((folder for folder in (data, data / "an4") if (folder / "etc" / "an4_train.fileids").is_file()), None)
    if corpus is None:
        raise UsageError(f"{data}: not AN4: there is no etc/an4_train.fileids; give the folder that holds `etc` and `wav`")
    problems: list[str] = []
    train_all = _read_part(corpus, "an4_train", problems)
    test = _read_part(corpus, "an4_test", problems)
    dev = _choose({u.speaker or "" for u in train_all}, dev_speakers)
    parts = {
        "train.json": [u for u in train_all if u.speaker not in dev],
        "dev.json": [u for u in train_all if u.speaker in dev],
        "train_all.json": train_all,
        "test.json": test,
    }
    for name, utterances in parts.items():
        write_manifest(output / name, utterances)
    return Prepared({name: len(utterances) for name, utterances in parts.items()}, problems)


def _read_part(corpus: Path, part: str, problems: list[str]) -> list[Utterance]:
    texts: dict[str, str] = {}
    for number, line in enumerate(_lines(corpus / "etc" / f"{part}.transcription"), start=1):
        found = split_trn(line)  # HELLO WORLD (an406-fcaw-b)
        if found:
            texts[found[1]] = " ".join(MARKS.sub(" ", found[0]).upper().split())
        elif line.strip():
            problems.append(f"etc/{part}.transcription:{number}: expected `TEXT (id)`, found {line.strip()[:40]!r}")
    utterances = []
    for fileid in filter(None, map(str.strip, _lines(corpus / "etc" / f"{part}.fileids"))):
        place = Path(fileid)
        audio = next((f for ending in ENDINGS if (f := corpus / "wav" / f"{fileid}{ending}").is_file()), None)
        if audio is None:
            problems.append(f"wav/{fileid}: no recording ({', '.join(ENDINGS)})")
        elif not texts.get(place.name):
            problems.append(f"wav/{fileid}: no transcript in etc/{part}.transcription")
        else:
            try:
                seconds = round(probe(audio).seconds, 3)
            except AudioError as e:
                problems.append(str(e))
                continue
            utterances.append(Utterance(place.name, audio, texts[place.name], seconds, speaker=place.parent.name))
    return utterances


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file: is this the whole of AN4?") from None


def _choose(speakers: set[str], count: int) -> set[str]:
    """Every n-th speaker in alphabetical order, women (f…) and men (m…) apart, so that the choice is always the same."""
    chosen: set[str] = set()
    for gender in ("f", "m"):
        group = sorted(s for s in speakers if s.startswith(gender))
        share = min(len(group), round(count * len(group) / max(1, len(speakers))))
        chosen.update(group[i * len(group) // share] for i in range(share))
    return chosen
