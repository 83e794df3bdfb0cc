"""Text as the references of LibriSpeech are written: A-Z, apostrophe and space."""

from __future__ import annotations

import re
import unicodedata

from asr.text.unicode_form import unicode_form

APOSTROPHES = re.compile(r"[\u2018\u2019\u02bc\u0060\u00b4\u2032\uff07]")
_SPELLED_OUT = str.maketrans(
    {"ß": "SS", "Æ": "AE", "æ": "AE", "Œ": "OE", "œ": "OE", "Ø": "O", "ø": "O", "Đ": "D", "đ": "D", "Ł": "L", "ł": "L"}
)
INVISIBLE = ("Mn", "Me", "Cf")  # accents once they are split off; soft hyphens, zero-width joiners: they part no words
_STRAY_APOSTROPHE = re.compile(r"(?<![A-Z])'(?![A-Z])")


def fold_accents(text: str) -> str:
    """Letters without their accents, ligatures spelled out, invisible characters gone.

    >>> fold_accents("Zoë Æsop")
    'Zoe AEsop'
    """
    if text.isascii():  # most texts have nothing to take apart
        return text
    decomposed = unicode_form("NFKD", text.translate(_SPELLED_OUT))
    return "".join(c for c in decomposed if unicodedata.category(c) not in INVISIBLE)


def normalize_librispeech(text: str) -> str:
    """Upper-case A-Z, apostrophes that belong to a word, single spaces; hyphens part words, accents and all else go.

    Digits and symbols are not spelled out: they are dropped.

    >>> normalize_librispeech("“Well-known,” said Zoë; it’s 5 o'clock.")
    "WELL KNOWN SAID ZOE IT'S O'CLOCK"
    """
    text = fold_accents(APOSTROPHES.sub("'", text)).upper()
    text = _STRAY_APOSTROPHE.sub(" ", re.sub(r"[^A-Z']", " ", text))
    return " ".join(text.split())
