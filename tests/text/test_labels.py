"""Labels of words: cased text to labels, and back."""

from __future__ import annotations

import pytest

from asr.text.labels import Case, LabelledWord, Mark, case_of, labelled_words, written


@pytest.mark.parametrize(
    "text",
    [
        "Well, said McCoy, is it NASA?",
        "I'll see O'Brien and the FBI's men at ten o'clock.",
        "May I – if I may – come in May?",
        "Stop! He had three: one, two and three.",
        "Zoë naît ici.",
        "yes",
        "",
    ],
)
def test_a_text_is_written_back_from_its_labels(text: str) -> None:
    assert " ".join(written(word.text, word.case) + word.mark.text for word in labelled_words(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Well-known," said he; (it is so).', "well/1 known/0, said/0 he/0, it/0 is/0 so/0."),
        ("river--and sea\u2014then", "river/0 – and/0 sea/0 – then/0"),
        ("what?!... Oh\u2026 no", "what/0? oh/1. no/0"),
        ("the dog 's tail - a long one ' .", "the/0 dog/0 s/0 tail/0 – a/0 long/0 one/0."),
        ("it\u2019s \u2018so\u2019", "it's/0 so/0"),
        ("... ! ?", ""),
    ],
)
def test_quotes_hyphens_and_dashes(text: str, expected: str) -> None:
    assert " ".join(f"{word.text}/{word.case.value}{word.mark.text}" for word in labelled_words(text)) == expected


def test_cases_of_words() -> None:
    words = {"i": Case.LOWER, "I": Case.CAPITAL, "A": Case.CAPITAL, "NASA": Case.UPPER, "NASA's": Case.UPPER, "McDonald": Case.CAPITAL}
    assert {word: case_of(word) for word in words} == words


def test_labels_are_whole_numbers_from_zero() -> None:
    assert [*Case] == [0, 1, 2]
    assert [*Mark] == list(range(7))
    assert LabelledWord("a", Case.LOWER, Mark.FULL_STOP).mark.ends_sentence
