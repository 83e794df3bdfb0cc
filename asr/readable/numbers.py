"""English number words as digits: years, dates, times, money, percentages, digit strings. Ambiguous numbers stay in words.

Libraries were compared first (recipes/text/README.md): none maps its digits to the words they came from, and each changes words that are no
numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asr.readable.cardinals import (
    DECADES,
    DIGITS,
    NUMBER_WORDS,
    OH,
    ORDINALS,
    TEENS,
    TENS,
    Number,
    below_100,
    cardinal,
    grouped,
    ordinal,
    ordinal_text,
)
from asr.text.labels import Mark

MONTHS = frozenset(
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
AMBIGUOUS_MONTHS = frozenset({"may", "march", "august"})  # also other words: they must be written with a capital
YEAR_BEFORE = MONTHS | {
    "in", "since", "by", "until", "till", "before", "after", "during", "from", "year", "of",
    "summer", "spring", "autumn", "fall", "winter", "early", "late", "mid",
}  # fmt: skip
COUNTED = frozenset({"chapter", "page", "verse", "volume", "section", "figure", "table", "platform", "room"})
CURRENCIES = {"dollar": "$", "dollars": "$", "euro": "€", "euros": "€"}
CONNECTED = NUMBER_WORDS | frozenset(ORDINALS) | frozenset(DECADES) | frozenset(OH) | frozenset(CURRENCIES) | {
    "a", "and", "cent", "cents", "m", "o'clock", "of", "or", "p", "per", "percent", "pm", "point", "to",
}  # fmt: skip
"""Words behind which a number may go on. The rewrites before any other word depend on nothing behind it."""

SMALLEST = 10  # smaller numbers stay in words, unless a unit or another number asks for digits
SHORTEST_STRING = 3  # digits of a string such as a telephone number
LONG_STRING = 5  # digits, at which commas between them are taken for pauses of the speaker


class Rewrite(NamedTuple):
    """Words `start` to `end` are written as `text`."""

    start: int
    end: int
    text: str


def digits(words: Sequence[str], capitals: Sequence[bool], marks: Sequence[Mark]) -> list[Rewrite]:
    """Find the numbers of a text that are written in digits.

    Args:
        words: In lower case.
        capitals: Whether each word is written with a capital.
        marks: Punctuation mark behind each word. A number does not go across one, except for commas in a long string of digits.

    Returns:
        The rewrites in order; they do not overlap.
    """
    found: list[Rewrite] = []
    start = 0
    for end in _phrase_ends(words, marks):
        phrase = _Phrase(list(words[start:end]), list(capitals[start:end]))
        found += [Rewrite(start + r.start, start + r.end, r.text) for r in phrase.rewrites()]
        start = end
    return found


def _phrase_ends(words: Sequence[str], marks: Sequence[Mark]) -> Iterator[int]:
    """Yield the end of each phrase."""
    begin = 0  # of the digits before a word
    inner: set[int] = set()  # commas in long strings of digits
    for i, word in enumerate([*words, ""]):
        if is_digit(word) and (i == 0 or marks[i - 1] in (Mark.NONE, Mark.COMMA)):
            continue
        if i - begin >= LONG_STRING:
            inner |= set(range(begin, i - 1))
        begin = i if is_digit(word) else i + 1
    yield from (i + 1 for i in range(len(words)) if i not in inner and (marks[i] is not Mark.NONE or i == len(words) - 1))


def is_digit(word: str) -> bool:
    """Return whether a word is spoken for one digit."""
    return word in DIGITS or word in OH


class _Phrase:
    """Words between two punctuation marks."""

    def __init__(self, words: list[str], capitals: list[bool]):
        self.words, self.capitals = words, capitals

    def at(self, i: int) -> str:
        """Return a word; an empty text outside the phrase."""
        return self.words[i] if 0 <= i < len(self.words) else ""

    def is_month(self, i: int) -> bool:
        word = self.at(i)
        return word in MONTHS and (word not in AMBIGUOUS_MONTHS or self.capitals[i])

    def rewrites(self) -> list[Rewrite]:
        found: list[Rewrite] = []
        i = 0
        while i < len(self.words):
            rule = self._string(i) or self._year(i) or self._time(i) or self._date(i) or self._ordinal(i) or self._amount(i)
            if rule is None:
                i += 1
                continue
            if rule.text:
                found.append(rule)
            i = rule.end
        return self._joined(found)

    # -------------------------------------------------------------- rules: a rewrite, one without text (stays in words), or None

    def _string(self, i: int) -> Rewrite | None:
        """Digits one by one: `five five five one two one two`. Counting up from one stays in words."""
        if self.at(i) not in DIGITS or self.at(i - 1) in NUMBER_WORDS:
            return None
        end = i
        while self.at(end) in DIGITS or (self.at(end) in OH and end > i):
            end += 1
        while self.at(end - 1) in OH and self.at(end - 2) not in (*DIGITS, *OH):
            end -= 1
        if self.at(end) in NUMBER_WORDS or (end < len(self.words) and self.at(end) in ORDINALS):
            end -= 1  # its last digit belongs to the number behind it, so the whole is unclear
            return Rewrite(i, end, "") if end - i >= SHORTEST_STRING else None
        values = [DIGITS.get(word, 0) for word in self.words[i:end]]
        if len(values) < SHORTEST_STRING:
            return None
        counting = values == list(range(1, len(values) + 1))
        return Rewrite(i, end, "" if counting else "".join(map(str, values)))

    def _year(self, i: int) -> Rewrite | None:
        """`nineteen eighty four`, `nineteen oh five`, `the nineteen eighties`; `twenty twenty` only where a year is expected."""
        century = TEENS.get(self.at(i), 0) or (20 if self.at(i) == "twenty" else 0)
        if century < 11 or self.at(i - 1) in NUMBER_WORDS:
            return None
        if self.at(i + 1) in DECADES and century < 20:
            return Rewrite(i, i + 2, f"{century}{DECADES[self.at(i + 1)]}s")
        if self.at(i + 1) in OH and DIGITS.get(self.at(i + 2), 0) > 0:
            value, end = DIGITS[self.at(i + 2)], i + 3
        else:
            rest = below_100(self.words, i + 1)
            if rest is None or rest[0] < 10:
                return None
            value, end = rest
        if self.at(end) in NUMBER_WORDS:
            return None
        expected = self.at(i - 1) in YEAR_BEFORE
        # Eleven and twelve are hours, twenty begins other numbers.
        clear = 13 <= century <= 19 or (century in (11, 12) and value >= 60)
        return Rewrite(i, end, f"{century}{value:02d}" if clear or expected else "")

    def _time(self, i: int) -> Rewrite | None:
        """`seven thirty p m`, `ten o'clock`, `at seven thirty`."""
        hour = DIGITS.get(self.at(i)) or TEENS.get(self.at(i), 0)
        if not 1 <= hour <= 12 or self.at(i - 1) in NUMBER_WORDS:
            return None
        if self.at(i + 1) == "o'clock":
            return Rewrite(i, i + 1, str(hour))
        text, end = str(hour), i + 1
        if self.at(end) in OH and DIGITS.get(self.at(end + 1), 0) > 0:
            text, end = f"{hour}:0{DIGITS[self.at(end + 1)]}", end + 2
        elif (minutes := below_100(self.words, end)) and 10 <= minutes[0] < 60:
            text, end = f"{hour}:{minutes[0]}", minutes[1]
        if self.at(end) in ("a", "p") and self.at(end + 1) == "m":
            return Rewrite(i, end + 2, f"{text} {self.at(end)}.m.")
        if self.at(end) == "pm":
            return Rewrite(i, end + 1, f"{text} p.m.")
        clear = ":" in text and self.at(i - 1) == "at" and self.at(end) not in NUMBER_WORDS
        return Rewrite(i, end, text) if clear else None

    def _date(self, i: int) -> Rewrite | None:
        """`the fifth of may`, `may the fifth`, `june twenty first`, `june fifth nineteen oh five` (the day)."""
        day = ordinal(self.words, i)
        if day is None or not 1 <= day.value <= 31:
            return None
        behind = self.at(day.end) == "of" and self.at(day.end + 1) in MONTHS and (self.at(i - 1) == "the" or self.is_month(day.end + 1))
        before = self.is_month(i - 1) or (self.at(i - 1) == "the" and self.is_month(i - 2))
        return Rewrite(i, day.end, ordinal_text(day.value)) if behind or before else None

    def _ordinal(self, i: int) -> Rewrite | None:
        """Ordinals from `tenth` on. Fractions and the numbers of kings stay in words."""
        found = ordinal(self.words, i)
        if found is None or self.at(i - 1) in NUMBER_WORDS:
            return None
        king = self.at(i - 1) == "the" and i >= 2 and self.capitals[i - 2] and self.at(i - 2) not in MONTHS and i - 2 > 0
        king = king or (self.at(i - 1) == "the" and i == 2 and self.capitals[0] and self.at(0) not in _SENTENCE_STARTS)
        return Rewrite(i, found.end, "" if found.value < SMALLEST or king else ordinal_text(found.value))

    def _amount(self, i: int) -> Rewrite | None:
        """Cardinals, with what is counted: money, percentages, decimals, pages."""
        if self.at(i - 1) in NUMBER_WORDS:
            return None
        found = self._cardinal(i)
        if found is None:
            return None
        text, end, small = grouped(found.value), found.end, found.value < SMALLEST
        if self.at(end) == "point" and self.at(end + 1) in DIGITS and not (self.at(i - 1) == "at" and found.value == 1):
            after = end + 1
            while self.at(after) in DIGITS:
                after += 1
            text = f"{found.value}." + "".join(str(DIGITS[word]) for word in self.words[end + 1 : after])
            end, small = after, False
            if self.at(end) in ("million", "billion"):
                text, end = f"{text} {self.at(end)}", end + 1
        if self.at(end) in CURRENCIES:
            return self._money(i, end, text)
        if self.at(end) == "percent":
            return Rewrite(i, end + 1, f"{text}%")
        if self.at(end) == "per" and self.at(end + 1) == "cent":
            return Rewrite(i, end + 2, f"{text}%")
        if small and self.at(end) == "and" and self.at(end + 1) in TENS:
            return Rewrite(i, end + 2, "")  # four and twenty
        if self._unclear(found, end):
            return Rewrite(i, end, "")
        if small and self.at(i - 1) not in COUNTED:
            return None
        return Rewrite(i, end, text)

    def _cardinal(self, i: int) -> Number | None:
        joined = self.at(i - 1) not in ("between", "from")
        return cardinal(self.words, i, joined)

    def _money(self, i: int, end: int, text: str) -> Rewrite:
        """`five dollars and fifty cents` behind the number of dollars."""
        sign, after = CURRENCIES[self.at(end)], end + 1
        start = after + (self.at(after) == "and")
        cents = below_100(self.words, start)
        if cents and self.at(cents[1]) in ("cent", "cents") and " " not in text and "." not in text:
            return Rewrite(i, cents[1] + 1, f"{sign}{text}.{cents[0]:02d}")
        return Rewrite(i, after, f"{sign}{text}")

    def _unclear(self, found: Number, end: int) -> bool:
        """Whether a number may belong to its neighbours: `two twenty two`, `one third`, `two oh`."""
        follows = self.at(end)
        if follows in NUMBER_WORDS or follows in ORDINALS or (follows.rstrip("s") in ORDINALS and follows != "seconds"):
            return True
        return follows in OH

    def _joined(self, found: list[Rewrite]) -> list[Rewrite]:
        """Write both sides of `or` and `to` in digits if one is: `five to ten minutes`."""
        ends, starts = {r.end: r for r in found}, {r.start: r for r in found}
        more = []
        for i, word in enumerate(self.words):
            if word not in ("or", "to") or not found:
                continue
            left, right = self.at(i - 1), self.at(i + 1)
            plain_right = i + 1 in starts and starts[i + 1].text.isdigit()
            plain_left = i in ends and ends[i].text.isdigit()
            if plain_right and left in DIGITS and self.at(i - 2) not in NUMBER_WORDS:
                more.append(Rewrite(i - 1, i, str(DIGITS[left])))
            elif plain_left and right in DIGITS and self.at(i + 2) not in (*NUMBER_WORDS, *ORDINALS) and self.at(i + 2) != "another":
                more.append(Rewrite(i + 1, i + 2, str(DIGITS[right])))
        return sorted({*found, *more})


_SENTENCE_STARTS = frozenset({"on", "in", "at", "by", "from", "for", "and", "but", "with", "of", "to", "is", "was"})
