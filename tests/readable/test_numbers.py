"""Number words as digits: clear ones only, never at the cost of other words."""

from __future__ import annotations

import random

import pytest

from asr.readable.cardinals import NUMBER_WORDS, ORDINALS, cardinal
from asr.readable.numbers import digits
from asr.text.labels import Mark

MARKS = {",": Mark.COMMA, ".": Mark.FULL_STOP, "?": Mark.QUESTION}


def rewritten(text: str) -> str:
    """Rewrite a text; words with a capital are written so, and a comma or full stop ends a phrase."""
    chunks = text.split()
    words = [chunk.rstrip(",.?").lower() for chunk in chunks]
    found = digits(words, [chunk[0].isupper() for chunk in chunks], [MARKS.get(chunk[-1], Mark.NONE) for chunk in chunks])
    for rewrite in reversed(found):
        mark = chunks[rewrite.end - 1][-1]
        chunks[rewrite.start : rewrite.end] = [rewrite.text + (mark if mark in ",?" else "")]
    return " ".join(chunks)


CLEAR = {
    "twenty one": "21",
    "a hundred and one": "101",
    "one hundred and one": "101",
    "between one hundred and two hundred": "between 100 and 200",
    "between one hundred and five": "between 100 and five",
    "three hundred and sixty five days": "365 days",
    "twelve hundred and six": "1206",
    "fifteen hundred men": "1500 men",
    "three hundred thousand": "300,000",
    "one million two hundred thousand": "1,200,000",
    "one hundred twenty three thousand four hundred and fifty six": "123,456",
    "two point five million": "2.5 million",
    "zero point five": "0.5",
    "nineteen oh five": "1905",
    "nineteen eighty four": "1984",
    "in nineteen o five": "in 1905",
    "in the nineteen eighties": "in the 1980s",
    "eighteen hundred": "1800",
    "two thousand and five": "2005",
    "in twenty twenty": "in 2020",
    "in May twenty nineteen": "in May 2019",
    "the first of May": "the 1st of May",
    "May the fifth": "May the 5th",
    "on the twenty first of June": "on the 21st of June",
    "June twenty first": "June 21st",
    "the twenty first century": "the 21st century",
    "ten o'clock": "10 o'clock",
    "one o'clock": "1 o'clock",
    "seven a m": "7 a.m.",
    "seven thirty p m": "7:30 p.m.",
    "at ten fifteen": "at 10:15",
    "five dollars": "$5",
    "twenty five dollars and fifty cents": "$25.50",
    "it costs one million dollars": "it costs $1 million",
    "five percent": "5%",
    "five per cent": "5%",
    "thirty seconds": "30 seconds",
    "chapter three": "chapter 3",
    "ten or twelve people": "10 or 12 people",
    "five to ten minutes": "5 to 10 minutes",
    "three four seven oh two": "34702",
    "FIVE FIVE FIVE ONE TWO ONE TWO": "5551212",
    "ENTER SIX ONE EIGHT": "ENTER 618",
    "ten, twenty, thirty": "10, 20, 30",
}

KEPT = [
    "",
    "five",
    "zero",
    "one of us",
    "no one came",
    "we two",
    "one third of them",
    "hundreds of people",
    "minus five",
    "twenty twenty",
    "twenty twenty vision",
    "two twenty two",
    "ten sixty six",
    "half past seven",
    "a quarter past two",
    "two or three people",
    "one or two",
    "second thoughts",
    "wait a second",
    "the thirties",
    "the third man",
    "the thirty second mark",
    "six foot two",
    "four and twenty blackbirds",
    "Louis the fourteenth",
    "oh dear",
    "a hundred",
    "a hundred men",
    "thousand",
    "one hundred one hundred",
    "one two three four",
    "RUBOUT G M E F THREE NINE",
    "it may first seem odd",
    "i'll come, one day",
    "one, two",
    "at one point five men came",
]


@pytest.mark.parametrize(("words", "expected"), CLEAR.items())
def test_clear_numbers_are_written_in_digits(words: str, expected: str) -> None:
    assert rewritten(words) == expected


@pytest.mark.parametrize("words", KEPT)
def test_ambiguous_numbers_and_other_words_stay(words: str) -> None:
    assert rewritten(words) == words


def test_commas_in_a_long_string_of_digits_are_pauses() -> None:
    assert rewritten("call two one five, five five, two oh four now") == "call 21555204 now"
    assert rewritten("five six, seven, eight") == "five six, seven, eight"
    assert rewritten("one two three, four five. six seven") == "one two three, four five. six seven"
    assert rewritten("one two three. four five six") == "one two three. 456"


def test_may_is_a_month_only_with_a_capital() -> None:
    assert rewritten("I may fifth") == "I may fifth"
    assert rewritten("on May fifth") == "on May 5th"


def test_any_words_are_covered_once_and_in_order() -> None:
    vocabulary = [
        *sorted({*NUMBER_WORDS, *ORDINALS}),
        "and",
        "a",
        "oh",
        "point",
        "dollars",
        "cents",
        "percent",
        "per",
        "p",
        "m",
        "of",
        "may",
        "or",
        "x",
    ]
    chance = random.Random(1)
    for _ in range(4000):
        words = chance.choices(vocabulary, k=chance.randint(0, 9))
        flags = [chance.random() < 0.2 for _ in words]
        end = 0
        marks = [chance.choice(list(Mark)) if flag else Mark.NONE for flag in flags]
        for rewrite in digits(words, flags, marks):
            assert end <= rewrite.start < rewrite.end <= len(words), words
            assert rewrite.text, words
            assert {*words[rewrite.start : rewrite.end]} & {*NUMBER_WORDS, *ORDINALS}, words
            end = rewrite.end


def test_a_spoken_number_has_its_value() -> None:
    for value in [*range(2100), 12_345, 100_000, 999_999, 1_000_001, 2_300_400]:
        words = spoken(value)
        found = cardinal(words, 0)
        assert found is not None, words
        assert (found.value, found.end) == (value, len(words))


def spoken(value: int) -> list[str]:
    """Spell a number in English, independently of the parser."""
    units = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    )
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    if value < 20:
        return [units.split()[value]]
    if value < 100:
        return [tens.split()[value // 10 - 2], *(spoken(value % 10) if value % 10 else [])]
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if value >= size:
            rest = value % size
            joint = ["and"] if 0 < rest < 100 else []
            return [*spoken(value // size), name, *joint, *(spoken(rest) if rest else [])]
    raise AssertionError
