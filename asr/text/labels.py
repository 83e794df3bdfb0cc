"""Labels of words: the case of a word and the punctuation mark behind it. Cased text to labelled words, and back.

Examples:
    >>> words = list(labelled_words('"Well," said McCoy, "is it NASA?"'))
    >>> " ".join(f"{word.text}/{word.case.name}{word.mark.text}" for word in words)
    'well/CAPITAL, said/LOWER mccoy/CAPITAL, is/LOWER it/LOWER nasa/UPPER?'
    >>> " ".join(written(word.text, word.case) + word.mark.text for word in words)
    'Well, said McCoy, is it NASA?'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple


class Case(IntEnum):
    """Case of a word. The values are the classes of the network."""

    LOWER = 0
    CAPITAL = 1
    """first letter upper case, as in `Paris`, `I'll` and `McDonald`"""
    UPPER = 2
    """all letters upper case, as in `NASA`"""


class Mark(IntEnum):
    """Punctuation mark behind a word. The values are the classes of the network."""

    NONE = 0
    COMMA = 1
    """comma or semicolon"""
    FULL_STOP = 2
    QUESTION = 3
    EXCLAMATION = 4
    COLON = 5
    DASH = 6

    @property
    def text(self) -> str:
        """The mark as it is written behind its word."""
        return _MARKS[self]

    @property
    def ends_sentence(self) -> bool:
        return self in (Mark.FULL_STOP, Mark.QUESTION, Mark.EXCLAMATION)


_MARKS = ("", ",", ".", "?", "!", ":", " –")
_ORDER = (  # of several marks behind a word, the first one of this table counts
    ("?", Mark.QUESTION),
    ("!", Mark.EXCLAMATION),
    (".", Mark.FULL_STOP),
    ("…", Mark.FULL_STOP),
    (":", Mark.COLON),
    (",", Mark.COMMA),
    (";", Mark.COMMA),
)

APOSTROPHES = re.compile("[\u2018\u2019\u02bc`\u00b4]")
DASHES = re.compile(r"--+|[\u2013\u2014\u2015]|(?<=\s)-(?=\s)")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_NAME_PREFIX = re.compile(r"(mc|[od]')([^\W\d_]{3,})")
_ENDING = re.compile(r"('[^\W\d_]{1,2})?$")


class LabelledWord(NamedTuple):
    """A word in lower case, with its labels."""

    text: str
    case: Case
    mark: Mark


def labelled_words(text: str) -> Iterator[LabelledWord]:
    """Yield the words of a cased text with their labels. Hyphens separate words; quotation marks and brackets are ignored."""
    last: LabelledWord | None = None
    for chunk in DASHES.sub(" \u2014 ", APOSTROPHES.sub("'", text)).split():
        found = list(_WORD.finditer(chunk))
        if not found:
            mark = Mark.DASH if "\u2014" in chunk else _mark(chunk)
            if last is not None and last.mark is Mark.NONE:
                last = last._replace(mark=mark)
            continue
        for word in found:
            if last is not None:
                yield last
            last = LabelledWord(word[0].lower(), case_of(word[0]), Mark.NONE)
        assert last is not None
        last = last._replace(mark=_mark(chunk[found[-1].end() :]))
    if last is not None:
        yield last


def _mark(text: str) -> Mark:
    return next((mark for sign, mark in _ORDER if sign in text), Mark.NONE)


def case_of(word: str) -> Case:
    """Return the label of a written word. A single capital letter (`I`, `A`) is CAPITAL."""
    if not word[:1].isupper():
        return Case.LOWER if word.islower() or not any(char.isupper() for char in word[1:]) else Case.UPPER
    stem = _ENDING.sub("", word)
    return Case.UPPER if len(stem) > 1 and stem.isupper() else Case.CAPITAL


def written(word: str, case: Case) -> str:
    """Return a word in a case.

    Examples:
        >>> [written(w, Case.CAPITAL) for w in ("i'll", "o'brien", "mcdonald", "o'clock")]
        ["I'll", "O'Brien", 'McDonald', "O'Clock"]
        >>> written("fbi's", Case.UPPER)
        "FBI's"
    """
    word = word.lower()
    if case is Case.LOWER:
        return word
    if case is Case.UPPER:
        stem = _ENDING.sub("", word)
        return stem.upper() + word[len(stem) :]
    if match := _NAME_PREFIX.fullmatch(_ENDING.sub("", word)):
        rest = word[len(match[0]) :]
        return match[1].capitalize() + match[2].capitalize() + rest
    return word[:1].upper() + word[1:]
