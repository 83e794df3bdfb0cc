"""Writing files so that a reader, a crash or a full disk never meets half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from asr.errors import UsageError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file, or, if anything goes wrong, leave what was there before.

    Raises OSError with the file's name.
    """
    with atomic_file(path) as f:
        f.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write piece by piece, which takes the name `path` only once the block has ended without an error.

    Where `path` is a symbolic link, the file it names is written and the link stays. A device or a pipe is written to as it is. Raises
    OSError with the file's name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_special(path):
        with _named(path, path), open(path, "wb") as f:
            yield f
        return
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with _named(path, partial):
            with open(partial, "wb") as f:
                yield f
                f.flush()
                os.fsync(f.fileno())
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(target.parent)


def check_writable(path: Path) -> None:
    """See that `atomic_file` could write `path`, as far as that can be told without writing or making anything.

    Raises OSError with the file's name.
    """
    place = path
    if not _is_special(path):  # a new file takes its name: it is the folder that must let it
        folder = Path(os.path.realpath(path)).parent
        place = next(there for there in (folder, *folder.parents) if there.exists())
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    elif path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def is_same_file(one: Path, other: Path) -> bool:
    """Whether writing `one` would write over `other`, by whatever names and links; neither needs to be there."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)  # A.json and a.json may be one file, or a file have two names
    except OSError:
        return False


def overwritten(outputs: Iterable[Path], inputs: Iterable[Path]) -> list[Path]:
    """Those of the `outputs` that are one of the `inputs`, by whatever names and links; files that are not there yet are none."""
    there = {path: found for path in outputs if (found := _identity(path))}
    known = {_identity(path) for path in inputs} if there else set()  # a look at 100,000 recordings takes a second
    return [path for path, found in there.items() if found in known]


def refuse_inputs(option: str, outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise UsageError, naming the option, where one of the `outputs` is one of the `inputs`, by whatever names and links."""
    for file in overwritten(outputs, inputs):
        raise UsageError(f"{option} {file}: would overwrite an input of this command: name another file")


def _identity(path: Path) -> tuple[int, int] | None:
    """Of the file, not of its name: links to it, and a name in another case where case does not count, have the same."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name `path` only once the block has ended without an error.

    A folder of that name is replaced; where `path` is a symbolic link, the folder it names. Raises OSError with the folder's name.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            _sync_folder(file) if file.is_dir() else _sync(file)
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        if target.exists():  # a folder cannot be replaced in one step: move the old one aside first
            os.replace(target, old)
        os.replace(partial, target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        raise OSError(e.errno, os.strerror(e.errno or 0), str(path)) from e
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _sync_folder(target.parent)


def _is_special(path: Path) -> bool:
    """Whether something is there that a file cannot take the place of: a device, a pipe, a folder."""
    return path.exists() and not path.is_file()


@contextlib.contextmanager
def _named(path: Path, partial: Path) -> Iterator[None]:
    """An error about the file that is written for the moment becomes one about `path`."""
    try:
        yield
    except OSError as e:
        if e.filename not in (None, str(partial)):  # of another file, that the block reads
            raise
        raise OSError(e.errno, os.strerror(e.errno or 0), str(path)) from e


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
