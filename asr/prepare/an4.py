"""CMU AN4: 948 utterances to train on, 130 to test on (spelled names, numbers, dates).

Writes train.json and dev.json (of different speakers), train_all.json (both) and test.json. The manifests name the recordings of the
corpus; nothing is copied. Entries that are missing or damaged are left out and listed in problems.txt.

  asr prepare an4 --data an4/ --output data/an4
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from asr.errors import AudioError, UsageError
from asr.prepare.prepared import Prepared, Progress, no_progress, write_parts, write_problems
from asr.speech.audio import probe
from asr.speech.manifest import Utterance
from asr.text.lines import split_trn

ENDINGS = (".sph", ".wav", ".flac", ".opus", ".ogg", ".mp3")
MARKS = re.compile(r"</?s>|<sil>|\+\+\S*\+\+|\[[^\[\]]*\]")  # sentence bounds and noises
OUTPUT = Path("data/an4")
DEV_SPEAKERS = 7


def prepare_an4(
    data: Annotated[Path, typer.Option(help="The unpacked corpus: the folder that holds `etc` and `wav`.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Where to write the manifests.")] = OUTPUT,
    dev_speakers: int = DEV_SPEAKERS,
    progress: Progress = no_progress,
) -> Prepared:
    """Write the manifests train, dev (of different speakers), train_all (both) and test.

    The official test part is unchanged. The dev speakers are taken from the official training part, women and men in proportion.

    Args:
        data: the corpus, with `etc/an4_train.fileids`, `etc/an4_train.transcription`, the same for `an4_test`, and `wav/`; or its parent.
        output: the folder for the manifests.
        dev_speakers: number of speakers in dev.
        progress: shows the progress.

    Returns:
        The counts and problems. Recordings that are missing or damaged are left out.

    Raises:
        UsageError: `data` is not AN4.
    """
    corpus = next((folder for folder in (data, data / "an4") if (folder / "etc" / "an4_train.fileids").is_file()), None)
    if corpus is None:
        raise UsageError(f"{data}: not AN4: there is no etc/an4_train.fileids; give the folder that holds `etc` and `wav`")
    problems: list[str] = []
    with progress("reading the corpus", 1):
        train_all = _read_part(corpus, "an4_train", problems)
        test = _read_part(corpus, "an4_test", problems)
    dev = _choose({u.speaker or "" for u in train_all}, dev_speakers)
    parts = write_parts(
        output,
        {
            "train": [u for u in train_all if u.speaker not in dev],
            "dev": [u for u in train_all if u.speaker in dev],
            "train_all": train_all,
            "test": test,
        },
    )
    overrides = "" if output == OUTPUT else f" data.train=[{output}/train.json] data.dev=[{output}/dev.json]"
    return Prepared(
        parts,
        problems=problems,
        left_out=len(problems),
        problems_file=write_problems(output, problems),
        lines=[f"{part.manifest}: {part.utterances} utterances" for part in parts],
        next_command=f"asr train recipes/an4/las.yaml{overrides}",
    )


def _read_part(corpus: Path, part: str, problems: list[str]) -> list[Utterance]:
    """Read the utterances of an official part; append what is missing or damaged to `problems`."""
    texts: dict[str, str] = {}
    for number, line in enumerate(_read_lines(corpus / "etc" / f"{part}.transcription"), start=1):
        parsed = split_trn(line)  # HELLO WORLD (an406-fcaw-b)
        if parsed:
            texts[parsed[1]] = " ".join(MARKS.sub(" ", parsed[0]).upper().split())
        elif line.strip():
            problems.append(f"etc/{part}.transcription:{number}: expected `TEXT (id)`, found {line.strip()[:40]!r}")
    utterances = []
    for fileid in filter(None, map(str.strip, _read_lines(corpus / "etc" / f"{part}.fileids"))):
        path = Path(fileid)
        audio = next((f for ending in ENDINGS if (f := corpus / "wav" / f"{fileid}{ending}").is_file()), None)
        if audio is None:
            problems.append(f"wav/{fileid}: no recording ({', '.join(ENDINGS)})")
        elif not texts.get(path.name):
            problems.append(f"wav/{fileid}: no transcript in etc/{part}.transcription")
        else:
            try:
                seconds = round(probe(audio).seconds, 3)
            except AudioError as e:
                problems.append(str(e))
                continue
            utterances.append(Utterance(path.name, audio, texts[path.name], seconds, speaker=path.parent.name))
    return utterances


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file: is the corpus complete?") from None


def _choose(speakers: set[str], count: int) -> set[str]:
    """Choose every n-th speaker in alphabetical order, women (f…) and men (m…) separately, so that the choice is reproducible."""
    chosen: set[str] = set()
    for gender in ("f", "m"):
        group = sorted(s for s in speakers if s.startswith(gender))
        number = min(len(group), round(count * len(group) / max(1, len(speakers))))
        chosen.update(group[i * len(group) // number] for i in range(number))
    return chosen
