"""Listings, the result of every reader of a source, and text files read line by line."""

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
    """The utterances of a source. Their recordings exist; nothing else about the recordings is checked.

    Attributes:
        total: approximate number of items, for a progress bar.
        items: utterances, and a string `place: problem` for each entry that cannot be used. Can be iterated once.
        notes: returns remarks on how the source was read. Call it after the last item.
    """

    total: int
    items: Iterator[Utterance | str]
    notes: Callable[[], list[str]]


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a UTF-8 or UTF-16 file, gzipped or not.

    Bytes that are not UTF-8 become surrogates, which fail when they are written.

    Yields:
        The number and the text of each line, without its line end.

    Raises:
        UsageError: the file cannot be read.
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
    """Count the lines of a file, gzipped or not.

    Raises:
        UsageError: the file cannot be read.
    """
    count, last = 0, b"\n"
    with _opened(path) as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and unzip it if it is gzipped. Errors while it is open become UsageErrors that name it."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is {'a folder' if path.is_dir() else 'not a regular file'}, expected a text file")
    try:
        with open(path, "rb") as file:
            zipped = file.read(len(GZIP)) == GZIP
            file.seek(0)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise UsageError(f"{path}: the gzip file is damaged or cut short ({e}): fetch or make it again") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror or e}") from None
