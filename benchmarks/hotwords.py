#!/usr/bin/env python3
"""What hotwords find, and what they cost elsewhere: recall of rare words, and WER where none is said.

    python benchmarks/hotwords.py --manifest data/mini/dev-clean.json --every 5 \\
        --seen data/mini/real.json data/mini/synthetic.json data/mini/pseudo.json data/mini/lm.txt --weight 0.7 1 1.5 --distractors 900

Rare words are those of the references, of four letters or more, that stand in no text of `--seen` (manifests or text files). All
utterances that hold one are decoded, and every so many (`--every`) of the others, without hotwords and with the rare words as
hotwords; then with `--distractors`, rare words of the texts of `--seen` that nobody says, among them.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from asr.config import EMBEDDED
from asr.console import one_line_errors
from asr.decode.hotwords import WEIGHT, Hotwords, load_hotwords
from asr.decode.recognize import best_texts, recognize
from asr.errors import UsageError
from asr.model.checkpoint import TrainedModel, load_model
from asr.score.wer import word_errors
from asr.speech.audio import load_audio
from asr.speech.batches import by_length
from asr.speech.manifest import Utterance, read_manifest
from asr.train.sentences import read_sentences

LETTERS = 4  # of a rare word, at least
RARE = 3  # times that a distractor stands in the texts, at most


def decode(model: TrainedModel, utterances: list[Utterance], hotwords: Hotwords | None, batch_seconds: float) -> list[str]:
    """The text of each utterance."""
    rate = model.config.model.frontend.sample_rate
    texts = [""] * len(utterances)
    for batch in by_length([u.duration or 1.0 for u in utterances], batch_seconds):
        chosen = [utterances[i] for i in batch]
        audio = [torch.from_numpy(load_audio(u.audio_filepath, rate, u.offset, u.duration, track=u.track)) for u in chosen]
        for i, text in zip(batch, best_texts(recognize(model, audio, hotwords=hotwords)), strict=True):
            texts[i] = text
    return texts


def row(utterances: list[Utterance], texts: list[str], rare: set[str], favoured: set[str]) -> list[str]:
    """Rare words found, hotwords that were not said, and WER where a rare word is said and where none is."""
    found = said = invented = 0
    for u, text in zip(utterances, texts, strict=True):
        reference, written = Counter((u.text or "").split()), Counter(text.split())
        said += sum(reference[word] for word in rare)
        found += sum(min(reference[word], written[word]) for word in rare)
        invented += sum((written - reference)[word] for word in favoured)
    rates = []
    for with_rare in (True, False):
        pairs = [(u.text or "", t) for u, t in zip(utterances, texts, strict=True) if bool(rare & set((u.text or "").split())) == with_rare]
        rates.append(f"{100 * word_errors([r for r, _ in pairs], [t for _, t in pairs]).rate:.2f} %")
    return [f"{found} of {said}", str(invented), *rates]


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--seen", type=Path, nargs="+", required=True, help="texts that the model was trained on")
    parser.add_argument("--model", type=Path, default=EMBEDDED)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weight", type=float, nargs="+", default=[WEIGHT], help="nats for a letter")
    parser.add_argument("--distractors", type=int, default=0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--batch-seconds", type=float, default=120.0)
    arguments = parser.parse_args()
    if arguments.every < 1:
        parser.error("--every must be 1 or more")

    seen = Counter(word for text in read_sentences(arguments.seen, "--seen") for word in text.split())
    everything = read_manifest(arguments.manifest, need_text=True)
    spoken = {word for u in everything for word in (u.text or "").split()}
    rare = {word for word in spoken if word not in seen and len(word) >= LETTERS}
    if not rare:
        raise UsageError(f"{arguments.manifest}: no word of it is rare: all of {LETTERS} letters or more stand in the texts of --seen")
    others = [u for u in everything if not rare & set((u.text or "").split())]
    utterances = [u for u in everything if rare & set((u.text or "").split())] + others[:: arguments.every]
    candidates = sorted(word for word, count in seen.items() if count <= RARE and len(word) >= LETTERS and word not in spoken)
    distractors = random.Random(0).sample(candidates, min(arguments.distractors, len(candidates)))

    model = load_model(arguments.model, arguments.device)
    table = Table("hotwords", "weight", "found", "invented", "WER where one is said", "WER elsewhere")
    table.add_row("none", "", *row(utterances, decode(model, utterances, None, arguments.batch_seconds), rare, rare))
    for weight in arguments.weight:
        for favoured in [rare, rare | set(distractors)][: 2 if distractors else 1]:
            hotwords = load_hotwords(sorted(favoured), model.tokenizer, weight)
            texts = decode(model, utterances, hotwords, arguments.batch_seconds)
            table.add_row(str(len(favoured)), f"{weight:g}", *row(utterances, texts, rare, favoured))
    console = Console(highlight=False)
    console.print(
        f"{len(utterances)} utterances of {arguments.manifest}, {len(utterances) - len(others[:: arguments.every])} with a rare word"
    )
    console.print(table)


if __name__ == "__main__":
    main()
