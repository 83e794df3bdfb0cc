#!/usr/bin/env python3
"""New sentences out of recorded ones: runs of words are cut out of a speaker's utterances and joined to others of the same speaker.

    python recipes/librispeech/recombine.py data/mini/real.json --output data/recombined --share 0.6

Little text is soon known by heart: the speller guesses what it has read and listens less. Sentences that nobody wrote, in real voices, are
there to be listened to (aligned augmentation: Lam et al. 2021, "On-the-fly aligned data augmentation for sequence-to-sequence ASR").

Words are placed by a model's CTC head (the embedded one's, or that of `--model`), and cut where it is quietest between the last piece
of a word and the first of the next. Utterances that the model does not find their text in are left out, as are those without a speaker. Every
utterance is made as loud as its speaker's middle one. `--share` is how much is made, by what there is of each speaker. Written are FLAC files and their
manifest, `OUTPUT/OUTPUT.json`; a seed decides everything. After a stop the same command goes on after the speakers that are done; with another
share, seed or model, choose another `--output`, because existing output is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from asr.config import EMBEDDED
from asr.console import one_line_errors
from asr.decode.align import place_tokens, words_of
from asr.decode.recognize import listen
from asr.errors import AudioError, UsageError
from asr.model.checkpoint import TrainedModel, load_model
from asr.speech.audio import load_audio
from asr.speech.batches import by_length
from asr.speech.manifest import Utterance, read_manifest, write_manifest

Floats = NDArray[np.float32]

BATCH_SECONDS = 120.0  # that are heard at once
LEAST_SCORE = -1.0  # nats a word, of an utterance: below, the text is hardly what was said
LEAST_WORDS = 80  # of a speaker
LATER = 0.75  # states that a piece's sound lies behind where CTC finds it; with 0, -0.75 and 1.25 more is misheard of what is made
WORDS_A_RUN = 3.5  # on average
SECONDS = (3.0, 17.0)  # of a sentence; drawn evenly
QUIET_SECONDS = 0.02  # over which loudness is measured
FADE_SECONDS = 0.005  # from one run to the next


@dataclass(frozen=True)
class Recording:
    """An utterance that can be cut: `cuts[i]` to `cuts[i + 1]` are the samples of word i."""

    samples: Floats
    words: tuple[str, ...]
    cuts: tuple[int, ...]


def read(utterances: Sequence[Utterance], rate: int) -> Iterator[tuple[Floats, str]]:
    """Samples and texts of utterances; those that cannot be read are reported."""
    for utterance in utterances:
        try:
            yield (
                load_audio(utterance.audio_filepath, rate, utterance.offset, utterance.duration, track=utterance.track),
                utterance.text or "",
            )
        except AudioError as e:
            print(f"left out: {e}", file=sys.stderr)


def recordings(model: TrainedModel, heard: Sequence[tuple[Floats, str]]) -> Iterator[Recording]:
    """The utterances, of which samples and texts are given, in which the model finds their words."""
    rate = model.config.model.frontend.sample_rate
    for batch in by_length([len(samples) / rate for samples, _ in heard], BATCH_SECONDS):
        yield from placed(model, [heard[i] for i in batch])


@torch.inference_mode()
def placed(model: TrainedModel, heard: Sequence[tuple[Floats, str]]) -> Iterator[Recording]:
    """Samples and texts of a batch -> where the words can be cut."""
    rate = model.config.model.frontend.sample_rate
    states, lengths = listen(model, [torch.from_numpy(samples) for samples, _ in heard])
    tokens = [model.tokenizer.encode(text) for _, text in heard]
    found = place_tokens(model.network, states, lengths, model.network.ctc_log_probs(states), tokens)
    for (samples, text), tokens_placed, length in zip(heard, found, lengths.tolist(), strict=True):
        words = words_of(tokens_placed, model.tokenizer)
        if [w.text for w in words] != text.split() or not words:
            continue
        if np.mean([np.log(max(w.probability, 1e-9)) for w in words]) < LEAST_SCORE:
            continue
        state = len(samples) / length  # samples
        # From the end of a word to the start of the next, so that every word keeps the states in which it was found.
        gaps = [(round((a.end + LATER) * state), round((b.start + LATER) * state)) for a, b in itertools.pairwise(words)]
        inner = [quietest(samples, start, end, rate) for start, end in gaps]
        yield Recording(samples, tuple(w.text for w in words), (0, *inner, len(samples)))


def quietest(samples: Floats, start: int, end: int, rate: int) -> int:
    """The sample between two others around which it is quietest; the first of equals."""
    width = max(1, int(QUIET_SECONDS * rate))
    low, high = max(0, start - width // 2), min(len(samples), end + width // 2)
    if high - low <= width:
        return min(max(start, 0), len(samples))
    power = np.cumsum(np.concatenate([[0.0], samples[low:high].astype(np.float64) ** 2]))
    return low + width // 2 + int(np.argmin(power[width:] - power[:-width]))


def recombined(found: Sequence[Recording], seconds: float, rate: int, chance: np.random.Generator) -> Iterator[tuple[Floats, str]]:
    """New sentences, `seconds` in all or a little more: samples and text."""
    loudness = [float(np.sqrt(np.mean(r.samples**2))) + 1e-9 for r in found]
    middle = float(np.median(loudness))
    weights = np.array([len(r.words) for r in found]) / sum(len(r.words) for r in found)
    made = 0.0
    while made < seconds:
        aim, runs, words = chance.uniform(*SECONDS) * rate, list[Floats](), list[str]()
        while sum(map(len, runs)) < aim:
            i = int(chance.choice(len(found), p=weights))
            start = int(chance.integers(len(found[i].words)))
            end = min(start + int(chance.geometric(1 / WORDS_A_RUN)), len(found[i].words))
            samples = found[i].samples[found[i].cuts[start] : found[i].cuts[end]]
            if sum(map(len, runs)) + len(samples) > SECONDS[1] * rate:
                break
            runs.append(samples * np.float32(middle / loudness[i]))
            words += found[i].words[start:end]
        if words:
            samples = joined(runs, int(FADE_SECONDS * rate))
            made += len(samples) / rate
            yield samples, " ".join(words)


def joined(runs: Sequence[Floats], fade: int) -> Floats:
    """Runs of samples one after the other, each fading in and out, so that joints do not click."""
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    faded = []
    for run in runs:
        run = run.copy()
        n = min(fade, len(run) // 2)
        run[:n] *= ramp[:n]
        run[len(run) - n :] *= ramp[:n][::-1]
        faded.append(run)
    return np.concatenate(faded)


def write_speaker(model: TrainedModel, speaker: str, utterances: Sequence[Utterance], folder: Path, share: float, seed: int) -> None:
    """Write one speaker's new sentences and their manifest, which is there only when all of it is; an empty one for who has said too little."""
    rate = model.config.model.frontend.sample_rate
    name = hashlib.sha256(speaker.encode()).hexdigest()[:10]
    manifest = folder / "speakers" / f"{name}.json"
    if manifest.is_file():
        return
    heard = list(read(utterances, rate))
    found = list(recordings(model, heard))
    lines = []
    if sum(len(r.words) for r in found) >= LEAST_WORDS:
        chance = np.random.default_rng([seed, int(name, 16)])
        seconds = share * sum(len(r.samples) for r in found) / rate
        for i, (samples, text) in enumerate(recombined(found, seconds, rate, chance)):
            path = folder / "flac" / name / f"{name}-{i:04d}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = io.BytesIO()  # soundfile would not say that the disk is full
            soundfile.write(content, np.clip(samples, -1, 1), rate, format="FLAC", subtype="PCM_16")
            path.write_bytes(content.getvalue())
            lines.append(Utterance(path.stem, path, text, len(samples) / rate, speaker=speaker))
    elif len(heard) < len(utterances):
        return  # what cannot be read now may be there when the command is run again
    write_manifest(manifest, lines)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="a model folder with a CTC head (default: the embedded one)")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.6, help="of the speech that there is (default: 0.6)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not 0 < arguments.share < math.inf:
        raise UsageError(f"--share {arguments.share:g}: expected a number above 0")
    model = load_model(arguments.model)
    if model.network.ctc is None:
        raise UsageError(f"{arguments.model}: has no CTC head, which is to say where words are")
    speakers = defaultdict(list)
    for utterance in read_manifest(arguments.manifest, need_text=True):
        if utterance.speaker:
            speakers[utterance.speaker].append(utterance)
    if not speakers:
        raise UsageError(f"{arguments.manifest}: no utterance has a speaker, and words are joined within a speaker's own")
    for i, (speaker, utterances) in enumerate(sorted(speakers.items())):
        write_speaker(model, speaker, utterances, arguments.output, arguments.share, arguments.seed)
        print(f"{i + 1} of {len(speakers)} speakers", flush=True)
    manifests = [path for path in sorted((arguments.output / "speakers").glob("*.json")) if path.stat().st_size]
    if not manifests:
        raise UsageError(
            f"{arguments.manifest}: nothing was made: no speaker has {LEAST_WORDS} words in utterances in which the model finds its text; "
            f"before you try other recordings or another model, delete {arguments.output}"
        )
    made = [u for path in manifests for u in read_manifest(path, need_text=True)]
    write_manifest(arguments.output / f"{arguments.output.name}.json", made)
    print(f"{len(made)} utterances, {sum(u.duration or 0 for u in made) / 3600:.2f} h")


if __name__ == "__main__":
    main()
