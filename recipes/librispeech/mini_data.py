"""Manifests of the mini recipe: some 25 hours of transcribed speech from open corpora, and machine-labelled and synthetic speech beside it.

    python recipes/librispeech/mini_data.py --data data --output data/mini

`--data` holds `LibriSpeech/` in its official layout (parts of train-clean-100 and dev-clean will do) and whatever there is of

    an4/                                              as CMU packs it
    arctic/ commonvoice/ commonvoice-strays/ commonvoice-v1/ kathleen/ ljspeech/ storybook/ vctk/ vctk-noisy/
    pseudo/ synthetic-kokoro/ noise/                  machine-labelled speech, synthetic speech (synthesize.py), noise
    commonvoice-more/                                 Common Voice to develop on
    text/lm_prose.txt text/train_clean_100.txt        upper-case sentences, one a line
    text/lm_books.txt                                 whole novels (books.py)

each with a manifest of its own name (`arctic/arctic.json`, JSON lines). Missing folders are reported and skipped. It writes

    real.json         transcribed speech to train on
    pseudo.json       speech whose transcripts another recogniser made
    synthetic.json    speech that a machine spoke
    dev-clean.json    the part of LibriSpeech dev-clean that is there; never trained on
    cv-dev.json       Common Voice: accents and home microphones; never trained on
    noise.json        background noise for augmentation
    lm.txt            text for the language model, a sentence a line
    unigram256.model  tokens learnt from it, but for whole novels; one that is there already is left as it is: a model may be trained with it

Titles are spelled out as LibriSpeech does, MISTER, MISSUS and DOCTOR.

Kept apart from training: every utterance with the text of one in dev-clean.json or cv-dev.json, or by a speaker of cv-dev.json; and, since most Common Voice clips
come without their speakers' names, every Common Voice clip whose number is close to one of cv-dev.json. People record several
sentences in a row and their clips get neighbouring numbers: among clips with names, those of one speaker lie within 12 of each
other. (The clips of Common Voice's first version, `cv1dev-…`, have no such numbers: of them only the texts are compared.) Lines that share
a run of eight words with dev-clean are left out of lm.txt; those of the training texts are counted and shown.
"""

from __future__ import annotations

import argparse
import bisect
import dataclasses
import random
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from asr.config import TokenizerConfig
from asr.console import one_line_errors
from asr.errors import UsageError
from asr.files import write_atomically
from asr.prepare.an4 import prepare_an4
from asr.prepare.librispeech import prepare_librispeech
from asr.speech.manifest import Utterance, read_manifest, write_manifest
from asr.text.tokenizer import Tokenizer

REAL = ("arctic", "commonvoice", "commonvoice-strays", "commonvoice-v1", "kathleen", "ljspeech", "storybook", "vctk", "vctk-noisy")
DEV = "commonvoice-more"  # Common Voice clips of which all have their speakers' names
TEXTS = ("lm_prose.txt", "train_clean_100.txt")
BOOKS = ("lm_books.txt",)
CLIP = "common_voice_en_"
NEIGHBOURS = 25  # Common Voice numbers this close to a dev clip's may be the same speaker's
SHARED_WORDS = 8  # a run of so many words in common is hardly chance
SPELLED_OUT = {"MR": "MISTER", "MRS": "MISSUS", "DR": "DOCTOR"}  # as LibriSpeech does: one word is to be written in one way
SHORT = re.compile(rf"\b({'|'.join(SPELLED_OUT)})\b")
TOKEN_LINES = 200_000  # the pieces hardly change with more


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("data/mini"))
    arguments = parser.parse_args()
    make(arguments.data, arguments.output)


def make(data: Path, output: Path) -> None:
    """Write all of the recipe's files. Raises UsageError without LibriSpeech, AsrError for a manifest that cannot be used."""
    if not data.is_dir():
        raise UsageError(f"--data {data}: no such folder")
    prepared = prepare_librispeech(data, output / "librispeech", ["train-clean-100", "dev-clean"], vocab_size=None)
    tell_left_out("LibriSpeech", prepared.problems, output / "librispeech" / "problems.txt")
    librispeech = {part.name: read_manifest(part.manifest, need_text=True) if part.utterances else [] for part in prepared.parts}
    dev, cv_dev = librispeech["dev-clean"], read(data, DEV)
    real = librispeech["train-clean-100"] + read_an4(data, output)
    for corpus in REAL:
        real += read(data, corpus)

    dev_texts = {u.text or "" for u in dev + cv_dev}
    speakers = {u.speaker for u in cv_dev if u.speaker}
    numbers = sorted(n for u in cv_dev if (n := clip_number(u)) is not None)
    trained_on: list[str] = []
    for name, utterances in {"real": real, "pseudo": read(data, "pseudo"), "synthetic": read(data, "synthetic-kokoro")}.items():
        kept = [u for u in utterances if u.text not in dev_texts and u.speaker not in speakers and not is_neighbour(u, numbers)]
        write(output, name, kept, f"; {len(utterances) - len(kept)} left out for the sake of the dev sets")
        trained_on += [u.text or "" for u in kept]
    write(output, "dev-clean", dev)
    write(output, "cv-dev", cv_dev)
    write(output, "noise", read(data, "noise", text=False))

    references = [u.text or "" for u in dev]
    lines = without_runs([*read_texts(data / "text", TEXTS), *(u.text or "" for u in real)], dev_texts, references)
    books = without_runs(read_texts(data / "text", BOOKS), dev_texts, references)
    write_atomically(output / "lm.txt", "\n".join(lines + books) + "\n")
    print(f"lm.txt: {len(lines) + len(books)} lines, {sum(len(line.split()) for line in lines + books)} words")
    shared = set().union(*(runs(text) for text in trained_on)) & set().union(*(runs(text) for text in references))
    examples = "".join(f"\n  {run}" for run in sorted(shared)[:10])
    print(f"runs of {SHARED_WORDS} words that dev-clean shares with the training texts: {len(shared)}{examples}")
    make_tokens(output / "unigram256.model", lines)


# ---------------------------------------------------------------- what is read


def spelled_out(text: str) -> str:
    """A text with its titles in full."""
    return SHORT.sub(lambda found: SPELLED_OUT[found[0]], text)


def read(data: Path, corpus: str, text: bool = True) -> list[Utterance]:
    """A corpus's manifest, each utterance marked with the corpus's name; nothing, and a word about it, where it is not there."""
    path = data / corpus / f"{corpus}.json"
    if not path.is_file():
        print(f"{path}: not there: done without", file=sys.stderr)
        return []
    return [
        dataclasses.replace(u, text=u.text and spelled_out(u.text), extra={**u.extra, "corpus": corpus})
        for u in read_manifest(path, need_text=text)
    ]


def read_an4(data: Path, output: Path) -> list[Utterance]:
    """AN4's official training part, where it is there."""
    if not (data / "an4").is_dir():
        print(f"{data / 'an4'}: not there: done without", file=sys.stderr)
        return []
    problems = prepare_an4(data / "an4", output / "an4").problems
    tell_left_out("AN4", problems, output / "an4" / "problems.txt")
    return read_manifest(output / "an4" / "train_all.json", need_text=True)


def tell_left_out(corpus: str, problems: list[str], listed: Path) -> None:
    if problems:
        print(f"{corpus}: {len(problems)} missing or damaged, and left out: {listed} lists them", file=sys.stderr)


def read_texts(folder: Path, names: Iterable[str]) -> list[str]:
    """Lines of the text files that are there."""
    lines: list[str] = []
    for path in (folder / name for name in names):
        if path.is_file():
            lines += spelled_out(path.read_text(encoding="utf-8")).splitlines()
        else:
            print(f"{path}: not there: done without", file=sys.stderr)
    return lines


# ---------------------------------------------------------------- what is kept apart


def clip_number(u: Utterance) -> int | None:
    """37029621 of common_voice_en_37029621; None for what is no Common Voice clip."""
    number = u.id.removeprefix(CLIP)
    return int(number) if u.id.startswith(CLIP) and number.isascii() and number.isdigit() else None


def is_neighbour(u: Utterance, numbers: list[int]) -> bool:
    """Whether a Common Voice clip may be of a speaker of the dev clips, whose sorted numbers are given."""
    n = clip_number(u)
    if n is None:
        return False
    i = bisect.bisect_left(numbers, n - NEIGHBOURS)
    return i < len(numbers) and numbers[i] <= n + NEIGHBOURS


def runs(text: str, words: int = SHARED_WORDS) -> set[str]:
    """All runs of so many words."""
    w = text.split()
    return {" ".join(w[i : i + words]) for i in range(len(w) - words + 1)}


def without_runs(lines: Iterable[str], texts: set[str], references: Iterable[str]) -> list[str]:
    """The lines that are none of `texts` and share no run of words with `references`; says how many are left out for a run."""
    wanted: set[str] = set().union(*map(runs, references))
    kept, shared = [], 0
    for line in lines:
        if line in texts:
            continue
        if wanted.isdisjoint(runs(line)):
            kept.append(line)
        else:
            shared += 1
    if shared:
        print(f"lines left out for a run of {SHARED_WORDS} words that stands in dev-clean as well: {shared}")
    return kept


# ---------------------------------------------------------------- what is written


def write(output: Path, name: str, utterances: list[Utterance], more: str = "") -> None:
    """Write a manifest and say what is in it; one of nothing is not written, and an old one goes: no recipe could read it."""
    path = output / f"{name}.json"
    if not utterances:
        path.unlink(missing_ok=True)
        print(f"{name}.json: nothing to write: take it out of the recipe{more}")
        return
    write_manifest(path, utterances)
    hours = sum(u.duration or 0.0 for u in utterances) / 3600
    speakers = len({u.speaker for u in utterances if u.speaker})
    print(f"{name}.json: {len(utterances)} utterances, {hours:.2f} h, {speakers} named speakers{more}")


def make_tokens(path: Path, lines: list[str]) -> None:
    """Learn 256 pieces from lines chosen by chance (always the same), unless there is a token model already."""
    if path.exists():
        print(f"{path.name}: there already, left as it is")
        return
    chosen = list(lines)
    random.Random(1).shuffle(chosen)
    tokenizer = Tokenizer.train(chosen[:TOKEN_LINES], TokenizerConfig(kind="unigram", vocab_size=256))
    write_atomically(path, tokenizer.serialized)
    print(f"{path.name}: {len(tokenizer)} pieces")


if __name__ == "__main__":
    main()
