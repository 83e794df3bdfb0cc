"""Estimating an n-gram model: against formulas written with dictionaries, sums to 1, and pruning."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.errors import ConfigError, ModelError
from asr.model.ngram import NGram, from_tensors, pack_levels, to_tensors
from asr.text.tokenizer import EOS
from asr.train.ngram import Estimator, discounts, train_ngram

V = 11


def sentences(count: int = 400, seed: int = 1) -> list[list[int]]:
    """Sentences of a random first-order source, so that contexts matter."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        sentence = [chance.randrange(3, V)]
        while len(sentence) < 12 and chance.random() < 0.85:
            step = chance.choice([1, 1, 1, 2, 5])
            sentence.append(3 + (sentence[-1] - 3 + step) % (V - 3))
        found.append(sentence)
    return [[], *found]  # an empty sentence is one EOS


def stream(some: list[list[int]]) -> np.ndarray:
    return np.array([token for sentence in some for token in [*sentence, EOS]], np.int32)


class Reference:
    """Interpolated modified Kneser-Ney by its formulas (Chen and Goodman 1998, equations 24 to 26), a dictionary an order."""

    def __init__(self, some: list[list[int]], order: int):
        raw: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order + 1)]
        for sentence in some:
            padded = [EOS, *sentence, EOS]
            for n in range(1, order + 1):
                raw[n].update(tuple(padded[i : i + n]) for i in range(len(padded) - n + 1) if n > 1 or i)
        self.counts = raw
        for n in range(1, order):
            before = Counter(gram[1:] for gram in raw[n + 1])
            self.counts[n] = Counter({g: raw[n][g] if n > 1 and g[0] == EOS else before[g] for g in raw[n]})
        self.discounts = [discounts(np.array(list(counts.values()), np.int64)) for counts in self.counts[1:]]

    def prob(self, context: tuple[int, ...], token: int) -> float:
        n = len(context) + 1
        followers = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == context}
        lower = self.prob(context[1:], token) if context else 1 / V
        if not followers:
            return lower
        lost = sum(self.discounts[n - 1][min(c, 3)] for c in followers.values())
        own = followers.get(token, 0)
        return (max(0, own - self.discounts[n - 1][min(own, 3)]) + lost * lower) / sum(followers.values())


def distribution(model: NGram, states: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (N, V) in `states` (N,)."""
    every = torch.arange(model.vocabulary)
    return model.log_prob(every.repeat(len(states)), states.repeat_interleave(model.vocabulary)).view(len(states), -1)


def after(model: NGram, prefix: list[int]) -> torch.Tensor:
    """Log-probabilities (V,) after EOS and `prefix`."""
    state = torch.tensor([0])
    for token in [EOS, *prefix]:
        state = model.next(torch.tensor([token]), state)
    return distribution(model, state)[0]


def nats(model: NGram, some: list[list[int]]) -> float:
    return -sum(float(after(model, s[:i])[token]) for s in some for i, token in enumerate([*s, EOS]))


def test_the_probabilities_are_those_of_the_formulas() -> None:
    some = sentences()
    model, reference = train_ngram(stream(some), V, order=4, cutoff=1, threshold=0.0), Reference(some, 4)
    for prefix in ([], [3], [3, 4], [3, 4, 5], [3, 4, 5, 6], [10, 10, 10], [5, 10, 3], [7, 8, 10, 4, 5]):
        expected = [math.log(reference.prob(tuple([EOS, *prefix][-3:]), token)) for token in range(V)]
        torch.testing.assert_close(after(model, prefix), torch.tensor(expected), atol=2e-5, rtol=0)


@pytest.mark.parametrize(("cutoff", "threshold"), [(1, 0.0), (2, 0.0), (1, 1e-4), (2, 1e-3), (1, 1.0)])
def test_every_context_sums_to_one(cutoff: int, threshold: float) -> None:
    model = train_ngram(stream(sentences()), V, 4, cutoff, threshold)
    states = torch.arange(len(model.counts))
    torch.testing.assert_close(distribution(model, states).exp().sum(1), torch.ones(len(states)), atol=1e-4, rtol=0)


def test_pruning_keeps_the_useful_part() -> None:
    train, dev = sentences(2000, seed=1), sentences(30, seed=2)
    full, pruned, unigram = (train_ngram(stream(train), V, 4, 1, threshold) for threshold in (0.0, 5e-4, 1.0))
    assert len(unigram.tokens) == V
    assert len(pruned.tokens) < 0.55 * len(full.tokens)
    assert nats(pruned, dev) < nats(full, dev) + 0.1 * (nats(unigram, dev) - nats(full, dev))


def test_a_cutoff_leaves_out_rare_ngrams_of_high_order_only() -> None:
    some = [[3, 4, 5]] * 3 + [[6, 7, 8]]
    levels = Estimator(V, 3).estimate(stream(some), cutoff=2)
    assert {tuple((key >> 4 * i) & 15 for i in (2, 1, 0)) for key in levels[2].keys.tolist()} == {(2, 3, 4), (3, 4, 5), (4, 5, 2)}
    assert (6 << 4 | 7) in levels[1].keys


def test_a_missing_ngram_backs_off() -> None:
    """By hand: p(4 | 3) is known, p(5 | 3) is backoff(3) · p(5), and the state after an unknown bigram is that of its last token."""
    unigrams = np.log(np.full(8, 1 / 8))
    backoffs = np.zeros(8)
    backoffs[3] = math.log(0.5 / (7 / 8))
    keys = [np.arange(8, dtype=np.uint64), np.array([(3 << 3) | 4], np.uint64)]
    model = pack_levels([(keys[0], unigrams, backoffs), (keys[1], np.log([0.5]), np.zeros(1))], 8)
    log_probs = after(model, [3])
    assert log_probs[4].exp().item() == pytest.approx(0.5)
    assert log_probs[5].exp().item() == pytest.approx(0.5 / 7)
    torch.testing.assert_close(after(model, [5, 3]), log_probs)
    torch.testing.assert_close(after(model, [3, 6]), torch.full((8,), math.log(1 / 8)))


def test_kneser_ney_counts_contexts() -> None:
    """FRANCISCO is common but follows one token only, so its unigram probability is low (4 here, always after 3)."""
    some = [[3, 4]] * 50 + [[a, 6] for a in (3, 5, 7, 8, 9)]
    unigrams = Estimator(V, 2).estimate(stream(some))[0].log_probs
    assert unigrams[6] > unigrams[4]


def test_an_order_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"order 9: expected 2 to 8 with 256 tokens"):
        Estimator(256, 9)


def test_the_tensors_of_a_file_give_the_model_back() -> None:
    model = train_ngram(stream(sentences()), V, 4, 1, 1e-5)
    again = from_tensors(to_tensors(model), V, Path("words.safetensors"))
    states = torch.arange(len(model.counts))
    assert torch.equal(again.targets, model.targets)
    torch.testing.assert_close(distribution(again, states), distribution(model, states), atol=0.02, rtol=0)
    with pytest.raises(ModelError, match=r"words.safetensors: damaged"):
        from_tensors(to_tensors(model), V + 1, Path("words.safetensors"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.pop("arcs"),
        lambda t: t["counts"][3:4].add_(1),
        lambda t: t["tokens"][V + 1 : V + 3].fill_(3),
        lambda t: t["arcs"][1:2].fill_(30),
        lambda t: t["log_probs"][:1].fill_(torch.nan),
    ],
)
def test_a_damaged_file_is_refused(damage: Callable[[dict[str, torch.Tensor]], object]) -> None:
    damage(tensors := to_tensors(train_ngram(stream(sentences()), V, 4, 1, 1e-5)))
    with pytest.raises(ModelError, match=r"words.safetensors: (damaged|not an n-gram)"):
        from_tensors(tensors, V, Path("words.safetensors"))
