"""Utterances to batches: which are used, in what order, and their audio side by side.

The plan of an epoch (`BatchSampler`) depends on the seed and the epoch alone. One step's batch is shared out over the
processes, and each share is cut into what a device holds; so a step sees the same utterances on one device or on eight.

Shapes: B utterances, N samples, L tokens, D dice, R rows of a teacher's targets, W bytes in a row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, Sampler

from asr.errors import AudioError
from asr.speech.audio import load_whole
from asr.speech.augment import WaveformAugmenter, dice_needed
from asr.speech.manifest import Utterance
from asr.speech.missing import Missing
from asr.speech.teacher_targets import TeacherTargets


class Example(NamedTuple):
    """An utterance that will be used, with its text as tokens."""

    utterance: Utterance
    tokens: tuple[int, ...]
    seconds: float


class Skipped(NamedTuple):
    """An utterance that is not used, and why."""

    id: str
    reason: str


class Flawed(NamedTuple):
    """An utterance that is used although a little of its sound is missing (`Missing.too_much` is False)."""

    id: str
    missing: str


class Share(NamedTuple):
    """What one process takes to its device at once: a part of one step's batch."""

    epoch: int
    step: int  # of the epoch
    steps: int  # that the epoch has
    examples: tuple[int, ...]  # may be empty, when there are more processes than utterances
    tokens: int  # of the whole step over all processes, end-of-sentence counted: what the loss is divided by
    seconds: float  # of the whole step
    last: bool  # of this process in this step: the optimizer's turn


class TeacherRows(NamedTuple):
    """A teacher's targets for a batch, and how they map onto its audio."""

    rows: Tensor  # (B, R, W) uint8
    counts: Tensor  # (B,) rows of each utterance; 0 without targets
    speeds: Tensor  # (B,) speed factor of each utterance: seconds described by its targets in a second of its audio


class Batch(NamedTuple):
    """A share with its audio. `weight` is 0 where nothing in it could be read and a moment of silence stands in."""

    share: Share
    waveforms: Tensor  # (B, N)
    samples: Tensor  # (B,)
    targets: Tensor  # (B, L)
    target_lengths: Tensor  # (B,)
    dice: Tensor  # (B, D)
    weight: float
    skipped: tuple[Skipped, ...]
    flawed: tuple[Flawed, ...]  # reported in the first epoch alone
    teacher: TeacherRows | None


@dataclass
class BatchSampler(Sampler[Share]):
    """Epoch after epoch of shares, from wherever it was left.

    `epoch` and `step` are the state: set them to go on from there.
    """

    examples: Sequence[Example]
    batch_seconds: float
    device_seconds: float
    seed: int
    epochs: int
    rank: int = 0
    processes: int = 1
    epoch: int = 0
    step: int = 0
    sorted_epochs: int = 0

    def plan(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch: utterances of like length together, the batches in random order (or the short ones first)."""
        random = np.random.default_rng((self.seed, epoch))
        seconds = np.array([e.seconds for e in self.examples])
        order = np.argsort(seconds * random.uniform(0.9, 1.1, len(seconds)), kind="stable")
        batches = cut(order.tolist(), seconds, self.batch_seconds)
        return batches if epoch < self.sorted_epochs else [batches[i] for i in random.permutation(len(batches))]

    def __iter__(self) -> Iterator[Share]:
        """All shares from (`epoch`, `step`) to the end of the last epoch. Does not move `epoch` and `step`."""
        first = self.step
        seconds = np.array([e.seconds for e in self.examples])
        for epoch in range(self.epoch, self.epochs):
            plan = self.plan(epoch)
            for step, batch in enumerate(plan[first:], start=first):
                tokens = sum(len(self.examples[i].tokens) + 1 for i in batch)
                parts = cut(batch[self.rank :: self.processes], seconds, self.device_seconds) or [[]]
                for i, part in enumerate(parts, start=1):
                    yield Share(epoch, step, len(plan), tuple(part), tokens, float(seconds[batch].sum()), last=i == len(parts))
            first = 0


def by_length(seconds: Sequence[float], limit: float) -> list[list[int]]:
    """Indices of utterances in batches of like length, the longest first, each within `limit` seconds (longest x count), of one at least."""
    lengths = np.asarray(seconds, dtype=float)
    return cut(np.argsort(-lengths, kind="stable").tolist(), lengths, limit)


def cut(order: list[int], seconds: np.ndarray, limit: float) -> list[list[int]]:
    """Cut a sequence of utterances into groups whose padded length (longest x count) stays within `limit` seconds, of one at least."""
    groups: list[list[int]] = []
    longest = 0.0
    for i in order:
        longest = max(longest, float(seconds[i]))
        if not groups or longest * (len(groups[-1]) + 1) > limit:
            groups.append([])
            longest = float(seconds[i])
        groups[-1].append(i)
    return groups


class Kept(NamedTuple):
    """A waveform in memory, mostly of two bytes a sample.

    Samples of a 16-bit recording are kept exactly. Others are rounded to 65,535 levels of their own peak, and those over full scale are
    kept as float32.
    """

    values: np.ndarray  # (N,) int16 or float32
    scale: float

    @classmethod
    def of(cls, samples: np.ndarray) -> Kept:
        """Keep (N,) float32 samples."""
        scaled = samples * np.float32(32768)
        peak = float(np.abs(samples).max(initial=0.0))
        if peak <= 1 and scaled.max(initial=0.0) < 32768 and np.array_equal(np.rint(scaled), scaled):
            return cls(scaled.astype(np.int16), 1 / 32768)
        if not 1e-30 < peak <= 1:
            return cls(samples, 1.0)
        return cls(np.rint(samples * np.float32(32767 / peak)).astype(np.int16), peak / 32767)

    def samples(self) -> np.ndarray:
        """(N,) float32 samples."""
        return self.values.astype(np.float32) * np.float32(self.scale)


class BatchDataset(Dataset[Batch]):
    """Shares to batches: reads (or remembers), augments and pads the audio.

    `remember` keeps decoded audio in memory (see `Kept`); the rest is read from disk each time.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        sample_rate: int,
        seed: int,
        augmenter: WaveformAugmenter | None = None,
        teacher: TeacherTargets | None = None,
    ):
        self.examples, self.sample_rate, self.seed, self.augmenter, self.teacher = examples, sample_rate, seed, augmenter, teacher
        self.dice = dice_needed(augmenter.config) if augmenter else 0
        self.memory: dict[int, Kept] = {}
        self.unreadable: frozenset[int] = frozenset()

    @property
    def readable(self) -> list[Example]:
        """The examples but for those that were given up."""
        return [example for i, example in enumerate(self.examples) if i not in self.unreadable]

    def remember(self, hours: float) -> Iterator[Skipped | Flawed | None]:
        """Read up to `hours` of audio into memory.

        Yields:
            Once for each utterance read: what is wrong with it, or None.
        """
        total = np.cumsum([e.seconds for e in self.examples])
        count = int((total <= hours * 3600).sum())

        def read(i: int) -> Skipped | Flawed | None:
            flaws: list[Flawed] = []
            try:
                samples = self.read(i, flaws)
            except AudioError as e:
                return Skipped(self.examples[i].utterance.id, str(e))
            self.memory[i] = Kept.of(samples)
            return flaws[0] if flaws else None

        with ThreadPoolExecutor() as pool:
            yield from pool.map(read, range(count))

    def give_up(self, indices: Collection[int]) -> None:
        """Try to read examples no more. Plans of epochs still have them, and batches lack them."""
        self.unreadable = frozenset(indices)

    def drop(self, indices: Collection[int]) -> None:
        """Forget examples for good; the others move up."""
        gone = set(indices)
        kept = [i for i in range(len(self.examples)) if i not in gone]
        self.memory = {new: self.memory[old] for new, old in enumerate(kept) if old in self.memory}
        self.examples = [self.examples[i] for i in kept]

    def read(self, i: int, flaws: list[Flawed] | None = None) -> np.ndarray:
        """Return example `i` as (N,) float32 samples; a little missing sound is added to `flaws`. Raises AudioError."""
        if i in self.memory:
            return self.memory[i].samples()
        u = self.examples[i].utterance
        found: list[Missing] = []
        samples = load_whole(u.audio_filepath, self.sample_rate, u.offset, u.duration, u.track, found.append)
        if flaws is not None:
            flaws.extend(Flawed(u.id, f"{u.audio_filepath}: {missing}") for missing in found)
        return samples

    def __getitem__(self, share: Share) -> Batch:
        waveforms: list[Tensor] = []
        targets: list[Tensor] = []
        dice: list[Tensor] = []
        rows: list[Tensor] = []
        speeds: list[float] = []
        skipped: list[Skipped] = []
        flaws: list[Flawed] = []
        for i in share.examples:
            if i in self.unreadable:
                continue
            try:
                samples = torch.from_numpy(self.read(i, flaws))
            except AudioError as e:
                skipped.append(Skipped(self.examples[i].utterance.id, str(e)))
                continue
            recorded = len(samples)
            if self.augmenter and share.epoch >= self.augmenter.config.start_epoch:
                random = np.random.default_rng((self.seed, share.epoch, i))
                try:
                    samples = self.augmenter(samples, random)
                except AudioError as e:  # a noise
                    skipped.append(Skipped(f"the augmentation of {self.examples[i].utterance.id}", str(e)))
                dice.append(torch.from_numpy(random.random(self.dice, np.float32)))
            waveforms.append(samples)
            targets.append(torch.tensor(self.examples[i].tokens, dtype=torch.long))
            if self.teacher:
                rows.append(self.teacher.rows(self.examples[i].utterance.id))
                speeds.append(recorded / len(samples))
        weight = 1.0 if waveforms else 0.0
        if not waveforms:
            waveforms, targets, dice = [torch.zeros(self.sample_rate // 2)], [torch.tensor([1])], [torch.zeros(self.dice)]
        return Batch(
            share,
            pad_sequence(waveforms, batch_first=True),
            torch.tensor([len(w) for w in waveforms]),
            pad_sequence(targets, batch_first=True),
            torch.tensor([len(t) for t in targets]),
            torch.stack(dice) if dice else torch.zeros(len(waveforms), 0),
            weight,
            tuple(skipped),
            tuple(flaws) if share.epoch == 0 else (),
            self._teacher_rows(rows, speeds, len(waveforms)),
        )

    def _teacher_rows(self, rows: list[Tensor], speeds: list[float], count: int) -> TeacherRows | None:
        if self.teacher is None:
            return None
        if not rows:  # the moment of silence
            rows, speeds = [torch.zeros(0, self.teacher.width, dtype=torch.uint8)] * count, [1.0] * count
        return TeacherRows(pad_sequence(rows, batch_first=True), torch.tensor([len(r) for r in rows]), torch.tensor(speeds))

    def __len__(self) -> int:
        return len(self.examples)
