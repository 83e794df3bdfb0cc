#!/usr/bin/env python3
"""What becomes of speech in a long recording: words lost or doubled at seams, times of words, words invented over silence.

    python benchmarks/long_recordings.py --manifest data/mini/dev-clean.json --noise data/mini/noise.json --minutes 120

Utterances are stitched into one recording with pauses of digital silence, hiss or real noise between them. It is transcribed, and so is
each utterance alone. Prints both word error rates; how often the first word of an utterance begins, and the last one ends, within 0.2 s of
where its sound does (librosa's trim at 30 dB, not our own detector); and the words written over silence, white noise, music and the
noise recordings.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soundfile

from asr.decode.utterances import Recognized, recognize_utterances
from asr.score.wer import word_errors
from asr.speech.audio import Samples, load_audio
from asr.speech.manifest import Utterance, read_manifest
from asr.transcribe import Transcriber, load_model
from asr.transcript import Transcript, Word

RATE = 16_000
TOLERANCE = 0.2  # seconds


@dataclass(frozen=True)
class Placed:
    """An utterance in the long recording."""

    utterance: Utterance
    start: float
    """seconds: where its sound begins"""
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
            _, (first, last) = librosa.effects.trim(samples, top_db=30, frame_length=512, hop_length=128)
            placed.append(Placed(utterances[i], (out.tell() + first) / RATE, (out.tell() + last) / RATE))
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


def near_the_seams(placed: Sequence[Placed], words: Sequence[Word]) -> list[tuple[float, float]]:
    """For each utterance of which a word was found: seconds from where its sound begins to its first word, and from where it ends to the end of its last."""
    found = []
    for p in placed:
        own = [w for w in words if p.start - 0.25 < (w.start + w.end) / 2 < p.end + 0.25]
        if own:
            found.append((own[0].start - p.start, own[-1].end - p.end))
    return found


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--noise", type=Path, help="a manifest of noises")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--model", type=Path)
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
    seams = near_the_seams(placed, together.words)
    for what, offsets in zip(("first words begin", "last words end"), zip(*seams, strict=True), strict=True):
        within = np.mean(np.abs(offsets) <= TOLERANCE)
        print(f"{what} within {TOLERANCE} s: {within:.1%} of {len(seams)}; median {np.median(offsets):+.2f} s, 5 to 95 %: "
              f"{np.quantile(offsets, 0.05):+.2f} to {np.quantile(offsets, 0.95):+.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
