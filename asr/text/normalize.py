"""Normalisation to the form of LibriSpeech's references: A-Z, apostrophes inside words, and spaces."""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii

APOSTROPHES = re.compile(r"[\u2018\u2019\u201a\u201b\u02bb\u02bc\u0060\u00b4\u2032\uff07]")
INVISIBLE = ("Mn", "Me", "Cf")  # combining accents, soft hyphens, zero-width joiners: removed without a space

_SEVERAL = re.compile(r"''+")
_APOSTROPHE = re.compile(r"(?P<before>[A-Z])?'(?=(?P<after>[A-Z])?)")
_ELISION = re.compile(r"'(?:TIS|TWAS|TWERE|TWILL|TWOULD|EM|TIL|TILL|CAUSE|COS|BOUT|ROUND|NEATH|GAINST)(?![A-Z])")


class _Letters(dict[int, str]):
    """Cache of each character's form in ASCII."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _in_ascii(chr(code))
        return found


def _in_ascii(char: str) -> str:
    if unicodedata.category(char) == "So":
        return char  # symbols such as ™ are not letters, although Unicode decomposes them into some
    if is_latin(char):
        return _base_letters(char)
    return "".join(map(_base_letters, unicodedata.normalize("NFKD", char)))


def _base_letters(char: str) -> str:
    if unicodedata.category(char) in INVISIBLE:
        return ""
    return re.sub("[^A-Za-z]", "", anyascii(char)) if is_latin(char) else char


_LETTERS = _Letters()


def fold_accents(text: str) -> str:
    """Spell Latin letters in A-Z: remove accents and invisible characters, expand ligatures and letters such as ð and ß.

    Other scripts are unchanged.

    Examples:
        >>> fold_accents("Zoë Æsop, Guðmundur, Łódź")
        'Zoe Aesop, Gudmundur, Lodz'
    """
    if text.isascii():  # most texts
        return text
    return text.translate(_LETTERS)


def is_latin(char: str) -> bool:
    """Whether a character is a letter of the Latin alphabet."""
    return unicodedata.name(char, "").startswith("LATIN ")


def normalize_librispeech(text: str) -> str:
    """Normalise to upper-case A-Z, apostrophes inside words and single spaces; hyphens separate words.

    Leading apostrophes are dropped, as in LibriSpeech ('TIS is TIS). A trailing one is kept unless it closes a quotation. Digits, symbols
    and letters of other scripts are dropped, not spelled out.

    Examples:
        >>> normalize_librispeech("“Well-known,” said Zoë; ‘it’s 5 o'clock’.")
        "WELL KNOWN SAID ZOE IT'S O'CLOCK"
    """
    text = fold_accents(_SEVERAL.sub('"', APOSTROPHES.sub("'", text))).upper()
    text = re.sub(r"[^A-Z']", " ", text)
    return " ".join((_without_quotes(text) if "'" in text else text).split())


def _without_quotes(text: str) -> str:
    """Remove apostrophes that are quotation marks or stand alone."""
    opened = 0

    def decide(found: re.Match[str]) -> str:
        nonlocal opened
        before, after = found["before"] or "", found["after"]
        if before and after:
            return f"{before}'"
        if after:
            opened += not _ELISION.match(text, found.start())
        elif before and opened:
            opened -= 1
        elif before:
            return f"{before}'"
        else:
            opened = max(0, opened - 1)
        return f"{before} "

    return _APOSTROPHE.sub(decide, text)
