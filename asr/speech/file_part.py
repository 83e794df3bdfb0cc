"""A part of an open file as a file of its own, for FFmpeg to read."""

from __future__ import annotations

import errno
import io
from typing import BinaryIO


class FilePart(io.RawIOBase):
    """Bytes `begin` to `end` of an open file. The file must stay open, and may be read by others in between."""

    def __init__(self, file: BinaryIO, begin: int = 0, end: int | None = None):
        self._file, self._begin, self._at = file, begin, 0
        self._size = (file.seek(0, io.SEEK_END) if end is None else end) - begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        if not left:
            return b""
        self._file.seek(self._begin + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place. Damaged headers lead FFmpeg to places before the start: it expects an error as a negative number, no exception."""
        place = (0, self._at, self._size)[whence] + offset
        if place < 0:
            return -errno.EINVAL
        self._at = place
        return place

    def tell(self) -> int:
        return self._at
