"""Readable text: counts of marks and case by hand, and what must hold for any texts."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import UsageError
from asr.score import evaluate
from asr.score.bootstrap import Bootstrap
from asr.score.labels import LabelCounts
from asr.score.readable import NUMBERS, WORDS, WRITTEN, ReadableResult, as_written, measure_readable, words_of
from asr.text.labels import Case, Mark, written

QUICK = Bootstrap(samples=0)


def measure(reference: str, hypothesis: str | None) -> ReadableResult:
    return measure_readable([reference], [[hypothesis]], "levenshtein", QUICK)[0]


def marks_of(result: ReadableResult) -> dict[str, tuple[int, int, int]]:
    """(reference, hypothesis, hits) of the marks that are in a text."""
    return {
        mark.text.strip(): (counts.reference, counts.hypothesis, counts.hits)
        for mark, counts in result.marks.items()
        if counts.reference or counts.hypothesis
    }


def test_marks_and_case_counted_by_hand() -> None:
    result = measure("Well, said McCoy, is it NASA? Go home.", "Well said Mccoy, is it nasa. Go home!")
    assert marks_of(result) == {",": (2, 1, 1), "?": (1, 0, 0), ".": (1, 1, 0), "!": (0, 1, 0)}
    assert result.mark_errors.counts == (1, 2, 1, 0)  # the comma behind Well is deleted; ? and . have another mark
    assert result.mark_errors.rate == 3 / 4
    assert (result.marks[Mark.COMMA].precision, result.marks[Mark.COMMA].recall, result.marks[Mark.COMMA].f1) == (1, 1 / 2, 2 / 3)
    assert (result.case.words, result.case.right) == (8, 7)
    assert (result.names.words, result.names.right) == (2, 1)  # McCoy and NASA; Well and Go start sentences
    assert result.utterances.tolist() == [[3, 1]]


def test_word_error_rates_of_the_forms() -> None:
    result = measure("“It’s late”, he said—twenty five men left.", '"it\'s late" he said: 25 men left')
    written = result.forms[WRITTEN].words  # "It's late", he said – twenty five men left.
    assert (written.hits, written.reference_length) == (2, 9)  # he, men
    assert result.forms[WORDS].words.counts == (6, 1, 1, 0)
    pytest.importorskip("whisper_normalizer")
    assert result.forms[NUMBERS].words.errors == 0


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("He went home, then left.", "He went, then left.", {",": (1, 1, 1), ".": (1, 1, 1)}),  # a deleted word with a mark
        ("He went, then left.", "He went home, then left.", {",": (1, 1, 1), ".": (1, 1, 1)}),  # an inserted word with a mark
        ("He went. home, then.", "He went, then.", {",": (1, 1, 1), ".": (2, 1, 1)}),  # two marks in a slot
        ("One, two.", "Won, too.", {",": (1, 1, 1), ".": (1, 1, 1)}),  # substituted words keep their places
        ("It was twenty five.", "It was 25.", {".": (1, 1, 1)}),
        ("Yes.", "", {".": (1, 0, 0)}),
        ("", "Yes.", {".": (0, 1, 0)}),
        ("Yes; no", "Yes, no", {",": (1, 1, 1)}),  # a semicolon is a comma
        ("so—he said—it was", "so - he said -- it was", {"–": (2, 2, 2)}),
        ("“Yes,” he said. ‘No’", "\"Yes\", he said. 'No'", {",": (1, 1, 1), ".": (1, 1, 1)}),
        ("Wait… what?!", "Wait. What?", {".": (1, 1, 1), "?": (1, 1, 1)}),
        ("你好，世界。", "你好, 世界.", {",": (1, 1, 1), ".": (1, 1, 1)}),
    ],
)
def test_where_marks_count(reference: str, hypothesis: str, expected: dict[str, tuple[int, int, int]]) -> None:
    assert marks_of(measure(reference, hypothesis)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Hill and Dr. J. Low", "mr hill and dr j low"),
        ("It cost $1,200.50, or 7,5.", "it cost 1200 50, or 7 5."),
        ("at 7 p.m. on Monday", "at 7 pm on monday"),
        ("at 7 p.m. They left", "at 7 pm. they left"),
        ("at 7 p.m.", "at 7 pm."),
        ("the U.S. Navy left the U.S.", "the us navy left the us."),
        ("No. 5, but no. So did I. Then", "no 5, but no. so did i. then"),
        ("Yes. no. Maybe", "yes. no. maybe"),
        ("a.b.c.d.e", "a b c d e"),
        ("… ?! “”", ""),
    ],
)
def test_stops_of_abbreviations_are_no_marks(text: str, expected: str) -> None:
    assert " ".join(word.text + word.mark.text for word in words_of(text)) == expected


def test_words_without_case_do_not_count_for_it() -> None:
    result = measure("你好 世界 25", "你好 世界 25")
    assert result.case.words == 0
    assert result.case.accuracy is None
    assert result.names.accuracy is None
    assert result.forms[WORDS].words.counts == (3, 0, 0, 0)


@pytest.mark.parametrize(("reference", "hypothesis"), [("", ""), ("GO ON", "GO ON"), ("?! …", "— ;"), ("go on", None)])
def test_without_marks_nothing_is_defined(reference: str, hypothesis: str | None) -> None:
    result = measure(reference, hypothesis)
    for counts in (*result.marks.values(), result.all_marks):
        assert (counts.precision, counts.recall, counts.f1) == (None, None, None)


WRITTEN_TEXTS = st.lists(
    st.sampled_from(["Go", "on", "Paris,", "NASA.", "I'll", "what?", "no!", "thus:", "—", "25", "Mr.", "“so”", "…"])
).map(" ".join)


@given(st.lists(WRITTEN_TEXTS, min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_text_is_equal_to_itself(texts: list[str]) -> None:
    (result,) = measure_readable(texts, [texts], "levenshtein", QUICK)
    assert result.mark_errors.errors == 0
    assert all(counts.f1 in (None, 1.0) for counts in (*result.marks.values(), result.all_marks))
    assert result.case.accuracy in (None, 1.0)
    assert result.names.accuracy in (None, 1.0)
    assert all(form.words.errors == 0 for form in result.forms.values())


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_mark_is_counted_once(reference: str, hypothesis: str) -> None:
    result = measure(reference, hypothesis)
    found = [sum(word.mark is not Mark.NONE for word in words_of(text)) for text in (reference, hypothesis)]
    assert [result.all_marks.reference, result.all_marks.hypothesis] == found
    assert [
        result.mark_errors.reference_length,
        result.mark_errors.hits + result.mark_errors.substitutions + result.mark_errors.insertions,
    ] == found
    assert result.all_marks.hits <= min(found)
    swapped = measure(hypothesis, reference)
    assert {m: (c.hypothesis, c.reference) for m, c in swapped.marks.items()} == {
        m: (c.reference, c.hypothesis) for m, c in result.marks.items()
    }


@given(st.lists(st.tuples(WRITTEN_TEXTS, WRITTEN_TEXTS, WRITTEN_TEXTS), min_size=2, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_neither_order_changes_a_figure(texts: list[tuple[str, str, str]], order: random.Random) -> None:
    references, ours, theirs = (list(side) for side in zip(*texts, strict=True))
    first, second = measure_readable(references, [ours, theirs], "levenshtein", QUICK)
    shuffled = order.sample(texts, len(texts))
    references, ours, theirs = (list(side) for side in zip(*shuffled, strict=True))
    other, same = measure_readable(references, [theirs, ours], "levenshtein", QUICK)
    for before, after in ((first, same), (second, other)):
        assert (before.marks, before.all_marks, before.mark_errors) == (after.marks, after.all_marks, after.mark_errors)
        assert (before.case, before.names, before.forms) == (after.case, after.names, after.forms)


def test_intervals_are_those_of_a_ratio_of_sums() -> None:
    references = ["Go on, please."] * 40
    found = evaluate(references, ["Go on, please."] * 20 + ["go on please."] * 20, readable=True).systems[0].readable
    assert found
    comma = found.marks[Mark.COMMA]
    assert comma.f1 == 2 / 3
    assert comma.interval
    random_shares = np.random.default_rng(1).binomial(40, 0.5, 20_000) / 40
    low, high = np.quantile(2 * random_shares / (1 + random_shares), [0.025, 0.975])
    assert (comma.interval.low, comma.interval.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))
    assert found.case.interval
    assert found.case.interval.low < found.case.right / found.case.words < found.case.interval.high


def test_long_texts_take_seconds() -> None:
    words = [f"Word{i % 977}, and" for i in range(6_000)]
    began = time.perf_counter()
    result = measure(" ".join(words), " ".join(words[7:]).replace(",", ";"))
    assert result.marks[Mark.COMMA].hits == len(words) - 7
    for text in ("Mr. " * 50_000 + " " * 50_000, "a." * 50_000, "a." * 50_000 + "bc", "No." * 50_000, "1,000" * 20_000, "- " * 50_000):
        words_of(text)
        as_written(text)
    assert time.perf_counter() - began < 20


def test_dashes_and_quotes_are_written_in_one_form() -> None:
    assert as_written("«It’s» he—said - so…") == '"It\'s" he – said – so...'


def test_without_whispers_normaliser_its_rate_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise UsageError("not installed")

    monkeypatch.setattr("asr.score.readable.load_normalizer", refuse)
    assert list(measure("Go.", "Go!").forms) == [WRITTEN, WORDS]


@given(
    st.lists(
        st.tuples(st.sampled_from(["go", "Go", "GO"]), st.sampled_from(Mark), st.sampled_from(Case), st.sampled_from(Mark)), min_size=1
    )
)
@settings(max_examples=40, deadline=None)
def test_equal_words_are_counted_as_in_training(drawn: list[tuple[str, Mark, Case, Mark]]) -> None:
    reference = " ".join(word + mark.text for word, mark, _, _ in drawn)
    hypothesis = " ".join(written("go", case) + mark.text for _, _, case, mark in drawn)
    result, counts = measure(reference, hypothesis), LabelCounts()
    counts.add(words_of(reference), words_of(hypothesis))
    for mark, found in result.marks.items():
        assert (found.reference, found.hypothesis, found.hits) == (
            counts.marks[mark].sum(),
            counts.marks[:, mark].sum(),
            counts.marks[mark, mark],
        )
    assert (result.case.words, result.case.right) == (counts.words, counts.right_cases)
    assert (result.names.words, result.names.right) == (counts.names, counts.right_names)
    off = counts.marks[1:, 1:].sum() - np.trace(counts.marks[1:, 1:])
    assert result.mark_errors.counts == (np.trace(counts.marks[1:, 1:]), off, counts.marks[1:, 0].sum(), counts.marks[0, 1:].sum())
