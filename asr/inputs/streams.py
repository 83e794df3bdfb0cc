"""Standard input and named pipes as files: decoders seek, and a pipe cannot."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from asr.errors import AsrError, UsageError

STANDARD_INPUT = "-"
NAME = "standard-input"
BLOCK_BYTES = 1 << 20


@contextlib.contextmanager
def copied_standard_input() -> Iterator[Path]:
    """Copy standard input to a temporary file, which is deleted at the end of the block.

    On Linux the file has no name in any folder, so that nothing of it remains even if the process is killed. Memory holds one block.

    Yields:
        The path of the file.

    Raises:
        UsageError: standard input is closed, a terminal or empty.
        AsrError: it cannot be read or copied, for example because the disk is full.
    """
    stream = getattr(sys.stdin, "buffer", None)  # None: closed, or a notebook's
    if stream is None or sys.stdin.closed:
        raise UsageError("standard input (-) is closed: pipe a recording into it, or name a file")
    if sys.stdin.isatty():
        raise UsageError("standard input (-) is a terminal: pipe a recording into it (cat talk.mp3 | asr transcribe -), or name a file")
    with copied_file(stream, "standard input (-)") as copy:
        yield copy


@contextlib.contextmanager
def copied_pipe(path: Path) -> Iterator[Path]:
    """Copy a named pipe, such as `<(command)` of a shell, to a temporary file, which is deleted at the end of the block.

    Args:
        path: the pipe.

    Yields:
        The path of the file (see `copied_standard_input`).

    Raises:
        UsageError: the pipe is empty.
        AsrError: it cannot be read or copied, for example because the disk is full.
    """
    try:
        stream = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except OSError as e:
        raise AsrError(f"{path}: cannot be read: {e.strerror or e}") from None
    with stream, copied_file(cast(BinaryIO, stream), str(path)) as copy:
        yield copy


@contextlib.contextmanager
def copied_file(stream: IO[bytes], name: str, if_empty: str = "did the command before the pipe fail?") -> Iterator[Path]:
    """Copy an open file, from its position on, to a temporary file, which is deleted at the end of the block.

    Args:
        stream: the file.
        name: its name in messages.
        if_empty: end of the message if it is empty.

    Yields:
        The path of the copy (see `copied_standard_input`).

    Raises:
        UsageError: the file is empty or not binary.
        AsrError: it cannot be read or copied, for example because the disk is full.
    """
    with _temporary_file(name) as (copy, path):
        size = 0
        for block in _blocks(stream, name):
            _write(copy, block, name)
            size += len(block)
        if not size:
            raise UsageError(f"{name} is empty: {if_empty}")
        yield path


@contextlib.contextmanager
def _temporary_file(name: str) -> Iterator[tuple[BinaryIO, Path]]:
    """Open an unbuffered temporary file. Yield it and a path that opens it again."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="asr-", buffering=0, delete=False))
        except OSError as e:
            raise AsrError(f"{name} cannot be copied: {e.strerror or e}: set TMPDIR to a folder that can be written") from None
        path = Path(file.name)
        stack.callback(path.unlink, missing_ok=True)
        nameless = Path(f"/proc/self/fd/{file.fileno()}")
        if nameless.exists():
            path.unlink()
            path = nameless
        yield cast(BinaryIO, file), path


def _blocks(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield the blocks of a stream until its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the stream has no descriptor, or is closed
        os.set_blocking(stream.fileno(), True)  # in a pipe that does not block, a moment without data looks like the end
    while True:
        try:
            block = stream.read(BLOCK_BYTES)
        except io.UnsupportedOperation:
            raise UsageError(f"{name} is open for writing only: open it with mode 'rb'") from None
        except UnicodeDecodeError:
            raise UsageError(f"{name} is open as text: open it with mode 'rb'") from None
        except (OSError, ValueError) as e:  # ValueError: it is closed
            raise AsrError(f"{name} cannot be read: {getattr(e, 'strerror', None) or e}") from None
        if isinstance(block, str):
            raise UsageError(f"{name} is open as text: open it with mode 'rb'")
        if block is not None and not isinstance(block, bytes | bytearray | memoryview):
            raise UsageError(f"{name}: read() returns {type(block).__name__}, expected bytes")
        if not block:
            return
        yield block


def _write(copy: BinaryIO, block: bytes, name: str) -> None:
    """Write a whole block: on a disk that is almost full, a write takes a part, and only the next write fails."""
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[copy.write(rest) :]
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = ": free some space there, or set TMPDIR to a folder with more" if full else ""
        raise AsrError(f"{name} cannot be copied to {tempfile.gettempdir()}: {e.strerror or e}{hint}") from None
