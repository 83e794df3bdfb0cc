"""Manifests of the mini recipe: some 25 hours of transcribed speech from open corpora, and machine-labelled and synthetic speech beside it.

    python recipes/librispeech/mini_data.py --data data --output data/mini

`--data` holds the folders below, each with a manifest of its own (JSON lines), `LibriSpeech/` in its official layout and `an4/`.
It writes

    real.json         transcribed speech to train on
    pseudo.json       speech whose transcripts another recogniser made
    synthetic.json    speech that a machine spoke
    dev-clean.json    the part of LibriSpeech dev-clean that is there; never trained on
    cv-dev.json       Common Voice: accents and home microphones; never trained on
    noise.json        background noise for augmentation
    lm.txt            text for the language model, a sentence a line

Kept apart from training: every utterance with the text of one in cv-dev.json; and, since most Common Voice clips come without
their speakers' names, every Common Voice clip whose number is close to one of cv-dev.json. People record several sentences in a
row and their clips get neighbouring numbers: among clips with names, those of one speaker lie within 12 of each other.
"""

from __future__ import annotations

import argparse
import bisect
import dataclasses
import re
from pathlib import Path

from asr.files import write_atomically
from asr.prepare.an4 import prepare_an4
from asr.prepare.librispeech import prepare_librispeech
from asr.speech.manifest import Utterance, read_manifest, write_manifest

REAL = ("arctic", "commonvoice", "commonvoice-v1", "kathleen", "ljspeech", "storybook", "vctk", "vctk-noisy")
DEV = "commonvoice-more"  # the only Common Voice clips with speakers' names
NEIGHBOURS = 25  # Common Voice numbers this close to a dev clip's may be the same speaker's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("data/mini"))
    arguments = parser.parse_args()
    data, output = arguments.data, arguments.output

    librispeech = {s.name: s for s in prepare_librispeech(data, output / "librispeech", ["train-clean-100", "dev-clean"])}
    prepare_an4(data / "an4", output / "an4")
    real = list(librispeech["train-clean-100"].utterances) + read_manifest(output / "an4" / "train_all.json", need_text=True)
    for corpus in REAL:
        real += read(data, corpus)
    dev = read(data, DEV)
    numbers = sorted(n for u in dev if (n := clip_number(u)) is not None)
    texts = {u.text for u in dev} | {u.text for u in librispeech["dev-clean"].utterances}
    parts = {"real": real, "pseudo": read(data, "pseudo"), "synthetic": read(data, "synthetic-kokoro")}
    for name, utterances in parts.items():
        kept = [u for u in utterances if u.text not in texts and not is_neighbour(u, numbers)]
        write_manifest(output / f"{name}.json", kept)
        tell(f"{name}.json", kept, f"; {len(utterances) - len(kept)} left out for the sake of the dev sets")
    for name, utterances in (
        ("dev-clean", librispeech["dev-clean"].utterances),
        ("cv-dev", dev),
        ("noise", read(data, "noise", text=False)),
    ):
        write_manifest(output / f"{name}.json", utterances)
        tell(f"{name}.json", utterances)

    lines = [line for name in ("lm_prose.txt", "train_clean_100.txt") for line in (data / "text" / name).read_text().splitlines()]
    lines += [u.text or "" for u in real if u.text not in texts]
    write_atomically(output / "lm.txt", "\n".join(line for line in lines if line not in texts) + "\n")
    print(f"lm.txt: {len(lines)} lines, {sum(len(line.split()) for line in lines)} words")
    shared = longest_shared(lines, [u.text or "" for u in librispeech["dev-clean"].utterances], 10)
    print(f"runs of 10 words that dev-clean shares with lm.txt: {len(shared)}" + "".join(f"\n  {run}" for run in sorted(shared)[:10]))


def read(data: Path, corpus: str, text: bool = True) -> list[Utterance]:
    """A corpus's manifest, each utterance marked with the corpus's name."""
    return [
        dataclasses.replace(u, extra={**u.extra, "corpus": corpus}) for u in read_manifest(data / corpus / f"{corpus}.json", need_text=text)
    ]


def clip_number(u: Utterance) -> int | None:
    """37029621 of common_voice_en_37029621; None for what is no Common Voice clip."""
    match = re.fullmatch(r"common_voice_en_(\d+)", u.id)
    return int(match[1]) if match else None


def is_neighbour(u: Utterance, numbers: list[int]) -> bool:
    """Whether a Common Voice clip may be of a speaker of the dev clips, whose sorted numbers are given."""
    n = clip_number(u)
    if n is None:
        return False
    i = bisect.bisect_left(numbers, n - NEIGHBOURS)
    return i < len(numbers) and numbers[i] <= n + NEIGHBOURS


def longest_shared(lines: list[str], others: list[str], words: int) -> set[str]:
    """Runs of so many words that stand in both."""

    def runs(line: str) -> set[str]:
        w = line.split()
        return {" ".join(w[i : i + words]) for i in range(len(w) - words + 1)}

    wanted = set().union(*map(runs, others))
    return {run for line in lines for run in runs(line) if run in wanted}


def tell(name: str, utterances: list[Utterance], more: str = "") -> None:
    hours = sum(u.duration or 0.0 for u in utterances) / 3600
    speakers = len({u.speaker for u in utterances if u.speaker})
    print(f"{name}: {len(utterances)} utterances, {hours:.2f} h, {speakers} named speakers{more}")


if __name__ == "__main__":
    main()
