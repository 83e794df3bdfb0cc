"""Atomic writes: a reader, a crash or a full disk never leaves half a file or half a folder under its name."""

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

HOST = re.sub(r"[^A-Za-z0-9_-]", "_", platform.node())[:40] or "host"  # in temporary names, for folders that several machines share
TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<host>[A-Za-z0-9_-]+)-(?P<pid>[0-9]+)\.(?P<kind>partial|old)")
LONGEST_NAME = 150  # bytes of a name that are repeated in a temporary name, which has 255 bytes at most
ABANDONED_SECONDS = 24 * 3600.0  # age from which a temporary of another machine is taken for one of a dead process
RENAME_SECONDS = 1.0  # ample time for the second rename of a folder's replacement to follow the first


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
    """Check that `atomic_file` could write `path`, as far as possible without writing or creating anything.

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

    A folder of that name is replaced. Where `path` is a symbolic link, the folder it names is replaced. A folder cannot be replaced in one
    step: the old one is renamed first, and comes back if the new one cannot take its name. A kill between the two renames leaves the old
    one under its temporary name, from which `recover_folder` restores it. Raises OSError with the folder's name.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial, old = _temporary(target, "partial"), _temporary(target, "old")
    recover_folder(target)
    for left in (partial, old):  # of an earlier process with the same number
        _remove(left)
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
    """Restore the folder `path` if a process was killed while `atomic_folder` replaced it. Otherwise change nothing."""
    target = Path(os.path.realpath(path))
    if target.exists() or not target.parent.is_dir():
        return
    left = sorted(target.parent.glob(f".{glob.escape(_short(target.name))}.*.old"), key=_changed)
    if not left:
        return
    end = time.monotonic() + RENAME_SECONDS
    while not _is_abandoned(left[-1]) and time.monotonic() < end:  # a living process is between its two renames
        time.sleep(0.02)
        if target.exists():
            return
    with contextlib.suppress(OSError):  # another reader was quicker
        os.replace(left[-1], target)


def clean_folder(folder: Path, names: str) -> None:
    """Remove temporary files and folders that killed processes left in a folder, of the targets whose names match the pattern `names`.

    Targets that a process was replacing when it was killed are restored first. Temporaries of processes that run on this machine stay,
    and so do those of other machines for a day.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        parts = TEMPORARY.fullmatch(path.name)
        if not parts or not re.fullmatch(names, parts["name"]):
            continue
        if parts["kind"] == "old":
            recover_folder(folder / parts["name"])
        own = parts["host"] == HOST and int(parts["pid"]) == os.getpid()  # of an earlier process with the same number
        if own or _is_abandoned(path):
            _remove(path)


def _temporary(target: Path, kind: str) -> Path:
    """A name beside the target that belongs to this process."""
    return target.with_name(f".{_short(target.name)}.{HOST}-{os.getpid()}.{kind}")


def _short(name: str) -> str:
    return name if len(os.fsencode(name)) <= LONGEST_NAME else hashlib.sha256(os.fsencode(name)).hexdigest()


def _is_abandoned(temporary: Path) -> bool:
    """Whether the process that made a temporary is dead, as far as this machine can see."""
    parts = TEMPORARY.fullmatch(temporary.name)
    if parts is None or parts["host"] != HOST or os.name == "nt":  # where signal 0 is not a question
        return time.time() - _changed(temporary) > ABANDONED_SECONDS
    try:
        os.kill(int(parts["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's
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
    """When a file or folder was last changed (s since 1970); now if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


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
