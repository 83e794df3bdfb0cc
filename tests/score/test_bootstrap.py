"""Intervals hold the truth as often as they say; two systems that are alike are seldom said to differ."""

from __future__ import annotations

import numpy as np
import pytest

from asr.score.alignment import align
from asr.score.bootstrap import Bootstrap, resample
from asr.score.matched_pairs import FEW_SEGMENTS, matched_pairs, segment_differences


def utterances(random: np.random.Generator, count: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors and lengths of utterances of different difficulty; the error rate is `rate` on the whole."""
    lengths = random.integers(3, 30, count)
    difficulty = random.gamma(2.0, 0.5, count)
    return random.poisson(rate * difficulty * lengths), lengths


def test_intervals_cover_the_truth_at_their_level() -> None:
    random = np.random.default_rng(0)
    truth, held, trials = 0.1, 0, 400
    for seed in range(trials):
        found = Bootstrap(level=0.9, samples=300, seed=seed).interval(*utterances(random, 200, truth))
        assert found
        held += found.low <= truth <= found.high
    assert 0.86 <= held / trials <= 0.94  # 0.90 give or take: the standard error of 400 trials is 0.015


def test_equal_systems_seldom_differ() -> None:
    random = np.random.default_rng(1)
    wrong_bootstrap = wrong_interval = 0
    trials = 400
    for seed in range(trials):
        lengths = random.integers(3, 30, 200)
        difficulty = 0.1 * random.gamma(2.0, 0.5, 200) * lengths
        found = Bootstrap(samples=300, seed=seed).paired(random.poisson(difficulty), random.poisson(difficulty), lengths)
        assert found
        wrong_bootstrap += found.p < 0.05
        wrong_interval += not found.low <= 0 <= found.high
    assert 0.02 <= wrong_bootstrap / trials <= 0.085
    assert 0.02 <= wrong_interval / trials <= 0.085


@pytest.mark.parametrize("count", [20, 300], ids=["exact", "normal"])
def test_matched_pairs_seldom_find_a_difference_that_is_not_there(count: int) -> None:
    random = np.random.default_rng(count)
    trials = 1000
    wrong = sum(matched_pairs((random.poisson(1.0, count) - random.poisson(1.0, count)).tolist()).p < 0.05 for _ in range(trials))
    assert (count < FEW_SEGMENTS) == (count == 20)
    assert 0.02 <= wrong / trials <= 0.07


def test_a_real_difference_is_significant() -> None:
    random = np.random.default_rng(2)
    lengths = random.integers(5, 30, 2000)
    worse, better = random.poisson(0.12 * lengths), random.poisson(0.08 * lengths)
    found = Bootstrap().paired(worse, better, lengths)
    assert found
    assert found.low < 0.04 < found.high
    assert found.p < 0.01
    assert matched_pairs((worse - better).tolist()).p < 1e-6


def test_sums_are_those_of_rows_drawn_with_replacement() -> None:
    """Mean and variance of the sums, against the formulas."""
    counts = np.array([[0, 5], [1, 5], [1, 5], [4, 9]])
    sums = resample(counts, 20_000, seed=0)
    assert sums.shape == (20_000, 2)
    assert np.allclose(sums.mean(axis=0), 4 * counts.mean(axis=0), rtol=0.02)
    assert np.allclose(sums.var(axis=0), 4 * counts.var(axis=0), rtol=0.05)


def test_the_same_seed_gives_the_same_interval() -> None:
    errors, lengths = np.array([0, 1, 2]), np.array([5, 5, 5])
    assert Bootstrap(seed=3).interval(errors, lengths) == Bootstrap(seed=3).interval(errors, lengths)


def test_one_utterance_has_no_interval() -> None:
    assert Bootstrap().interval(np.array([1]), np.array([5])) is None
    assert Bootstrap().interval(np.array([1, 0]), np.array([0, 0])) is None
    assert Bootstrap(samples=0).interval(np.array([1, 0]), np.array([5, 5])) is None


# ---------------------------------------------------------------- matched pairs


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [  # the reference is A B C D E F
        ("A B C D E F", "A B C D E F", []),
        ("X B C D E F", "A B C D E F", [1]),
        ("X B C D E Y", "A B C D E F", [1, 1]),  # four right words part them
        ("A X C Y E F", "A B C D E F", [2]),  # one right word does not
        ("A X C D Y F", "A B C D E F", [1, 1]),  # two do
        ("A X C D Y F", "A B Z D E F", [1]),  # not where the other system is wrong
        ("A X C Q D E F", "A B C D E F", [2]),  # nor where a word is put in between
        ("A B C D E F G", "A B C D E", [0]),
        ("", "A B C D E F", [6]),
    ],
)
def test_segments(first: str, second: str, expected: list[int]) -> None:
    reference = list("ABCDEF")
    rows = [align(reference, text.split()) for text in (first, second)]
    assert list(segment_differences(*rows)) == expected
    assert list(segment_differences(*reversed(rows))) == [-d for d in expected]


def test_p_by_hand() -> None:
    assert matched_pairs([]).p == 1.0
    assert matched_pairs([0, 0]).p == 1.0
    assert matched_pairs([1]).p == 1.0
    assert matched_pairs([3, 1]).p == 0.5  # of +3+1, +3-1, -3+1, -3-1 two are as far from zero
    assert matched_pairs([2, 1, 1, 0]).p == 0.25
    assert matched_pairs([1, -1]).p == 1.0
    assert matched_pairs([1] * 100).p == pytest.approx(2 / 2**100)
    many = matched_pairs([1, 0, -1, 1] * 50)
    assert many.z == pytest.approx(0.25 / (np.std([1, 0, -1, 1] * 50, ddof=1) / np.sqrt(200)))


@pytest.mark.parametrize("errors", [[0, 0, 0, 0], [9, 9, 9, 9]])
def test_samples_that_do_not_differ_give_no_interval(errors: list[int]) -> None:
    assert Bootstrap().interval(np.array(errors), np.array([9, 9, 9, 9])) is None
