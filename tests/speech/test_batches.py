"""Batches: every utterance once an epoch, the same steps on any number of processes, and a place to go on from."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.config import AugmentConfig
from asr.speech.augment import WaveformAugmenter
from asr.speech.batches import BatchDataset, BatchPart, BatchSampler, Example, by_length
from asr.speech.manifest import Utterance, read_manifest


def examples(count: int, seed: int = 0) -> list[Example]:
    random = np.random.default_rng(seed)
    made = []
    for i in range(count):
        u = Utterance(str(i), Path(f"{i}.wav"), "A", None, 0.0, None, None, {}, "")
        made.append(Example(u, tuple(range(3, 3 + int(random.integers(1, 9)))), float(random.uniform(0.5, 12))))
    return made


def sampler(rank: int = 0, processes: int = 1, **changes: float) -> BatchSampler:
    settings = {"batch_seconds": 60.0, "device_seconds": 25.0, "seed": 3, "epochs": 2} | changes
    return BatchSampler(examples(101), rank=rank, processes=processes, **settings)  # type: ignore[arg-type]


def test_every_utterance_comes_once_an_epoch() -> None:
    heard = [(s.epoch, i) for s in sampler() for i in s.examples]
    assert sorted(heard) == [(epoch, i) for epoch in range(2) for i in range(101)]


def test_limits_hold() -> None:
    made = examples(101)
    for share in sampler():
        seconds = [made[i].seconds for i in share.examples]
        assert len(seconds) == 1 or max(seconds) * len(seconds) <= 25.0
        assert share.seconds <= 60.0
    whole = list(sampler().plan(0))
    assert all(max(made[i].seconds for i in b) * len(b) <= 60 for b in whole)


def test_processes_share_the_steps_of_one() -> None:
    def steps(all_shares: list[list]) -> dict[tuple[int, int], tuple[set[int], int]]:
        found: dict[tuple[int, int], tuple[set[int], int]] = {}
        for shares in all_shares:
            for s in shares:
                members, tokens = found.setdefault((s.epoch, s.step), (set(), s.tokens))
                assert tokens == s.tokens
                assert members.isdisjoint(s.examples)
                members.update(s.examples)
        return found

    alone = steps([list(sampler())])
    assert steps([list(sampler(rank, 3)) for rank in range(3)]) == alone
    ends = [[(s.epoch, s.step) for s in sampler(rank, 3) if s.last] for rank in range(3)]
    assert ends[0] == ends[1] == ends[2]  # every process takes every step once, or gradients would wait for ever


@pytest.mark.parametrize("cut", [0, 1, 7, 13, 20])
def test_goes_on_where_it_was_left(cut: int) -> None:
    whole = list(sampler(device_seconds=60.0))
    rest = sampler(device_seconds=60.0)
    if cut:
        before = whole[cut - 1]
        ends_epoch = before.step + 1 == before.steps
        rest.epoch, rest.step = (before.epoch + 1, 0) if ends_epoch else (before.epoch, before.step + 1)
    assert list(rest) == whole[cut:]


def test_epochs_differ_and_equal_seeds_repeat() -> None:
    assert sampler().plan(0) == sampler().plan(0)
    assert sampler().plan(0) != sampler().plan(1)


def test_the_tokens_of_a_step_are_those_of_all_processes_with_the_ends_of_sentences() -> None:
    made = [example._replace(tokens=(3,) * length, seconds=1.0) for example, length in zip(examples(3), (2, 4, 7), strict=True)]
    for rank in range(2):
        assert [share.tokens for share in BatchSampler(made, 60, 60, seed=1, epochs=1, rank=rank, processes=2)] == [3 + 5 + 8]


def test_the_first_epochs_go_from_short_to_long_if_that_is_asked_for() -> None:
    made = examples(101)

    def longest(epoch: int) -> list[float]:
        return [max(made[i].seconds for i in batch) for batch in sampler(sorted_epochs=1).plan(epoch)]

    assert all(after > before * 0.9 / 1.1 for before, after in itertools.pairwise(longest(0)))  # but for what each length is shaken by
    assert any(after < before / 2 for before, after in itertools.pairwise(longest(1)))
    assert sorted(map(sorted, sampler(sorted_epochs=1).plan(0))) == sorted(map(sorted, sampler().plan(0)))  # the same batches


def test_by_length_covers_all_longest_first() -> None:
    seconds = [3.0, 10.0, 1.0, 2.0, 30.0]
    assert by_length(seconds, 12.0) == [[4], [1], [0, 3, 2]]


def test_batches_mix_sources_in_the_given_shares(tones: tuple[Path, Path]) -> None:
    utterances = read_manifest(tones[0])
    data = BatchDataset([Example(u, (3, 4, 5)[: 1 + i % 3], u.duration or 0) for i, u in enumerate(utterances)], 16_000, seed=1)
    share = next(iter(BatchSampler(data.examples, 5, 5, 1, 1)))
    batch = data[share]
    for row, i in enumerate(share.examples):
        samples = data.read(i)
        assert int(batch.samples[row]) == len(samples)
        np.testing.assert_array_equal(batch.waveforms[row, : len(samples)].numpy(), samples)
        assert (batch.waveforms[row, len(samples) :] == 0).all()
        assert tuple(batch.targets[row, : batch.target_lengths[row]].tolist()) == data.examples[i].tokens


def test_memory_changes_nothing_but_the_rounding(tones: tuple[Path, Path]) -> None:
    utterances = read_manifest(tones[1])
    data = BatchDataset([Example(u, (3,), u.duration or 0) for u in utterances], 16_000, seed=1)
    before = [data.read(i) for i in range(len(data))]
    assert list(data.remember(1.0)) == [None] * len(data)
    assert len(data.cache) == len(data)
    for i, samples in enumerate(before):
        np.testing.assert_allclose(data.read(i), samples, atol=1 / 32767)


def test_the_cache_is_limited_in_hours(tones: tuple[Path, Path]) -> None:
    data = BatchDataset([Example(u, (3,), 1.0) for u in read_manifest(tones[1])], 16_000, seed=1)
    for seconds in (0.0, 2.5, 4.0):
        data.cache.clear()
        assert list(data.remember(seconds / 3600)) == [None] * int(seconds)
        assert sorted(data.cache) == list(range(int(seconds)))


def test_audio_is_unchanged_before_augmentation_starts(tones: tuple[Path, Path]) -> None:
    made = [Example(u, (3,), u.duration or 0) for u in read_manifest(tones[1])]
    data = BatchDataset(made, 16_000, 1, WaveformAugmenter(AugmentConfig(start_epoch=2), 16_000))
    share = BatchPart(0, 0, 1, (0,), 2, 1.0, True)
    for epoch in range(4):
        batch = data[share._replace(epoch=epoch)]
        as_it_is = np.array_equal(batch.waveforms[0].numpy(), data.read(0))
        assert (as_it_is, batch.draws.shape[1] == 0) == (epoch < 2, epoch < 2), epoch


def test_augmented_audio_depends_on_epoch_and_utterance_alone(tones: tuple[Path, Path]) -> None:
    utterances = read_manifest(tones[1])
    data = BatchDataset([Example(u, (3,), u.duration or 0) for u in utterances], 16_000, 1, WaveformAugmenter(AugmentConfig(), 16_000))
    share = next(iter(BatchSampler(data.examples, 50, 50, 1, 1)))
    together, alone = data[share], data[share._replace(examples=share.examples[1:2])]
    n = int(alone.samples[0])
    assert int(together.samples[1]) == n
    torch.testing.assert_close(together.waveforms[1, :n], alone.waveforms[0])
    torch.testing.assert_close(together.draws[1], alone.draws[0])
    assert not torch.equal(data[share._replace(epoch=1)].draws, together.draws)


def test_unreadable_audio_is_left_out_and_an_empty_share_still_has_a_batch(tones: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF not audio")
    broken = Utterance("broken", tmp_path / "broken.wav", "LOW", 1.0, 0.0, None, None, {}, "")
    good = read_manifest(tones[1])[0]
    data = BatchDataset([Example(broken, (3,), 1.0), Example(good, (4,), 1.0)], 16_000, seed=1)
    share = next(iter(BatchSampler(data.examples, 50, 50, 1, 1)))
    batch = data[share]
    assert [s.id for s in batch.skipped] == ["broken"]
    assert batch.targets.tolist() == [[4]]
    assert batch.weight == 1
    assert data[share._replace(examples=())].weight == 0
    data.drop([0])
    assert [e.utterance.id for e in data.examples] == [good.id]
