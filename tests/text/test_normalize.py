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
        ("’Tis the dogs’ dinner", "TIS THE DOGS' DINNER"),
        ("'Well,' he said, ''no''.", "WELL HE SAID NO"),
        ("‘It’s John’s’, ‘yes’ or ‚no‘", "IT'S JOHN'S YES OR NO"),
        ("the boys' 'big' day; rock 'n' roll", "THE BOYS' BIG DAY ROCK N ROLL"),
        ("it is ' alone, 5's too", "IT IS ALONE S TOO"),
        ("Guðmundur GUÐMUNDUR Þór İstanbul ħ đ ŋ ſ", "GUDMUNDUR GUDMUNDUR THOR ISTANBUL H D NG S"),
        ("Acme™ №5 ½ Ⅳ ﷽", "ACME IV"),
        ("Hawaiʻi ＦＵＬＬ", "HAWAI'I FULL"),
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


def test_latin_letters_beyond_the_alphabet_are_spelled_in_it() -> None:
    """No letter of the Latin blocks divides a word."""
    letters = [chr(code) for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)) if chr(code).isalpha()]
    assert [c for c in letters if len(normalize_librispeech(f"a{c}b").split()) != 1] == []
