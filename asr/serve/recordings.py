"""Uploaded recordings on disk, deleted even after a crash.

Where `/proc/self/fd` can be opened (Linux), a recording is an anonymous temporary file. It has no name in any folder, and the kernel frees it
with the process, even after `kill -9`. Its path is that of its descriptor.

On other systems a decoder needs a named file. It is stored in a folder of the server (mode 0700), which contains a locked file while the
server runs. A server that starts removes the folders whose lock it can acquire, because their servers have ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

PREFIX = "asr-serve-"
LOCK = "lock"
DESCRIPTORS = Path("/proc/self/fd")


@dataclass(eq=False)
class Recording:
    """A recording on disk, until `close`."""

    path: Path
    kept: bool = False
    """a job owns the file and closes it"""
    _file: IO[Any] | None = None

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):  # the system has cleaned the temporary folder
                self._file.close()


class Recordings:
    """The recordings of a server."""

    def __init__(self) -> None:
        """Remove the recordings of servers that have ended."""
        self._anonymous = _opens_descriptors()
        self._folder: Path | None = None
        self._lock: FileLock | None = None
        self._making = threading.Lock()
        remove_abandoned()

    def keep(self, spool: tempfile.SpooledTemporaryFile[bytes]) -> Recording:
        """Give an uploaded file a path. Blocks on disk access. The caller must not close `spool` before the recording."""
        if self._anonymous:
            spool.rollover()
            spool.flush()
            return Recording(DESCRIPTORS / str(spool.fileno()), _file=spool)
        with self._making:
            folder = self._own_folder()
        named = tempfile.NamedTemporaryFile(dir=folder, prefix="upload-")  # noqa: SIM115 - lives as long as the recording
        try:
            spool.seek(0)
            shutil.copyfileobj(spool, named, 1 << 20)
            named.flush()
        except BaseException:
            named.close()
            raise
        spool.close()
        return Recording(Path(named.name), _file=named)

    def close(self) -> None:
        """Remove the folder of the server, if there is one."""
        if self._folder is not None and self._lock is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.release()
            self._folder = self._lock = None

    def _own_folder(self) -> Path:
        """Return the folder of this server. Creates it at first use, and again if the system has removed it."""
        while self._folder is None or not (self._folder / LOCK).exists():
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
            lock = FileLock(folder / LOCK, thread_local=False)
            try:
                lock.acquire(timeout=0)
            except (Timeout, OSError):
                continue  # another server that starts is removing the folder
            self._folder, self._lock = folder, lock
        return self._folder


def remove_abandoned() -> None:
    """Remove the folders of servers that have ended, but not those of other users or other programs."""
    for lock_file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        folder = lock_file.parent
        with contextlib.suppress(Timeout, OSError):
            if folder.is_symlink() or (hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid()):
                continue
            with FileLock(lock_file).acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)


def _opens_descriptors() -> bool:
    """Whether a path under `DESCRIPTORS` opens an anonymous file anew, with its own position."""
    with tempfile.TemporaryFile() as file:
        file.write(b"ab")
        file.flush()
        try:
            with open(DESCRIPTORS / str(file.fileno()), "rb") as again:
                return again.read() == b"ab" and file.tell() == 2
        except OSError:
            return False
