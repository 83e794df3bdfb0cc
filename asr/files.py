"""Atomic writes: no reader, crash or full disk leaves a partial file or folder under its name."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import platform
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from asr.errors import UsageError

HOST = re.sub(r"[^A-Za-z0-9_-]", "_", platform.node())[:40] or "host"  # in temporary names, as several machines can share a folder
TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<host>[A-Za-z0-9_-]+)-(?P<pid>[0-9]+)\.(?P<kind>partial|old)")
LONGEST_NAME = 150  # bytes; a longer name is hashed in its temporary name, which has at most 255 bytes
ABANDONED_SECONDS = 24 * 3600.0  # age at which a temporary of another machine is considered abandoned
RENAME_SECONDS = 1.0  # longest time between the two renames that replace a folder


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, or leave the existing file unchanged if the write fails.

    Args:
        path: the file. Its folders are created.
        content: text, which is written as UTF-8, or bytes.

    Raises:
        OSError: the file cannot be written; it names the file.
    """
    with atomic_file(path) as f:
        f.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name only at the end of the block, if there is no error.

    The target of a symbolic link is replaced, and the link stays. Devices and pipes are written to directly.

    Args:
        path: the file. Its folders are created.

    Yields:
        The open file.

    Raises:
        OSError: the file cannot be written; it names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_special(path):
        with _named(path, path), open(path, "wb") as f:
            yield f
        return
    target = Path(os.path.realpath(path))
    partial = _temporary(target, "partial")
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
    """Check whether `atomic_file` can write a file, without writing or creating anything.

    Args:
        path: the file. It and its folders need not exist.

    Raises:
        OSError: the file cannot be written; it names the file.
    """
    written = path
    if not _is_special(path):  # a new file takes the name: the folder must be writable
        folder = Path(os.path.realpath(path)).parent
        written = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if not written.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    elif path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not os.access(written, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths name one file, also by links or in another case. The files need not exist."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)  # A.json and a.json, or two hard links, can be one file
    except OSError:
        return False


def overwritten(outputs: Iterable[Path], inputs: Iterable[Path]) -> list[Path]:
    """Return the existing outputs that are one of the inputs, also by links or in another case."""
    existing = {path: identity for path in outputs if (identity := _identity(path))}
    read = {_identity(path) for path in inputs} if existing else set()  # 100,000 recordings take a second
    return [path for path, identity in existing.items() if identity in read]


def refuse_inputs(option: str, outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Check that no output replaces an input.

    Args:
        option: the option of the outputs, for the message.
        outputs: files to write.
        inputs: files that are read.

    Raises:
        UsageError: an output is one of the inputs, also by links or in another case.
    """
    for file in overwritten(outputs, inputs):
        raise UsageError(f"{option} {file}: would overwrite an input of this command: name another file")


def _identity(path: Path) -> tuple[int, int] | None:
    """Return a key that all names of a file have in common; None if it does not exist."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Create a folder that takes its name only at the end of the block, if there is no error.

    An existing folder, or the target of a symbolic link, is replaced. A folder cannot be replaced in one step: the old one is renamed first,
    and restored if the new one cannot take its name. A kill between the two renames leaves the old folder under a temporary name, from
    which `recover_folder` restores it.

    Args:
        path: the folder. Its parents are created.

    Yields:
        The folder to fill, under a temporary name.

    Raises:
        OSError: the folder cannot be written; it names the folder.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial, old = _temporary(target, "partial"), _temporary(target, "old")
    recover_folder(target)
    for leftover in (partial, old):  # of an earlier process with the same id
        _remove(leftover)
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            _sync_folder(file) if file.is_dir() else _sync(file)
        try:
            if target.exists():
                os.replace(target, old)
            os.replace(partial, target)
        finally:
            if old.exists() and not target.exists():
                os.replace(old, target)
        _remove(old)
    except OSError as e:
        raise OSError(e.errno, os.strerror(e.errno or 0), str(path)) from e
    finally:
        _remove(partial)
    _sync_folder(target.parent)


def recover_folder(path: Path) -> None:
    """Restore a folder that a killed process was replacing. If the folder exists, do nothing."""
    target = Path(os.path.realpath(path))
    if target.exists() or not target.parent.is_dir():
        return
    leftovers = sorted(target.parent.glob(f".{glob.escape(_short(target.name))}.*.old"), key=_changed)
    if not leftovers:
        return
    end = time.monotonic() + RENAME_SECONDS
    while not _is_abandoned(leftovers[-1]) and time.monotonic() < end:  # a running process is between its two renames
        time.sleep(0.02)
        if target.exists():
            return
    with contextlib.suppress(OSError):  # another reader was faster
        os.replace(leftovers[-1], target)


def clean_folder(folder: Path, names: str) -> None:
    """Remove temporary files and folders of killed processes.

    Folders that a killed process was replacing are restored first. Temporaries of running processes on this machine, and those of other
    machines that are younger than a day, are kept.

    Args:
        folder: the folder to clean.
        names: regular expression for the names of the files whose temporaries are removed.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        parts = TEMPORARY.fullmatch(path.name)
        if not parts or not re.fullmatch(names, parts["name"]):
            continue
        if parts["kind"] == "old":
            recover_folder(folder / parts["name"])
        own = parts["host"] == HOST and int(parts["pid"]) == os.getpid()  # of an earlier process with the same id
        if own or _is_abandoned(path):
            _remove(path)


def _temporary(target: Path, kind: str) -> Path:
    """Return a name beside the target that belongs to this process."""
    return target.with_name(f".{_short(target.name)}.{HOST}-{os.getpid()}.{kind}")


def _short(name: str) -> str:
    return name if len(os.fsencode(name)) <= LONGEST_NAME else hashlib.sha256(os.fsencode(name)).hexdigest()


def _is_abandoned(temporary: Path) -> bool:
    """Return whether the process of a temporary is dead, as far as this machine can determine."""
    parts = TEMPORARY.fullmatch(temporary.name)
    if parts is None or parts["host"] != HOST or os.name == "nt":  # on Windows, signal 0 is no query
        return time.time() - _changed(temporary) > ABANDONED_SECONDS
    try:
        os.kill(int(parts["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # a process of another user
        return False
    return False


def _remove(path: Path) -> None:
    """Remove a file or a folder as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _changed(path: Path) -> float:
    """Return the time of the last change of a file or folder (s since 1970), or the current time if it does not exist."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _is_special(path: Path) -> bool:
    """Return whether a path is a device, a pipe or a folder, which a file cannot replace."""
    return path.exists() and not path.is_file()


@contextlib.contextmanager
def _named(path: Path, partial: Path) -> Iterator[None]:
    """Make errors of the temporary file name `path` instead."""
    try:
        yield
    except OSError as e:
        if e.filename not in (None, str(partial)):  # of another file
            raise
        raise OSError(e.errno, os.strerror(e.errno or 0), str(path)) from e


def _sync(path: Path) -> None:
    with open(path, "rb") as f:
        os.fsync(f.fileno())


def _sync_folder(path: Path) -> None:
    """Make a rename durable, if the system can (Windows cannot)."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
