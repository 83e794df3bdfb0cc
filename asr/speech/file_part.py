"""A byte range of an open file, presented to FFmpeg and libsndfile as a file of its own."""

from __future__ import annotations

import errno
import io
from dataclasses import dataclass

from asr.speech.headers import Bytes


@dataclass(frozen=True)
class Link:
    """One of the recordings that follow each other in a file.

    Attributes:
        begin: its first byte.
        end: the byte after its last.
        end_ticks: where the sound of each of its streams ends, in samples of its codec (Opus: at 48 kHz), in the order of the streams;
            None where the file does not state it.
        whole: False if the file ends within the link's last Ogg page.
    """

    begin: int
    end: int
    end_ticks: tuple[int | None, ...] = ()
    whole: bool = True


class FilePart(io.RawIOBase):
    """Bytes `begin` to `end` of an open file.

    The file must stay open. Other readers may use it in between: every read seeks first.
    """

    def __init__(self, file: Bytes, begin: int = 0, end: int | None = None):
        """Present bytes `begin` to `end` of `file`; None for all up to its end."""
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
        """Move to a position.

        A damaged header can send FFmpeg to a position before the start. It expects a negative error number then, not an exception.
        """
        place = (0, self._at, self._size)[whence] + offset
        if place < 0:
            return -errno.EINVAL
        self._at = place
        return place

    def tell(self) -> int:
        return self._at
