#!/usr/bin/env python3
"""What becomes of speech in a long recording: words lost or doubled at seams, times of words, words invented over silence.

    pip install pocketsphinx      # for the times; without it they are left out
    python benchmarks/long_recordings.py --manifest data/mini/dev-clean.json --noise data/mini/noise.json --minutes 120 --times runs/times.json

Utterances are stitched into one recording with pauses of digital silence, hiss or real noise between them. It is transcribed, and so is
each utterance alone. Prints both word error rates; the words written over silence, white noise, music and the noise recordings; and how
many words begin and end within 0.2 s of where they do: the first and the last of each utterance, whatever was read there, and all
that were read right. Where a word is said is pocketsphinx's forced alignment of the true text, in utterances of which its dictionary
knows all words: another model's ear, so that the error of both is counted. (Loudness is no judge: breath and room noise before the
first word are as loud as its consonants.) It takes longer than all else, and --times keeps it for the next run.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from asr.console import one_line_errors
from asr.decode.utterances import Recognized, recognize_utterances
from asr.files import write_atomically
from asr.score.alignment import align
from asr.score.wer import word_errors
from asr.speech.audio import load_audio
from asr.speech.manifest import Utterance, read_manifest
from asr.speech.reader import Samples
from asr.transcribe import Transcriber, load_model
from asr.transcript import Transcript, Word

RATE = 16_000
TOLERANCE = 0.2  # seconds


@dataclass(frozen=True)
class Placed:
    """An utterance in the long recording."""

    utterance: Utterance
    start: float
    """seconds"""
    samples: Samples

    @property
    def end(self) -> float:
        return self.start + len(self.samples) / RATE


class Said(NamedTuple):
    """A word of the true text, and where in its utterance it is said (s)."""

    word: str
    start: float
    end: float


def stitch(path: Path, utterances: Sequence[Utterance], pauses: Callable[[np.random.Generator], Samples], seconds: float) -> list[Placed]:
    """Write utterances and pauses in turn, in an order drawn by chance, until the recording is `seconds` long or they are used up."""
    random = np.random.default_rng(0)
    placed: list[Placed] = []
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as out:
        for i in random.permutation(len(utterances)):
            if out.tell() >= seconds * RATE:
                break
            out.write(pauses(random))
            samples = load_audio(utterances[i].audio_filepath, RATE, utterances[i].offset, utterances[i].duration)
            placed.append(Placed(utterances[i], out.tell() / RATE, samples))
            out.write(samples)
    return placed


def pauses(noises: Sequence[Samples]) -> Callable[[np.random.Generator], Samples]:
    """Draws 0.5 to 4 s of digital silence, of hiss, or of one of the noises, rather quiet."""

    def draw(random: np.random.Generator) -> Samples:
        length = int(random.uniform(0.5, 4.0) * RATE)
        kind = int(random.integers(3 if noises else 2))
        if kind == 0:
            return np.zeros(length, np.float32)
        if kind == 1:
            return (0.003 * random.standard_normal(length)).astype(np.float32)
        noise = noises[int(random.integers(len(noises)))]
        begin = int(random.integers(max(1, len(noise) - length)))
        return 0.3 * noise[begin : begin + length]

    return draw


class Aligner:
    """Where the words of a known text are said, by pocketsphinx's own models."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self.decoder = Decoder(samprate=RATE, loglevel="FATAL", bestpath=False)

    def __call__(self, utterance: Utterance) -> list[Said]:
        """The words of an utterance; none where the dictionary lacks one of them, or alignment fails."""
        words = (utterance.text or "").lower().split()
        if not words or any(self.decoder.lookup_word(word) is None for word in words):
            return []
        samples = load_audio(utterance.audio_filepath, RATE, utterance.offset, utterance.duration, track=utterance.track)
        self.decoder.set_align_text(" ".join(words))
        self.decoder.start_utt()
        self.decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
        self.decoder.end_utt()
        # The second of several pronunciations is called word(2); silences and noises have names in brackets.
        spans = [(s.word.split("(")[0].upper(), s.start_frame / 100, (s.end_frame + 1) / 100) for s in self.decoder.seg() or ()]
        said = [Said(*span) for span in spans if span[0][:1] not in ("", "<", "[")]
        return said if [s.word.lower() for s in said] == words else []


def said_words(utterances: Sequence[Utterance], kept: Path | None) -> dict[str, list[Said]] | None:
    """By id, where the words of utterances are said, as far as `kept` (a JSON file) does not tell, by pocketsphinx; None without it."""
    known = json.loads(kept.read_text()) if kept and kept.is_file() else {}
    if missing := [u for u in utterances if u.id not in known]:
        try:
            aligner = Aligner()
        except ImportError:
            return None
        known |= {u.id: aligner(u) for u in missing}
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, json.dumps(known))
    return {u.id: [Said(*word) for word in known[u.id]] for u in utterances}


def word_offsets(start: float, said: Sequence[Said], found: Sequence[Word]) -> tuple[list[float], list[float]]:
    """How much later than they are said, in an utterance that begins at `start`, the words that were read right begin and end (s)."""
    starts, ends = [], []
    i = j = 0
    for kind, _, _ in align([s.word for s in said], [w.text for w in found]):
        if kind == "=":
            starts.append(found[j].start - start - said[i].start)
            ends.append(found[j].end - start - said[i].end)
        i, j = i + (kind != "i"), j + (kind != "d")
    return starts, ends


def print_times(placed: Sequence[Placed], words: Sequence[Word], kept: Path | None) -> None:
    """How well the words of a transcript are placed."""
    said_in = said_words([p.utterance for p in placed], kept)
    if said_in is None:
        print("times of words: not checked (pip install pocketsphinx)")
        return
    offsets: dict[str, list[float]] = {name: [] for name in ("first words begin", "last words end", "right words begin", "right words end")}
    for p in placed:
        said, found = said_in[p.utterance.id], [w for w in words if p.start < (w.start + w.end) / 2 < p.end]
        if said and found:
            starts, ends = word_offsets(p.start, said, found)
            own = ([found[0].start - p.start - said[0].start], [found[-1].end - p.start - said[-1].end], starts, ends)
            for several, some in zip(offsets.values(), own, strict=True):
                several += some
    for name, several in offsets.items():
        if not several:
            print(f"{name}: not checked, in no utterance are all words known to pocketsphinx and found")
            continue
        within = np.mean(np.abs(several) <= TOLERANCE)
        print(f"{name} within {TOLERANCE} s: {within:.1%} of {len(several)}; median {np.median(several):+.2f} s, 5 to 95 %: "
              f"{np.quantile(several, 0.05):+.2f} to {np.quantile(several, 0.95):+.2f}")  # fmt: skip


def music(seconds: float) -> Samples:
    """(N,) chords of plucked strings, and a bass."""
    random = np.random.default_rng(2)
    out = np.zeros(int(seconds * RATE), np.float32)
    t = np.arange(RATE) / RATE
    for beat in range(int(seconds * 2)):
        root = 110 * 2 ** (int(random.integers(12)) / 12)
        for interval in (0, 4, 7, 12, -12):
            pitch = root * 2 ** (interval / 12)
            note = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 6)) * np.exp(-3 * t)
            piece = out[beat * RATE // 2 : beat * RATE // 2 + RATE]
            piece += 0.04 * note[: len(piece)].astype(np.float32)
    return out


def wordless(noises: Sequence[Samples], seconds: float) -> Iterator[tuple[str, Samples]]:
    """Sounds in which nobody speaks."""
    random = np.random.default_rng(1)
    length = int(seconds * RATE)
    yield "digital silence", np.zeros(length, np.float32)
    yield "white noise", (0.1 * random.standard_normal(length)).astype(np.float32)
    yield "music", music(seconds)
    if noises:
        yield "real noise", np.concatenate(noises)[:length]


def alone(model: Transcriber, utterances: Sequence[Utterance]) -> list[str]:
    """The text of each utterance heard by itself."""
    texts = [""] * len(utterances)
    for i, result in recognize_utterances(model.model, utterances, model.decode, model.batch_seconds):
        assert isinstance(result, Recognized)
        texts[i] = result.text
    return texts


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--noise", type=Path, help="a manifest of noises")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--times", type=Path, help="where the words are said, a file that the first run makes and others read")
    arguments = parser.parse_args()

    model = load_model(arguments.model)
    noises = [load_audio(u.audio_filepath) for u in read_manifest(arguments.noise)] if arguments.noise else []
    for name, sound in wordless(noises, 600):
        found = model.transcribe(sound)
        print(f"{name}, {len(sound) / RATE / 60:.0f} min: {len(found.words)} words {found.text[:60]}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.wav"
        placed = stitch(path, read_manifest(arguments.manifest), pauses(noises), 60 * arguments.minutes)
        began = time.perf_counter()
        together: Transcript = model.transcribe(path)
        took = time.perf_counter() - began
    references = [p.utterance.text or "" for p in placed]
    print(
        f"{together.duration / 60:.1f} min, {len(placed)} utterances, {len(together.segments)} segments, {sum(s.doubtful for s in together.segments)} of them doubtful"
    )
    print(f"{together.duration / took:.0f} x real time; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    print(f"WER in the long recording {word_errors([' '.join(references)], [together.text]).rate:.2%}")
    print(f"WER of the utterances alone {word_errors(references, alone(model, [p.utterance for p in placed])).rate:.2%}")
    print_times(placed, together.words, arguments.times)


if __name__ == "__main__":
    main()
