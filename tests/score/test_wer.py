"""Error counts: by hand, and against an edit distance written out here."""

from __future__ import annotations

import math

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.score.wer import ErrorCounts, Score, character_errors, score, word_errors


def edit_distance(reference: list[str], hypothesis: list[str]) -> int:
    """The textbook's table, row by row."""
    row = list(range(len(hypothesis) + 1))
    for i, r in enumerate(reference, start=1):
        diagonal, row[0] = row[0], i
        for j, h in enumerate(hypothesis, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (r != h))
    return row[-1]


sentences = st.lists(st.sampled_from(["A", "BE", "SEE", "DEE"]), max_size=7).map(" ".join)
pairs = st.lists(st.tuples(sentences, sentences), max_size=5)


@given(pairs)
def test_errors_are_the_edit_distance(cases: list[tuple[str, str]]) -> None:
    references, hypotheses = [r for r, _ in cases], [h for _, h in cases]
    words = word_errors(references, hypotheses)
    assert words.errors == sum(edit_distance(r.split(), h.split()) for r, h in cases)
    assert words.reference_length == sum(len(r.split()) for r in references)
    assert words.hits + words.substitutions + words.insertions == sum(len(h.split()) for h in hypotheses)
    characters = character_errors(references, hypotheses)
    assert characters.errors == sum(edit_distance(list(r), list(h)) for r, h in cases)
    assert characters.reference_length == sum(map(len, references))


@given(pairs)
def test_rates_are_those_of_jiwer(cases: list[tuple[str, str]]) -> None:
    references, hypotheses = [r for r, _ in cases], [h for _, h in cases]
    if any(references):  # without a reference jiwer's rate is the number of insertions, ours infinite
        assert word_errors(references, hypotheses).rate == pytest.approx(jiwer.wer(references, hypotheses))
        assert character_errors(references, hypotheses).rate == pytest.approx(jiwer.cer(references, hypotheses))


@given(pairs, pairs)
def test_counts_add_up(some: list[tuple[str, str]], more: list[tuple[str, str]]) -> None:
    def count(cases: list[tuple[str, str]]) -> ErrorCounts:
        return word_errors([r for r, _ in cases], [h for _, h in cases])

    assert count(some) + count(more) == count(some + more)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "characters"),
    [
        ("GO ON", "GO ON", (2, 0, 0, 0), (5, 0, 0, 0)),
        ("GO ON", "GO", (1, 0, 1, 0), (2, 0, 3, 0)),
        ("GO", "GO ON", (1, 0, 0, 1), (2, 0, 0, 3)),
        ("GO ON", "GO IN", (1, 1, 0, 0), (4, 1, 0, 0)),
        ("GO ON", "", (0, 0, 2, 0), (0, 0, 5, 0)),
        ("", "GO ON", (0, 0, 0, 2), (0, 0, 0, 5)),
        ("", "", (0, 0, 0, 0), (0, 0, 0, 0)),
        ("  GO\t ON\n", "GO ON", (2, 0, 0, 0), (5, 0, 0, 0)),
        ("GO ON", "GO\u00a0ON", (2, 0, 0, 0), (5, 0, 0, 0)),
        ("It's", "its", (0, 1, 0, 0), (2, 1, 1, 0)),  # nothing is normalised
    ],
)
def test_worked_examples(reference: str, hypothesis: str, words: tuple[int, ...], characters: tuple[int, ...]) -> None:
    assert word_errors([reference], [hypothesis]) == ErrorCounts(*words)
    assert character_errors([reference], [hypothesis]) == ErrorCounts(*characters)


def test_rates() -> None:
    assert ErrorCounts(hits=6, substitutions=2, deletions=2, insertions=1).rate == 0.5
    assert ErrorCounts(hits=0, substitutions=1, deletions=0, insertions=3).rate == 4.0
    assert ErrorCounts(0, 0, 0, 0).rate == 0.0
    assert ErrorCounts(0, 0, 0, 1).rate == math.inf


def test_a_score_pools_over_utterances() -> None:
    found = score(["A B C D", "E", ""], ["A B C D", "F", ""])
    assert found == Score(ErrorCounts(4, 1, 0, 0), ErrorCounts(7, 1, 0, 0), utterances=3, sentence_errors=1)
    assert found.words.rate == 0.2  # not the mean of 0 and 1


def test_white_space_makes_no_sentence_error() -> None:
    found = score(["A\tB"], [" A  B "])
    assert (found.sentence_errors, found.words.errors, found.characters.errors) == (0, 0, 0)


def test_nothing_at_all_can_be_scored() -> None:
    assert score([], []) == Score(ErrorCounts(0, 0, 0, 0), ErrorCounts(0, 0, 0, 0), 0, 0)


@pytest.mark.parametrize("count", [word_errors, character_errors, score])
def test_numbers_that_differ_are_refused(count) -> None:
    with pytest.raises(ValueError, match=r"2 .*1|longer|shorter"):
        count(["A", "B"], ["A"])
