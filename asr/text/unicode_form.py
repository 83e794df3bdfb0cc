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
    if len(text) > _SHORT and not text.isascii():
        text = _with_sorted_marks(form, text)
    return unicodedata.normalize(form, text)


def _with_sorted_marks(form: Form, text: str) -> str:
    marks = sorted(c for c in set(text) if not c.isascii() and all(map(unicodedata.combining, unicodedata.normalize("NFKD", c))))
    if not marks:
        return text
    decomposed = {c: unicodedata.normalize("NFKD" if "K" in form else "NFD", c) for c in marks}
    runs = re.compile(f"[{re.escape(''.join(marks))}]{{{_LONG_RUN},}}")
    return runs.sub(lambda run: "".join(sorted("".join(map(decomposed.__getitem__, run[0])), key=unicodedata.combining)), text)
