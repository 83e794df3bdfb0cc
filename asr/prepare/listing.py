"""What a source lists, whatever its layout, and the reading of text files, line by line."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from asr.errors import UsageError
from asr.speech.manifest import Utterance
from asr.text.encoding import encoding_of

GZIP = b"\x1f\x8b"
BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Listing:
    """The utterances of a source; each of their recordings exists, and nothing else of it was looked at."""

    total: int
    """about how many items there are, for a progress bar"""
    items: Iterator[Utterance | str]
    """utterances, and a string `place: reason` for each that cannot be used; to be gone through once"""
    notes: Callable[[], list[str]]
    """how the source was understood; to be asked when all items are read"""


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and their numbers, without their ends, of a UTF-8 or UTF-16 file, gzipped or not.

    Bytes that are no UTF-8 become surrogates: whoever writes them finds out. Raises UsageError when the file cannot be read.
    """
    with _opened(path) as file:
        start = file.read(4096)
        file.seek(0)
        encoding = encoding_of(start)
        if b"\0" in start and encoding != "utf-16":
            raise UsageError(f"{path}: not a text file (a spreadsheet must be saved as CSV)")
        errors = "replace" if encoding == "utf-16" else "surrogateescape"
        for number, line in enumerate(io.TextIOWrapper(file, encoding, errors), start=1):
            yield number, line.removesuffix("\n")


def count_lines(path: Path) -> int:
    """Raises UsageError when the file cannot be read."""
    count, last = 0, b"\n"
    with _opened(path) as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file, unzipped if need be, whose troubles while it is open become UsageErrors that name it."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is {'a folder' if path.is_dir() else 'not a regular file'}, expected a text file")
    try:
        with open(path, "rb") as file:
            zipped = file.read(len(GZIP)) == GZIP
            file.seek(0)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise UsageError(f"{path}: the gzip file is damaged or cut short ({e}): fetch or make it anew") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror or e}") from None
