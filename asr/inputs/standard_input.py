"""A recording from standard input, as a file: decoders seek, and a pipe cannot."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from asr.errors import AsrError, UsageError

STANDARD_INPUT = "-"
NAME = "standard-input"
BLOCK_BYTES = 1 << 20


@contextlib.contextmanager
def copied_standard_input() -> Iterator[Path]:
    """All of standard input in a temporary file, which is deleted when the block ends.

    On Linux the file has no name in any folder, so that nothing is left of it even when the process is killed. Memory holds one block.

    Raises UsageError where standard input is closed, a terminal or empty, and AsrError where it cannot be read to its end or copied, as
    when the disk is full.
    """
    stream = getattr(sys.stdin, "buffer", None)  # None: closed, or a notebook's
    if stream is None or sys.stdin.closed:
        raise UsageError("standard input (-) is closed: pipe a recording into it, or name a file")
    if sys.stdin.isatty():
        raise UsageError("standard input (-) is a terminal: pipe a recording into it (cat talk.mp3 | asr transcribe -), or name a file")
    with _temporary_file() as (copy, path):
        size = 0
        for block in _blocks(stream):
            _write(copy, block)
            size += len(block)
        if not size:
            raise UsageError("standard input (-) is empty: did the command before the pipe fail?")
        yield path


@contextlib.contextmanager
def _temporary_file() -> Iterator[tuple[BinaryIO, Path]]:
    """An unbuffered file and a path that opens it anew."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="asr-", buffering=0, delete=False))
        except OSError as e:
            raise AsrError(f"standard input (-) cannot be copied: {e.strerror or e}: set TMPDIR to a folder that can be written") from None
        path = Path(file.name)
        stack.callback(path.unlink, missing_ok=True)
        nameless = Path(f"/proc/self/fd/{file.fileno()}")
        if nameless.exists():
            path.unlink()
            path = nameless
        yield cast(BinaryIO, file), path


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of a stream to its end."""
    with contextlib.suppress(OSError, io.UnsupportedOperation):  # not backed by a descriptor
        os.set_blocking(stream.fileno(), True)  # another program may have set it otherwise: a moment without data looks like the end
    while True:
        try:
            block = stream.read(BLOCK_BYTES)
        except OSError as e:
            raise AsrError(f"standard input (-) cannot be read: {e.strerror or e}") from None
        if not block:
            return
        yield block


def _write(copy: BinaryIO, block: bytes) -> None:
    """All of a block: a write to a disk that is nearly full takes only a part, and the next one fails."""
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[copy.write(rest) :]
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = ": free some space there, or set TMPDIR to a folder with more" if full else ""
        raise AsrError(f"standard input (-) cannot be copied to {tempfile.gettempdir()}: {e.strerror or e}{hint}") from None
