"""One utterance a line, with its id in front or behind.

HELLO WORLD (anna-a1)                      trn, sclite's; lines that begin with ;; are comments
HELLO WORLD (a1 -7716)                     sphinx, the hypotheses of Sphinx and PocketSphinx: id and score
84-121123-0000 HELLO WORLD                 kaldi, the file `text`; the id may be a path: clips/a1.wav HELLO WORLD
HELLO WORLD                                lines, without ids
"""

from __future__ import annotations

import re

from asr.text.formats.marks import COMMENT
from asr.text.formats.record import ID, TEXT, FormatProblem, Records, split_lines
from asr.text.lines import split_trn

_SCORE = re.compile(r"-?\d+(?:\.\d+)?")
_SENTENCE = re.compile(r"^<s>(?!\S)|(?<!\S)</s>$")


def split_sphinx(line: str) -> tuple[str, str] | None:
    """The words and the id of a line of Sphinx's; None for another line.

    >>> split_sphinx("HELLO WORLD (a1 -7716)")
    ('HELLO WORLD', 'a1')
    """
    words, opening, rest = line.rstrip().rpartition("(")
    inside = rest.removesuffix(")").split()
    if not opening or not rest.endswith(")") or len(inside) != 2 or ")" in inside[0] or not _SCORE.fullmatch(inside[1]):
        return None
    return words.rstrip(), inside[0]


def read_trn(content: str) -> Records:
    """Raises FormatProblem."""
    for number, line in enumerate(split_lines(content), start=1):
        if not line.strip() or line.startswith(COMMENT):
            continue
        found = split_trn(line)
        if not found:
            raise FormatProblem(number, "no id in parentheses at the end, expected `the words (speaker-utterance)`")
        yield number, {ID: found[1], TEXT: _SENTENCE.sub("", found[0]).strip()}


def read_sphinx(content: str) -> Records:
    """Raises FormatProblem."""
    for number, line in enumerate(split_lines(content), start=1):
        if not line.strip():
            continue
        found = split_sphinx(line) or split_trn(line)
        if not found:
            raise FormatProblem(number, "no id and score in parentheses at the end, expected `the words (id -7716)`")
        yield number, {ID: found[1], TEXT: _SENTENCE.sub("", found[0]).strip()}


def read_kaldi(content: str) -> Records:
    """The id is the first word of a line, whatever it is."""
    for number, line in enumerate(split_lines(content), start=1):
        name, *words = line.split(maxsplit=1) or [""]
        if name:
            yield number, {ID: name, TEXT: words[0].rstrip() if words else ""}


def read_lines(content: str) -> Records:
    """Blank lines are empty texts."""
    for number, line in enumerate(split_lines(content), start=1):
        yield number, {TEXT: line}
