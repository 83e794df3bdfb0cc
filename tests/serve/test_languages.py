"""Languages as clients write them."""

from __future__ import annotations

import pytest

from asr.serve.languages import language_name, same_language


@pytest.mark.parametrize("given", ["en", "EN", "eng", "english", "English", "en-US", "en_us", " en-GB "])
def test_forms_of_english(given: str) -> None:
    assert same_language(given, "en")


@pytest.mark.parametrize("given", ["", "-", "de", "en-", "engl", "german", "e" * 1000, "\u00e9n", "auto", "123", "e\x00n"])
def test_other_texts_are_not_english(given: str) -> None:
    assert not same_language(given, "en")


@pytest.mark.parametrize(
    ("given", "code"),
    [("ger", "de"), ("Deu", "de"), ("de-AT", "de"), ("cmn", "zh"), ("zh-Hant", "zh"), ("upper sorbian", "hsb"), ("xx", "xx")],
)
def test_other_languages(given: str, code: str) -> None:
    assert same_language(given, code)


def test_names() -> None:
    assert [language_name(code) for code in ("en", "de", "hsb", "no", "xx")] == ["English", "German", "Upper Sorbian", "Norwegian", "xx"]
