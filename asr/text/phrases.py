"""Lists of phrases, as people write them, in the letters that a model can write."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path

from asr.errors import UsageError
from asr.text.normalize import APOSTROPHES, fold_accents

LONGEST = 100
"""characters of a phrase; a longer line is no name, and the file perhaps no list of names"""

SHOWN = 10
"""problems in one message"""

_PART_WORDS = frozenset('.,;:!?"/…') | {"Pd", "Ps", "Pe", "Pi", "Pf", "Pc"}
"""characters, and Unicode's categories of them (dashes, brackets, quotation marks), that are not spoken and stand between words"""


def read_phrases(source: Path | str | Iterable[str], alphabet: Collection[str], weight: float) -> dict[str, float]:
    """Phrases and their weights, out of a file (its path), or of a list of lines such as a file has.

    A line is a phrase, or a phrase, a tab and its own weight, a number above 0; blank lines and lines that start with `#` are
    passed over. What `alphabet` lacks is written in capitals or in small letters, or without its accent; hyphens and
    punctuation part words. A phrase that comes again counts once, with the largest of its weights.

    Raises UsageError that names every line (at most ten) that cannot be used, or says that there is no phrase.
    """
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"hotwords: a weight of {weight:g}, expected a number above 0")
    name, lines = _lines(source)
    phrases: dict[str, float] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str):
            problems.append(f"{name}:{number}: {line!r} is of type {type(line).__name__}, expected a phrase")
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            phrase, own = _phrase(line, alphabet, weight)
            phrases[phrase] = max(own, phrases.get(phrase, 0.0))
        except ValueError as e:
            problems.append(f"{name}:{number}: {e}")
    if problems:
        more = [f"{name}: {len(problems) - SHOWN} more of its lines cannot be used"] if len(problems) > SHOWN else []
        raise UsageError("\n".join(problems[:SHOWN] + more))
    if not phrases:
        raise UsageError(f"{name}: no phrase in it: write one a line")
    return phrases


def _lines(source: Path | str | Iterable[str]) -> tuple[str, list[str]]:
    """What to call the source, and its lines."""
    if not isinstance(source, Path | str):
        if isinstance(source, bytes) or not isinstance(source, Iterable):
            raise UsageError(f"hotwords are {source!r}, expected a list of phrases, or a path")
        return "hotwords", list(source)
    try:
        return str(source), Path(source).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{source}: not a text file (UTF-8): hotwords are written one phrase a line") from None
    except OSError as e:
        raise UsageError(f"{source}: cannot be read: {e.strerror}") from None


def _phrase(line: str, alphabet: Collection[str], weight: float) -> tuple[str, float]:
    """A line's phrase and weight. Raises ValueError that says what is wrong."""
    text, _, own = (part.strip() for part in line.partition("\t"))
    if own:
        try:
            weight = float(own)
        except ValueError:
            raise ValueError(f"{text!r} has the weight {own!r} after its tab, expected a number above 0") from None
        if not (math.isfinite(weight) and weight > 0):
            raise ValueError(f"{text!r} has the weight {own}, expected a number above 0")
    if len(text) > LONGEST:
        raise ValueError(f"{text[:20] + '…'!r} has {len(text)} characters, and a phrase at most {LONGEST}: write one phrase a line")
    text = unicodedata.normalize("NFC", APOSTROPHES.sub("'", text))
    written = {char: _written(char, alphabet) for char in text}
    if missing := [char for char, spelled in written.items() if spelled is None]:
        letters = ", ".join(map(repr, missing))
        raise ValueError(f"{text!r} has {letters}, which the model cannot write: spell it as it is said, in letters (2 as TWO, & as AND)")
    phrase = " ".join("".join(written[char] or "" for char in text).split())
    if not any(char.isalnum() for char in phrase):
        raise ValueError(f"{text!r} has no letter in it")
    return phrase, weight


def _written(char: str, alphabet: Collection[str]) -> str | None:
    """A character in the letters of `alphabet`; a space where it parts words, None where it cannot be written."""
    plain = fold_accents(char)
    for spelled in (char, char.upper(), char.lower(), plain, plain.upper(), plain.lower()):
        if all(c in alphabet for c in spelled):
            return spelled
    return " " if char.isspace() or not _PART_WORDS.isdisjoint((char, unicodedata.category(char))) else None
