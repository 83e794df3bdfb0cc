"""Utterances in batches: their order, and their audio with padding.

The plan of an epoch (`BatchSampler`) depends on the seed and the epoch alone. The batch of a step is distributed over the processes, and each
process divides its share into parts that its device can hold. So a step has the same utterances on one device or on eight.

Shapes: B utterances, N samples, L tokens, D random draws, R rows of a teacher's targets, W bytes per row.
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
from asr.speech.augment import WaveformAugmenter, draws_needed
from asr.speech.manifest import SLACK_SECONDS, Utterance
from asr.speech.missing import Missing
from asr.speech.teacher_targets import TeacherTargets


class Example(NamedTuple):
    """An utterance with its text as tokens."""

    utterance: Utterance
    tokens: tuple[int, ...]
    seconds: float


class Skipped(NamedTuple):
    """An utterance that is not used, and the reason."""

    id: str
    reason: str


class Flawed(NamedTuple):
    """An utterance that is used although a little of its sound is missing (`Missing.too_much` is False)."""

    id: str
    missing: str


class BatchPart(NamedTuple):
    """The part of a step's batch that one process computes in one forward pass."""

    epoch: int
    step: int  # step within the epoch
    steps: int  # steps of the epoch
    examples: tuple[int, ...]  # indices; empty if there are more processes than utterances
    tokens: int  # tokens of the whole step over all processes, EOS included; the loss is divided by them
    seconds: float  # audio of the whole step (s)
    last: bool  # whether this is the last part of the step on this process


class TeacherRows(NamedTuple):
    """A teacher's targets for a batch, and their relation to its audio."""

    rows: Tensor  # (B, R, W) uint8
    counts: Tensor  # (B,) rows per utterance; 0 without targets
    speeds: Tensor  # (B,) speed factors: seconds of targets per second of audio


class Batch(NamedTuple):
    """A part of a batch with its audio. If none of it can be read, it holds half a second of silence with a `weight` of 0."""

    part: BatchPart
    waveforms: Tensor  # (B, N)
    samples: Tensor  # (B,)
    targets: Tensor  # (B, L)
    target_lengths: Tensor  # (B,)
    draws: Tensor  # (B, D) uniform random numbers for the augmentation
    weight: float
    skipped: tuple[Skipped, ...]
    flawed: tuple[Flawed, ...]  # reported in the first epoch alone
    teacher: TeacherRows | None


@dataclass
class BatchSampler(Sampler[BatchPart]):
    """Parts of batches, epoch after epoch. Set `epoch` and `step` to resume from there."""

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
        """Return the batches of an epoch: utterances of similar length together, in random order (or short ones first)."""
        random = np.random.default_rng((self.seed, epoch))
        seconds = np.array([e.seconds for e in self.examples])
        order = np.argsort(seconds * random.uniform(0.9, 1.1, len(seconds)), kind="stable")
        batches = pack(order.tolist(), seconds, self.batch_seconds)
        return batches if epoch < self.sorted_epochs else [batches[i] for i in random.permutation(len(batches))]

    def __iter__(self) -> Iterator[BatchPart]:
        """Yield all parts from (`epoch`, `step`) to the end of the last epoch, without changing `epoch` and `step`."""
        first = self.step
        seconds = np.array([e.seconds for e in self.examples])
        for epoch in range(self.epoch, self.epochs):
            plan = self.plan(epoch)
            for step, batch in enumerate(plan[first:], start=first):
                tokens = sum(len(self.examples[i].tokens) + 1 for i in batch)
                parts = pack(batch[self.rank :: self.processes], seconds, self.device_seconds) or [[]]
                for i, part in enumerate(parts, start=1):
                    yield BatchPart(epoch, step, len(plan), tuple(part), tokens, float(seconds[batch].sum()), last=i == len(parts))
            first = 0


def by_length(seconds: Sequence[float], limit: float) -> list[list[int]]:
    """Group utterances of similar length into batches, longest first.

    Args:
        seconds: Length of each utterance (s).
        limit: Maximum padded length of a batch, longest x count (s). A single utterance may exceed it.

    Returns:
        Indices of utterances.
    """
    lengths = np.asarray(seconds, dtype=float)
    return pack(np.argsort(-lengths, kind="stable").tolist(), lengths, limit)


def pack(order: list[int], seconds: np.ndarray, limit: float) -> list[list[int]]:
    """Divide a sequence of items into consecutive groups of limited padded length.

    Args:
        order: Indices of the items, in order.
        seconds: Length of each item.
        limit: Maximum padded length of a group, longest x count. A single item may exceed it.
    """
    groups: list[list[int]] = []
    longest = 0.0
    for i in order:
        longest = max(longest, float(seconds[i]))
        if not groups or longest * (len(groups[-1]) + 1) > limit:
            groups.append([])
            longest = float(seconds[i])
        groups[-1].append(i)
    return groups


class CachedWaveform(NamedTuple):
    """A waveform in memory, in two bytes per sample where possible.

    16-bit recordings are stored exactly. Others are rounded to 65,535 levels of their peak, or stored as float32 if they exceed full scale.
    """

    values: np.ndarray  # (N,) int16 or float32
    scale: float

    @classmethod
    def of(cls, samples: np.ndarray) -> CachedWaveform:
        """Store float32 samples (N,)."""
        scaled = samples * np.float32(32768)
        peak = float(np.abs(samples).max(initial=0.0))
        if peak <= 1 and scaled.max(initial=0.0) < 32768 and np.array_equal(np.rint(scaled), scaled):
            return cls(scaled.astype(np.int16), 1 / 32768)
        if not 1e-30 < peak <= 1:
            return cls(samples, 1.0)
        return cls(np.rint(samples * np.float32(32767 / peak)).astype(np.int16), peak / 32767)

    def samples(self) -> np.ndarray:
        """Return float32 samples (N,)."""
        return self.values.astype(np.float32) * np.float32(self.scale)


class BatchDataset(Dataset[Batch]):
    """Read, augment and pad the audio of parts of batches.

    Args:
        examples: The utterances.
        sample_rate: Sample rate (Hz).
        seed: Seed of the augmentation.
        augmenter: Augmentation of waveforms; None for none.
        teacher: A teacher's targets.
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
        self.draws = draws_needed(augmenter.config) if augmenter else 0
        self.cache: dict[int, CachedWaveform] = {}
        self.unreadable: frozenset[int] = frozenset()

    @property
    def readable(self) -> list[Example]:
        """The examples without excluded ones."""
        return [example for i, example in enumerate(self.examples) if i not in self.unreadable]

    def remember(self, hours: float) -> Iterator[Skipped | Flawed | None]:
        """Read up to `hours` of audio into memory.

        Yields:
            Once for each utterance read: the problem found, or None.
        """
        total = np.cumsum([e.seconds for e in self.examples])
        count = int((total <= hours * 3600).sum())

        def read(i: int) -> Skipped | Flawed | None:
            flaws: list[Flawed] = []
            try:
                samples = self.read(i, flaws)
            except AudioError as e:
                return Skipped(self.examples[i].utterance.id, str(e))
            self.cache[i] = CachedWaveform.of(samples)
            return flaws[0] if flaws else None

        with ThreadPoolExecutor() as pool:
            yield from pool.map(read, range(count))

    def exclude(self, indices: Collection[int]) -> None:
        """Exclude examples from batches. They stay in the plans of the epochs."""
        self.unreadable = frozenset(indices)

    def drop(self, indices: Collection[int]) -> None:
        """Remove examples. The indices of later ones change."""
        gone = set(indices)
        kept = [i for i in range(len(self.examples)) if i not in gone]
        self.cache = {new: self.cache[old] for new, old in enumerate(kept) if old in self.cache}
        self.examples = [self.examples[i] for i in kept]

    def read(self, i: int, flaws: list[Flawed] | None = None) -> np.ndarray:
        """Return example `i` as (N,) float32 samples; a little missing sound is added to `flaws`. Raises AudioError."""
        if i in self.cache:
            return self.cache[i].samples()
        u = self.examples[i].utterance
        found: list[Missing] = []
        samples = load_whole(u.audio_filepath, self.sample_rate, u.offset, u.duration, u.track, found.append)
        if flaws is not None:
            flaws.extend(Flawed(u.id, f"{u.audio_filepath}: {missing}") for missing in found)
            seconds = len(samples) / self.sample_rate
            if u.duration is not None and seconds < u.duration - SLACK_SECONDS:
                flaws.append(Flawed(u.id, f"{u.source}: duration is {u.duration:g}, and the recording has {seconds:.2f} s"))
        return samples

    def __getitem__(self, part: BatchPart) -> Batch:
        waveforms: list[Tensor] = []
        targets: list[Tensor] = []
        draws: list[Tensor] = []
        rows: list[Tensor] = []
        speeds: list[float] = []
        skipped: list[Skipped] = []
        flaws: list[Flawed] = []
        for i in part.examples:
            if i in self.unreadable:
                continue
            try:
                samples = torch.from_numpy(self.read(i, flaws))
            except AudioError as e:
                skipped.append(Skipped(self.examples[i].utterance.id, str(e)))
                continue
            recorded = len(samples)
            if self.augmenter and part.epoch >= self.augmenter.config.start_epoch:
                random = np.random.default_rng((self.seed, part.epoch, i))
                try:
                    samples = self.augmenter(samples, random)
                except AudioError as e:  # of a noise recording
                    skipped.append(Skipped(f"the augmentation of {self.examples[i].utterance.id}", str(e)))
                draws.append(torch.from_numpy(random.random(self.draws, np.float32)))
            waveforms.append(samples)
            targets.append(torch.tensor(self.examples[i].tokens, dtype=torch.long))
            if self.teacher:
                rows.append(self.teacher.rows(self.examples[i].utterance.id))
                speeds.append(recorded / len(samples))
        weight = 1.0 if waveforms else 0.0
        if not waveforms:
            waveforms, targets, draws = [torch.zeros(self.sample_rate // 2)], [torch.tensor([1])], [torch.zeros(self.draws)]
        return Batch(
            part,
            pad_sequence(waveforms, batch_first=True),
            torch.tensor([len(w) for w in waveforms]),
            pad_sequence(targets, batch_first=True),
            torch.tensor([len(t) for t in targets]),
            torch.stack(draws) if draws else torch.zeros(len(waveforms), 0),
            weight,
            tuple(skipped),
            tuple(flaws) if part.epoch == 0 else (),
            self._teacher_rows(rows, speeds, len(waveforms)),
        )

    def _teacher_rows(self, rows: list[Tensor], speeds: list[float], count: int) -> TeacherRows | None:
        if self.teacher is None:
            return None
        if not rows:  # the batch of silence
            rows, speeds = [torch.zeros(0, self.teacher.width, dtype=torch.uint8)] * count, [1.0] * count
        return TeacherRows(pad_sequence(rows, batch_first=True), torch.tensor([len(r) for r in rows]), torch.tensor(speeds))

    def __len__(self) -> int:
        return len(self.examples)
