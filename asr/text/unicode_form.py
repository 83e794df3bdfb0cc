"""Unicode's normal forms, in time that grows with the length of any text."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["NFC", "NFD", "NFKC", "NFKD"]

_SHORT = 1_000  # characters, for which any way is quick
_LONG_RUN = 32  # marks on one letter; no language has as many


def unicode_form(form: Form, text: str) -> str:
    """`unicodedata.normalize`, which takes minutes for a million accents on one letter: it sorts them by insertion.

    Long runs of marks are sorted before it sees them. The sort is the one of the standard (stable, by combining class), so the result is
    the same.
    """
    return unicodedata.normalize(form, sort_marks(form, text))


def sort_marks(form: Form, text: str) -> str:
    """A text that `unicodedata.normalize` takes to its normal form in linear time: the same one, but for long runs of marks."""
    if len(text) <= _SHORT or text.isascii():
        return text
    decompose: Form = "NFKD" if "K" in form else "NFD"
    decomposed = {c: unicodedata.normalize(decompose, c) for c in sorted(set(text)) if not c.isascii()}
    marks = "".join(c for c, parts in decomposed.items() if all(map(unicodedata.combining, parts)))
    if not marks:
        return text
    runs = re.compile(f"[{re.escape(marks)}]{{{_LONG_RUN},}}")
    return runs.sub(lambda run: "".join(sorted("".join(map(decomposed.__getitem__, run[0])), key=unicodedata.combining)), text)
