"""One utterance per line, with its id before or after the words.

HELLO WORLD (anna-a1)                      trn (sclite); lines that begin with ;; are comments
HELLO WORLD (a1 -7716)                     sphinx (Sphinx, PocketSphinx): id and score
84-121123-0000 HELLO WORLD                 kaldi (the file `text`); the id may be a path: clips/a1.wav HELLO WORLD
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
    """Split a line of Sphinx into words and id; None for another line.

    Examples:
        >>> split_sphinx("HELLO WORLD (a1 -7716)")
        ('HELLO WORLD', 'a1')
    """
    words, opening, rest = line.rstrip().rpartition("(")
    inside = rest.removesuffix(")").split()
    if not opening or not rest.endswith(")") or len(inside) != 2 or ")" in inside[0] or not _SCORE.fullmatch(inside[1]):
        return None
    return words.rstrip(), inside[0]


def read_trn(content: str) -> Records:
    """Read sclite's trn. Raises FormatProblem for a line without an id."""
    for number, line in enumerate(split_lines(content), start=1):
        if not line.strip() or line.startswith(COMMENT):
            continue
        found = split_trn(line)
        if not found:
            raise FormatProblem(number, "no id in parentheses at the end, expected `the words (speaker-utterance)`")
        yield number, {ID: found[1], TEXT: _SENTENCE.sub("", found[0]).strip()}


def read_sphinx(content: str) -> Records:
    """Read hypotheses of Sphinx. Raises FormatProblem for a line without an id."""
    for number, line in enumerate(split_lines(content), start=1):
        if not line.strip():
            continue
        found = split_sphinx(line) or split_trn(line)
        if not found:
            raise FormatProblem(number, "no id and score in parentheses at the end, expected `the words (id -7716)`")
        yield number, {ID: found[1], TEXT: _SENTENCE.sub("", found[0]).strip()}


def read_kaldi(content: str) -> Records:
    """Read Kaldi's `text`. The id is the first word of a line, whatever it is."""
    for number, line in enumerate(split_lines(content), start=1):
        name, *words = line.split(maxsplit=1) or [""]
        if name:
            yield number, {ID: name, TEXT: words[0].rstrip() if words else ""}


def read_lines(content: str) -> Records:
    """Read plain lines. Blank lines are empty texts."""
    for number, line in enumerate(split_lines(content), start=1):
        yield number, {TEXT: line}
