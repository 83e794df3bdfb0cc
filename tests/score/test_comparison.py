"""Comparisons: Holm's correction by hand, and what a verdict says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.score.comparison import holm
from asr.score.evaluation import evaluate


@pytest.mark.parametrize(
    ("ps", "expected"),
    [
        ([], []),
        ([0.2], [0.2]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 x 0.01; 2 x 0.03; never below the one before
        ([0.03, 0.01, 0.04], [0.06, 0.03, 0.06]),
        ([0.5, 0.6, 0.001], [1.0, 1.0, 0.003]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm_by_hand(ps: list[float], expected: list[float]) -> None:
    assert holm(ps) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_corrected_p_is_between_its_own_and_bonferronis(ps: list[float]) -> None:
    for p, corrected in zip(ps, holm(ps), strict=True):
        assert p <= corrected <= min(1.0, len(ps) * p) + 1e-12


def systems(wins: int) -> tuple[list[str], list[str], list[str]]:
    """References of 200 sentences; a system with an error in the first `wins` of them, and one without."""
    references = ["A B C D E F"] * 200
    return references, ["A B X D E F"] * wins + references[wins:], list(references)


def test_two_systems_are_not_corrected() -> None:
    references, worse, better = systems(6)  # p = 2 / 2^6
    (found,) = evaluate(references, worse, better, names=["worse", "better"]).comparisons
    assert found.matched_pairs.p == found.p_matched_pairs_holm == 0.03125
    assert found.p_bootstrap == found.p_bootstrap_holm
    assert (found.better, found.explanation) == ("better", "")
    assert found.verdict.endswith("matched pairs p = 0.031)")


def test_more_systems_need_a_correction() -> None:
    references, worse, better = systems(6)
    found = evaluate(references, worse, better, better, names=["worse", "better", "same"]).comparisons
    first = found[0]
    assert first.matched_pairs.p == 0.03125
    assert first.p_matched_pairs_holm == pytest.approx(3 * 0.03125)
    assert first.better is None
    assert first.verdict.startswith("no clear winner: better is ahead of worse by ")
    assert "matched pairs p = 0.094, Holm-corrected for 3 comparisons)" in first.verdict
    assert found[2].p_matched_pairs_holm == 1.0


def test_no_clear_winner_explains_interval_and_p() -> None:
    references, worse, better = systems(2)
    (found,) = evaluate(references, worse, better).comparisons
    assert found.better is None
    assert found.explanation == (
        "The difference may be chance: the interval, which holds the true difference in 95 % of such tests, includes 0, "
        "and p, the probability of so large a difference between equally good systems, is not below 0.05."
    )
    (without,) = evaluate(references, worse, better, samples=0).comparisons
    assert without.explanation == (
        "The difference may be chance: p, the probability of so large a difference between equally good systems, is not below 0.05."
    )
    (apart,) = evaluate(*systems(5)).comparisons  # the interval alone would name a winner
    assert apart.low is not None
    assert apart.low > 0
    assert apart.explanation.endswith(
        "excludes 0, but p, the probability of so large a difference between equally good systems, is not below 0.05; a winner needs both."
    )
    (equal,) = evaluate(references, better, better).comparisons
    assert equal.explanation == ""


def test_without_words_there_is_nothing_to_compare() -> None:
    (comparison,) = evaluate(["", ""], ["UH UH", ""], ["", ""]).comparisons
    assert comparison.verdict == "no clear winner: no reference has a word, so there is no WER to compare"
    assert (comparison.difference, comparison.better, comparison.explanation) == (None, None, "")
