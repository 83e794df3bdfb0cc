"""Readable text of timed words, with labels that are given instead of a network's."""

from __future__ import annotations

import numpy as np
import pytest
from readable_support import Given, timed

from asr.readable.numbers import CONNECTED
from asr.readable.text import TITLES, Numbers, ReadableStream, Token, readable_text
from asr.transcript import Word


def tokens_of(text: str, numbers: Numbers = "digits", split: int = 1000, late: int = 0) -> list[Token]:
    stream = ReadableStream(Given(text, late), numbers)
    words = timed(text)
    found = [token for start in range(0, len(words), split) for token in stream.add(words[start : start + split])]
    return [*found, *stream.finish()]


TEXTS = {
    "she walked down to the river with Mister Oldenby.": "She walked down to the river with Mr. Oldenby.",
    "Hey mister, is the doctor in? Doctor Brown is.": "Hey mister, is the doctor in? Dr. Brown is.",
    "I'll come at ten o'clock. May I? On the first of May.": "I'll come at 10 o'clock. May I? On the 1st of May.",
    "It was nineteen oh five. one of us left.": "It was 1905. One of us left.",
    "We met at seven thirty p m. It rained.": "We met at 7:30 p.m. It rained.",
    "Twenty, thirty.": "20, 30.",
    "five five five one two one two": "5551212",
    "two one five, five five five, two oh four. Why?": "215555204. Why?",
    "six, seven, eight, they said.": "Six, seven, eight, they said.",
    "why? asked he": "Why? asked he",
    "go": "Go",
    "Rubout g m e a three nine.": "Rubout G M E A three nine.",
    "a plan b and a plan, o my friend, i say.": "A plan B and a plan, o my friend, I say.",
    "at seven a m we met.": "At 7 a.m. we met.",
    "": "",
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items())
def test_texts(text: str, expected: str) -> None:
    assert readable_text(tokens_of(text)) == expected


def test_numbers_may_stay_in_words() -> None:
    assert readable_text(tokens_of("It was nineteen oh five.", "words")) == "It was nineteen oh five."


def test_every_token_keeps_the_times_of_its_words() -> None:
    tokens = tokens_of("It was nineteen oh five when Mister Ray left.")
    assert [(token.text, token.first, token.last) for token in tokens] == [
        ("It", 0, 1), ("was", 1, 2), ("1905", 2, 5), ("when", 5, 6), ("Mr.", 6, 7), ("Ray", 7, 8), ("left.", 8, 9),
    ]  # fmt: skip
    year = tokens[2]
    assert (year.start, year.end, year.probability) == (pytest.approx(1.2), pytest.approx(2.9), pytest.approx(0.96))


@pytest.mark.parametrize("late", [0, 3, 20])
@pytest.mark.parametrize("split", [1, 2, 5])
def test_the_text_does_not_depend_on_segments(split: int, late: int) -> None:
    text = "It was in nineteen oh five. We had twenty five dollars, and no more? Mister Ray laughed."
    assert tokens_of(text, split=split, late=late) == tokens_of(text)


def test_pauses_reach_across_segments_and_are_never_negative() -> None:
    given = Given("one two three.")
    stream = ReadableStream(given)
    first, second, third = timed("one two three.")
    stream.add([first])
    stream.add([Word(second.text, 0.4, 2.0, 1.0), Word(third.text, 3.0, 3.2, 1.0)])
    stream.finish()
    assert given.pauses == [0.0, 1.0, None]


def test_a_text_without_marks_is_written_in_parts() -> None:
    text = " ".join(["word"] * 450)
    stream = ReadableStream(Given(text))
    assert len(stream.add(timed(text))) == 449  # the pause behind the last one is not known
    assert len(stream.finish()) == 1


def test_words_are_written_as_soon_as_nothing_behind_them_can_change_them() -> None:
    stream = ReadableStream(Given("we had twenty five dollars and mister Ray laughed."))
    written = [[token.text for token in stream.add([word])] for word in timed("we had twenty five dollars and mister ray laughed")]
    assert written == [[], ["We"], ["had"], [], [], [], [], [], ["$25", "and", "Mr.", "Ray"]]
    assert [token.text for token in stream.finish()] == ["laughed."]


PLAIN = ["we", "saw", "it", "may", "june", "the", "Ray", "seven"]
SPOKEN = [*sorted(CONNECTED), *PLAIN, *TITLES, "in", "at", "chapter", "between", "thirds", "seconds", "cent", "another"]


@pytest.mark.parametrize("seed", range(200))
def test_rewrites_do_not_depend_on_when_words_arrive(seed: int) -> None:
    """Random texts of words that numbers and titles are made of."""
    random = np.random.default_rng(seed)
    words = [str(word) + str(random.choice(["", "", "", "", ",", "."])) for word in random.choice(SPOKEN, 40)]
    text = " ".join(word.capitalize() if random.random() < 0.1 else word for word in words)
    assert tokens_of(text, split=1) == tokens_of(text)


def test_another_language_has_no_rewrites() -> None:
    text = "mister Ray had twenty five."
    stream = ReadableStream(Given(text), language="de")
    assert readable_text([*stream.add(timed(text)), *stream.finish()]) == "Mister Ray had twenty five."
