"""Lines of text, gzipped or not."""

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
