"""Evaluations of one system and of several: figures by hand, and the cases where something is empty or missing."""

from __future__ import annotations

import math
import unicodedata

import numpy as np
import pytest

import asr
from asr.errors import UsageError
from asr.score.alignment import align
from asr.score.bootstrap import Bootstrap
from asr.score.compounds import find_compounds
from asr.score.evaluation import evaluate
from asr.score.groups import UNKNOWN, label, measure
from asr.score.wer import ErrorCounts


def test_it_can_be_had_from_the_package() -> None:
    found = asr.score.evaluate(["GO ON", "STOP NOW"], ["GO ON", "STOP"])
    assert found.systems[0].words == ErrorCounts(3, 0, 1, 0)
    assert found.systems[0].words.rate == 0.25


@pytest.mark.parametrize(
    ("reference", "hypothesis", "normalizer", "counts", "rate"),
    [  # counts as jiwer 4 has them
        ("", "", "none", (0, 0, 0, 0), 0.0),
        ("", "A B", "none", (0, 0, 0, 2), math.inf),
        ("A B", "", "none", (0, 0, 2, 0), 1.0),
        ("A B", None, "none", (0, 0, 2, 0), 1.0),
        ("A B", " \t ", "none", (0, 0, 2, 0), 1.0),
        ("... !", "...", "none", (1, 0, 1, 0), 0.5),
        ("... !", "...", "librispeech", (0, 0, 0, 0), 0.0),
        ("... !", "uh", "librispeech", (0, 0, 0, 1), math.inf),
        ("Well-known.", "well known", "librispeech", (2, 0, 0, 0), 0.0),
    ],
)
def test_empty_texts(reference: str, hypothesis: str | None, normalizer: str, counts: tuple[int, ...], rate: float) -> None:
    found = evaluate([reference], [hypothesis], normalizer=normalizer).systems[0]
    assert found.words.counts == counts
    assert found.words.rate == rate
    assert found.sentence_errors == int(found.words.errors > 0)
    assert found.interval is None


def test_what_looks_the_same_is_the_same() -> None:
    composed, apart = (unicodedata.normalize(form, "žluťoučký kůň Å 한국") for form in ("NFC", "NFD"))
    assert composed != apart
    for reference, hypothesis in ((composed, apart), (apart, composed)):
        system = evaluate([reference], [hypothesis]).systems[0]
        assert (system.words.counts, system.characters.counts) == ((4, 0, 0, 0), (len(composed), 0, 0, 0))
    assert evaluate([apart], ["x"]).references == [apart]  # a report shows it as it was read


def test_figures_by_hand() -> None:
    references = {"a": "THE CAT SAT", "b": "GO HOME", "c": "YES"}
    hypotheses = {"a": "THE CAT SAD", "b": "GO HOME NOW", "d": "NO"}
    details = {"a": {"speaker": "x", "duration": 1.0}, "b": {"speaker": "x", "duration": 2.0}, "c": {"speaker": "y"}}
    found = evaluate(references, hypotheses, details=details, by=["speaker"])
    system = found.systems[0]
    assert system.words == ErrorCounts(4, 1, 1, 1)
    assert system.words.rate == 0.5
    assert system.characters.reference_length == 11 + 7 + 3
    assert (system.sentence_errors, system.utterances, system.sentence_error_rate) == (3, 3, 1.0)
    assert (system.missing, system.extra) == (("c",), ("d",))
    assert system.utterance_words.tolist() == [[2, 1, 0, 0], [2, 0, 0, 1], [0, 0, 1, 0]]
    assert [(g.value, g.utterances, g.words.errors) for g in system.groups["speaker"]] == [("x", 2, 2), ("y", 1, 1)]
    assert [(g.value, g.words.errors) for g in system.groups["duration"]] == [("< 2 s", 1), ("2-5 s", 1), (UNKNOWN, 1)]
    assert system.lists.confusions == (("SAT", "SAD", 1),)
    assert (system.lists.insertions, system.lists.deletions) == ((("NOW", 1),), (("YES", 1),))
    assert system.worst == ("c", "b", "a")
    skipped = evaluate(references, hypotheses, missing="skip").systems[0]
    assert (skipped.words, skipped.missing) == (ErrorCounts(4, 1, 0, 1), ("c",))


def test_lists_are_sorted_and_recall_is_counted() -> None:
    found = evaluate(["A A B B", "A B C", "C C D"], ["A X X B", "X B", "C C D"]).systems[0].lists
    assert found.confusions == (("A", "X", 2), ("B", "X", 1))
    assert [(r.word, r.count, r.hits) for r in found.low_recall] == [("A", 3, 1), ("B", 3, 2), ("C", 3, 2)]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("EVERY ONE CAME", "EVERYONE CAME", [("EVERY ONE", "EVERYONE")]),
        ("EVERYONE CAME", "EVERY ONE CAME", [("EVERYONE", "EVERY ONE")]),
        (
            "SOME TIMES IT IS NEVERTHELESS",
            "SOMETIMES IT IS NEVER THE LESS",
            [("SOME TIMES", "SOMETIMES"), ("NEVERTHELESS", "NEVER THE LESS")],
        ),
        ("AN ICE DAY", "A NICE DAY", [("AN ICE", "A NICE")]),
        ("X EVERY ONE Y", "Z EVERYONE W", [("EVERY ONE", "EVERYONE")]),
        ("EVERY ONE", "EVERYBODY", []),
        ("ONE", "WON", []),
        ("A B", "", []),
    ],
)
@pytest.mark.parametrize("kind", ["levenshtein", "sclite"])
def test_compounds(reference: str, hypothesis: str, expected: list[tuple[str, str]], kind) -> None:
    assert list(find_compounds(align(reference.split(), hypothesis.split(), kind))) == expected


def test_compounds_have_a_share_of_the_errors() -> None:
    found = evaluate(["EVERY ONE CAME HOME", "EVERY ONE"], ["EVERYONE CAME", "EVERYONE"]).systems[0]
    compounds = found.lists.compounds
    assert found.words.errors == 5
    assert (compounds.count, compounds.errors, compounds.share_of_errors) == (2, 4, 0.8)
    assert compounds.examples == (("EVERY ONE", "EVERYONE", 2),)


# ---------------------------------------------------------------- groups


def test_keys_become_groups() -> None:
    details = [{"gender": "f", "snr": float(i), "n": i % 2} for i in range(20)]
    found = label(["gender", "snr", "n", "length"], details, [0, 1, 5, 6, 50] * 4)
    assert found.keys() == {"length", "gender", "snr", "n"}
    assert found["length"][:5] == ["0 words", "1-5 words", "1-5 words", "6-10 words", "> 40 words"]
    assert len(set(found["snr"])) == 5  # many different numbers are cut into bins of equal size
    assert {found["snr"].count(value) for value in found["snr"]} == {4}
    assert found["n"][:2] == ["0", "1"]
    with pytest.raises(UsageError, match="--by sex: no utterance has this key; there are gender, length, n, snr"):
        label(["sex"], details, [1] * 20)


def test_groups_are_in_order_and_add_up() -> None:
    random = np.random.default_rng(0)
    labels = [f"s{i % 11}" for i in range(100)] + [UNKNOWN]
    words = random.integers(0, 5, (101, 4))
    groups = measure(labels, words, Bootstrap(samples=50))
    assert [g.value for g in groups] == [f"s{i}" for i in range(11)] + [UNKNOWN]
    assert sum(g.utterances for g in groups) == 101
    assert np.array([g.words.counts for g in groups]).sum(axis=0).tolist() == words.sum(axis=0).tolist()
    assert all(g.low is not None and g.high is not None and g.low <= g.words.rate <= g.high for g in groups[:-1])
    assert groups[-1].low is None
    bins = measure(["≥ 30 s", "< 2 s", "10-15 s", "2-5 s"], words[:4], Bootstrap(samples=0))
    assert [g.value for g in bins] == ["< 2 s", "2-5 s", "10-15 s", "≥ 30 s"]


def test_intervals_over_speakers_are_wider_where_speakers_differ() -> None:
    references, hypotheses, details = [], [], []
    for speaker in range(10):
        for i in range(20):
            references.append("A B C D")
            hypotheses.append("A B C D" if speaker % 2 or i == 0 else "A X C Y")
            details.append({"speaker": speaker})
    found = evaluate(references, hypotheses, details=details).systems[0]
    assert found.interval
    assert found.interval_by_speaker
    assert found.interval_by_speaker.unit == "speakers"
    assert found.interval_by_speaker.high - found.interval_by_speaker.low > 2 * (found.interval.high - found.interval.low)
    assert evaluate(references[:60], hypotheses[:60], details=details[:60]).systems[0].interval_by_speaker is None  # three are too few


# ---------------------------------------------------------------- comparisons


def test_the_better_system_is_named() -> None:
    references = ["A B C D E F G H"] * 60
    good, bad = list(references), ["A X C D E Y G H"] * 60
    found = evaluate(references, bad, good, names=["bad", "good"])
    (comparison,) = found.comparisons
    assert comparison.better == "good"
    assert comparison.difference == 0.25
    assert comparison.verdict.startswith(
        "good is better than bad by 25.00 points of WER (95 % interval 25.00 to 25.00, matched pairs p < 0.001"
    )
    reverse = evaluate(references, good, bad, names=["good", "bad"]).comparisons[0]
    assert (reverse.better, reverse.difference) == ("good", -0.25)


def test_a_small_difference_has_no_winner() -> None:
    references = ["A B C D"] * 30
    first = ["A B C X", *references[1:]]
    comparison = evaluate(references, first, references, names=["a", "b"]).comparisons[0]
    assert comparison.better is None
    assert comparison.verdict.startswith("no clear winner: b is ahead of a by 0.83 points of WER (95 % interval 0.00 to ")
    reverse = evaluate(references, references, first, names=["b", "a"]).comparisons[0]
    assert reverse.verdict == comparison.verdict  # which end is 0 does not make it -0
    same = evaluate(references, first, first, names=["a", "b"]).comparisons[0]
    assert same.verdict == "no clear winner: a and b have equally many errors"
    assert (same.p_bootstrap, same.matched_pairs.p) == (1.0, 1.0)


def test_every_two_systems_are_compared() -> None:
    found = evaluate(["A B"], ["A"], ["B"], ["A B"])
    assert [(c.a, c.b) for c in found.comparisons] == [("system-1", "system-2"), ("system-1", "system-3"), ("system-2", "system-3")]


def test_examples_of_normalisation_come_from_both_sides() -> None:
    found = evaluate(["A.", "B", "C!", "D?"], ["a", "b", "C", "d"], normalizer="librispeech")
    assert found.examples == (("A.", "A"), ("a", "A"), ("C!", "C"), ("b", "B"), ("D?", "D"))
    assert evaluate(["A  B"], ["A B"]).examples == ()


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((["A"],), {}, "no hypotheses"),
        (([], []), {}, "no references"),
        ((["A"], ["A"]), {"level": 1.5}, "level is 1.5"),
        ((["A"], ["A"]), {"missing": "drop"}, "missing is drop, expected delete or skip"),
        ((["A"], ["A"]), {"alignment": "x"}, "alignment is x, expected levenshtein or sclite"),
        ((["A"], ["A", "B"]), {}, "1 here, 2 there"),
        ((["A"], ["A"], ["A"]), {"names": ["x", "x"]}, "2 systems"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple, options: dict, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        evaluate(*arguments, **options)
    with pytest.raises(TypeError, match="not one text"):
        evaluate("A", "A")
