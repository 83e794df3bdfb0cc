"""Lines of text: read from a file, gzipped or not, and sclite's form of them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import BinaryIO


def decoded_lines(raw: BinaryIO, gzipped: bool) -> Iterator[str]:
    """UTF-8 lines of an open file. Raises UnicodeDecodeError; EOFError, gzip.BadGzipFile and zlib.error where gzip is damaged."""
    if not gzipped:
        yield from io.TextIOWrapper(raw, encoding="utf-8-sig")
        return
    with gzip.open(raw) as unzipped:
        yield from io.TextIOWrapper(unzipped, encoding="utf-8-sig")


def split_trn(line: str) -> tuple[str, str] | None:
    """The words and the id of a line in sclite's trn form; None for another line.

    Examples:
        >>> split_trn("HELLO WORLD (anna-a1)")
        ('HELLO WORLD', 'anna-a1')
    """
    line = line.rstrip()
    words, opening, name = line.rpartition("(")
    if not opening or name.split() != [name] or name.find(")") != len(name) - 1 or len(name) == 1:
        return None
    return words.rstrip(), name[:-1]
