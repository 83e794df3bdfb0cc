"""Writing files so that a reader, a crash or a full disk never meets half of one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file, or, if anything goes wrong, leave what was there before.

    Raises OSError with the file's name.
    """
    with atomic_file(path) as f:
        f.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write piece by piece, which takes the name `path` only once the block has ended without an error.

    Raises OSError with the file's name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, path)
    except OSError as e:
        if e.filename not in (None, str(partial)):  # of another file, that the block reads
            raise
        raise OSError(e.errno, os.strerror(e.errno or 0), str(path)) from e
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name `path` only once the block has ended without an error.

    A folder of that name is replaced. Raises OSError with the folder's name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            _sync_folder(file) if file.is_dir() else _sync(file)
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        if path.exists():  # a folder cannot be replaced in one step: move the old one aside first
            os.replace(path, old)
        os.replace(partial, path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        raise OSError(e.errno, os.strerror(e.errno or 0), str(path)) from e
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _sync_folder(path.parent)


def _sync(path: Path) -> None:
    with open(path, "rb") as f:
        os.fsync(f.fileno())


def _sync_folder(path: Path) -> None:
    """Make a rename last through a power cut, where the system can (Windows cannot)."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
