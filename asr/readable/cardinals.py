"""English number words: cardinals and ordinals as they are spoken, parsed by a strict grammar.

A number is parsed where it starts, as far as the grammar allows and no further: `one hundred and two hundred` holds two numbers, not 102 and 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

DIGITS = {w: i for i, w in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])}
TEENS = {
    w: 10 + i
    for i, w in enumerate(
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
    )
}  # fmt: skip
TENS = {w: 20 + 10 * i for i, w in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
OH = ("oh", "o")
ORDINALS = {
    w: i
    for i, w in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
         "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"],
        start=1,
    )
} | {w[:-1] + "ieth": v for w, v in TENS.items()}  # fmt: skip
DECADES = {w[:-1] + "ies": v for w, v in TENS.items()}
NUMBER_WORDS = frozenset(DIGITS) | frozenset(TEENS) | frozenset(TENS) | frozenset(SCALES) | {"hundred"}


class Number(NamedTuple):
    """A number and its range of words."""

    start: int
    end: int
    value: int
    ordinal: bool = False


def below_100(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """Parse 1 to 99. Returns (value, end)."""
    if at >= len(words):
        return None
    word = words[at]
    if word in TENS:
        unit = DIGITS.get(words[at + 1], 0) if at + 1 < len(words) else 0
        return (TENS[word] + unit, at + 2) if unit else (TENS[word], at + 1)
    value = TEENS.get(word) or DIGITS.get(word)
    return (value, at + 1) if value else None


def _hundreds(words: Sequence[str], at: int, joined: bool) -> tuple[int, int] | None:
    """Parse 1 to 1999, such as `fifteen hundred and two`. `joined`: `and` may stand behind a hundred."""
    head = (1, at + 1) if words[at : at + 1] == ["a"] and words[at + 1 : at + 2] == ["hundred"] else below_100(words, at)
    if head is None or words[head[1] : head[1] + 1] != ["hundred"] or head[0] > 99 or head[0] % 10 == 0:
        return head
    value, end = 100 * head[0], head[1] + 1
    tail = _tail(words, end, joined)
    return (value + tail[0], tail[1]) if tail else (value, end)


def _tail(words: Sequence[str], at: int, joined: bool) -> tuple[int, int] | None:
    """Parse what may follow a hundred or a scale: 1 to 99, with `and` before it or not, unless it is the head of another hundred."""
    start = at + 1 if joined and words[at : at + 1] == ["and"] else at
    tail = below_100(words, start)
    if tail is None or words[tail[1] : tail[1] + 1] == ["hundred"]:
        return None
    return tail


def cardinal(words: Sequence[str], at: int, joined: bool = True) -> Number | None:
    """Parse the longest cardinal that starts at a word.

    Args:
        words: In lower case.
        at: Index of the first word.
        joined: Whether `and` may be part of the number, as in `a hundred and one`.

    Returns:
        The number, or None. `a hundred`, `a thousand` and `a million` alone are no numbers, since they are rarely meant exactly.
    """
    words = list(words)
    if words[at : at + 1] == ["zero"]:
        return Number(at, at + 1, 0)
    total, end, limit = 0, at, 10**12
    first = True
    while end < len(words):
        start = end
        if not first and joined and words[end : end + 1] == ["and"]:
            start = end + 1
        if first and words[at] == "a" and words[at + 1 : at + 2] and words[at + 1] in SCALES:
            group: tuple[int, int] | None = (1, at + 1)
        else:
            group = _hundreds(words, start, joined)
        if group is None:
            break
        value, after = group
        scale = SCALES.get(words[after], 1) if after < len(words) else 1
        if scale >= limit or (scale == 1 and value >= limit) or (start > end and scale > 1):
            break
        if scale == 1 and start > end and value >= 100:
            break
        total += value * scale
        end = after + (scale > 1)
        if scale == 1:
            break
        limit, first = scale, False
    if end == at or (words[at] == "a" and end - at <= 2):
        return None
    return Number(at, end, total)


def ordinal(words: Sequence[str], at: int) -> Number | None:
    """Parse the longest ordinal that starts at a word, such as `twenty first` or `one hundred and third`.

    Returns None for fractions (`one third`) and for `second` behind tens, which may be time (`thirty second`).
    """
    if at >= len(words):
        return None
    if words[at] in ORDINALS:
        return Number(at, at + 1, ORDINALS[words[at]], True)
    if words[at] in TENS:
        unit = ORDINALS.get(words[at + 1], 99) if at + 1 < len(words) else 99
        return Number(at, at + 2, TENS[words[at]] + unit, True) if unit < 10 and unit != 2 else None
    head = cardinal(words, at, joined=False)
    if head is None or head.value % 100 or head.value < 100:
        return None
    tail = ordinal(words, head.end + (words[head.end : head.end + 1] == ["and"]))
    return Number(at, tail.end, head.value + tail.value, True) if tail and tail.value < 100 else None


def ordinal_text(value: int) -> str:
    """Return an ordinal in digits: 1st, 22nd, 13th."""
    ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{grouped(value)}{ending}"


def grouped(value: int) -> str:
    """Return a cardinal in digits, with commas from 10,000 on; whole millions and billions in words: `5 million`."""
    for name in ("billion", "million"):
        if value >= SCALES[name] and value % SCALES[name] == 0 and value < 1000 * SCALES[name]:
            return f"{value // SCALES[name]} {name}"
    return f"{value:,}" if value >= 10_000 else str(value)
