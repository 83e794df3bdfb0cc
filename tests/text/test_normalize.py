"""Text as LibriSpeech writes it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.text.normalize import normalize_librispeech


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("  hello \t\n world ", "HELLO WORLD"),
        ("“Well-known,” said Zoë; it’s 5 o'clock.", "WELL KNOWN SAID ZOE IT'S O'CLOCK"),
        ("don`t don´t donʼt don＇t don′t don‘t", "DON'T DON'T DON'T DON'T DON'T DON'T"),
        ("’Tis the dogs’ dinner", "'TIS THE DOGS' DINNER"),
        ("it is ' alone, 5's too", "IT IS ALONE 'S TOO"),
        ("a - b – c — d−e‐f", "A B C D E F"),
        ("Ærøskøbing, Łódź, straße, œuvre, ﬁne", "AEROSKOBING LODZ STRASSE OEUVRE FINE"),
        ("na\u00efve nai\u0308ve", "NAIVE NAIVE"),
        ("co\u00adoperate zero\u200bwidth", "COOPERATE ZEROWIDTH"),
        ("wait...what? yes/no", "WAIT WHAT YES NO"),
        ("Москва 東京 ١٢٣ 🙂", ""),
        ("ALREADY AS IT SHOULD BE", "ALREADY AS IT SHOULD BE"),
    ],
)
def test_worked_examples(text: str, expected: str) -> None:
    assert normalize_librispeech(text) == expected


@given(st.text())
def test_the_result_is_words_of_the_alphabet(text: str) -> None:
    normalized = normalize_librispeech(text)
    assert re.fullmatch(r"(?:[A-Z']+(?: [A-Z']+)*)?", normalized)
    assert all(re.search("[A-Z]", word) for word in normalized.split())


@given(st.text())
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    once = normalize_librispeech(text)
    assert normalize_librispeech(once) == once


@given(st.text(alphabet="ABCXYZ' ", max_size=40))
def test_letters_are_never_lost(text: str) -> None:
    assert re.findall("[A-Z]", normalize_librispeech(text)) == re.findall("[A-Z]", text)
