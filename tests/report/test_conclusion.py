"""The sentence on more than two systems."""

from __future__ import annotations

from typing import Any

import pytest

from asr.report.conclusion import conclusion
from asr.report.data import summary
from asr.report.markdown import as_markdown
from asr.report.terminal import conclusion_lines
from asr.score import evaluate

TEXTS = [f"A B C D {i}" for i in range(60)]
BAD = ["X X X X X"] * 60
WORSE = ["X X X X X X"] * 60
CLOSE = ["A B C X 0", *TEXTS[1:]]
CLOSER = [*TEXTS[:-1], "A B C X 59"]


def measured(*systems: list[str], samples: int = 200) -> dict[str, Any]:
    return summary(evaluate(TEXTS, *systems, names=["one", "two", "three", "four"][: len(systems)], samples=samples))


@pytest.mark.parametrize(
    ("systems", "text", "sure"),
    [
        ((BAD, TEXTS, WORSE), "two has the lowest word error rate, 0.00 %, and is better than every other system.", True),
        ((BAD, TEXTS, CLOSE), "two has the lowest word error rate, 0.00 %, but is not clearly better than three.", False),
        ((CLOSER, BAD, TEXTS, CLOSE), "three has the lowest word error rate, 0.00 %, but is not clearly better than one or four.", False),
        (
            (CLOSE, TEXTS, CLOSER),
            "No clear winner: two has the lowest word error rate, 0.00 %, but is not clearly better than any other system.",
            False,
        ),
    ],
)
def test_the_sentence(systems: tuple[list[str], ...], text: str, sure: bool) -> None:
    found = conclusion(measured(*systems))
    assert found
    assert (found.text, found.sure) == (text, sure)


def test_the_note_names_level_and_correction() -> None:
    found = conclusion(measured(BAD, CLOSE, CLOSER))
    assert found
    assert found.note == (
        "Better: the 95 % interval of the difference excludes 0, and p is below 0.05. "
        "p is by the matched-pairs test, with Holm's correction for 3 comparisons."
    )
    without = conclusion(measured(BAD, CLOSE, CLOSER, samples=0))
    assert without
    assert without.note == "p is by the matched-pairs test, with Holm's correction for 3 comparisons."


def test_two_systems_have_a_verdict_instead() -> None:
    assert conclusion(measured(BAD, TEXTS)) is None


def test_nothing_follows_without_words() -> None:
    assert conclusion(summary(evaluate(["", ""], ["UH", ""], ["", ""], ["", ""]))) is None


def test_terminal_and_markdown_begin_with_it() -> None:
    found = evaluate(TEXTS, BAD, CLOSE, TEXTS, names=["one", "two", "three"], samples=200)
    (line,) = conclusion_lines(found)
    assert line == "three has the lowest word error rate, 0.00 %, but is not clearly better than two."
    markdown = as_markdown(summary(found))
    assert 0 < markdown.index(line) < markdown.index("- two is better than one by")
    assert list(conclusion_lines(evaluate(TEXTS, BAD, CLOSE))) == []
