"""A recording from standard input, as a file: it must be sought in, and a pipe cannot be."""

from __future__ import annotations

import errno
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asr.errors import AsrError, UsageError

STANDARD_INPUT = "-"
NAME = "standard-input"
BLOCK_BYTES = 1 << 20


@contextmanager
def copied_standard_input() -> Iterator[Path]:
    """All of standard input in a temporary file, which is deleted when the block ends, however it ends.

    Memory holds a block of it, and the disk all. Raises UsageError where it is closed, a terminal, a folder or empty, and AsrError
    where it cannot be copied, as when the disk is full.
    """
    stream = getattr(sys.stdin, "buffer", None)  # None: closed, or a notebook's
    if stream is None or sys.stdin.closed:
        raise UsageError("standard input (-) is closed: pipe a recording into it, or name a file")
    if sys.stdin.isatty():
        raise UsageError("standard input (-) is a terminal: pipe a recording into it (cat talk.mp3 | asr transcribe -), or name a file")
    with tempfile.TemporaryDirectory(prefix="asr-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / NAME
        with open(path, "wb", buffering=0) as copy:  # or closing it would write, and fail, once more
            try:
                shutil.copyfileobj(stream, copy, BLOCK_BYTES)
            except OSError as e:
                full = e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
                hint = ": free some space there, or set TMPDIR to a folder with more" if full else ""
                raise AsrError(f"standard input (-) cannot be copied to {path.parent.parent}: {e.strerror}{hint}") from None
        if not path.stat().st_size:
            raise UsageError("standard input (-) is empty: did the command before the pipe fail?")
        yield path
