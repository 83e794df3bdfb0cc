"""The pages of Ogg files (RFC 3533), read without their content.

An Ogg file may hold several streams one after the other ("chained"): radio dumps and joined voice notes do. FFmpeg mixes up the times
of such links, so each is opened as a file of its own. The last page of a link states its end to the sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

HEAD = 27  # bytes of a page before its segment table
SEARCH = 65_536  # bytes read at once where the pages are damaged
NO_GRANULE = 0xFFFF_FFFF_FFFF_FFFF


@dataclass
class Link:
    """One of the streams that follow each other in an Ogg file.

    Attributes:
        begin: its first byte.
        end: the byte after its last.
        whole: whether its last page is complete.
    """

    begin: int
    end: int
    whole: bool = True
    _skips: dict[int, int] = field(default_factory=dict)
    _granules: dict[int, int] = field(default_factory=dict)

    @property
    def end_tick(self) -> int | None:
        """Where its sound ends, in samples of its codec (Opus: at 48 kHz); None where no page states it."""
        ends = [granule - self._skips[serial] for serial, granule in self._granules.items() if serial in self._skips]
        return max(ends, default=None)


def links(file: BinaryIO) -> list[Link]:
    """All links of an Ogg file, in order; empty for any other file. The position of `file` moves."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != b"OggS":
        return []
    found: list[Link] = []
    in_heads = False
    for at, head, body in _pages(file, size):
        first = bool(head[5] & 2)
        if first and not in_heads:
            if found:
                found[-1].end = at
            found.append(Link(at, size))
        in_heads = first
        if not found:
            continue
        link, serial = found[-1], int.from_bytes(head[14:18], "little")
        granule = int.from_bytes(head[6:14], "little")
        if first and (skip := _samples_skipped(body)) is not None:
            link._skips[serial] = skip
        length = HEAD + head[26] + sum(head[HEAD : HEAD + head[26]])
        link.whole = at + length <= size
        if granule != NO_GRANULE and link.whole:
            link._granules[serial] = granule
    return found


def _pages(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(first byte, head with its segment table, first bytes of its content) of each page."""
    at = 0
    while at + HEAD <= size:
        file.seek(at)
        data = file.read(HEAD + 255 + 32)
        if len(data) < HEAD:
            return
        if data[:5] != b"OggS\0":
            at = _next_page(file, at + 1, size)
            continue
        segments = data[26]
        yield at, data[: HEAD + segments], data[HEAD + segments :]
        at += HEAD + segments + sum(data[HEAD : HEAD + segments])


def _next_page(file: BinaryIO, at: int, size: int) -> int:
    while at < size:
        file.seek(at)
        data = file.read(SEARCH)
        if (place := data.find(b"OggS\0")) >= 0:
            return at + place
        if len(data) < SEARCH:
            return size
        at += len(data) - 4
    return size


def _samples_skipped(packet: bytes) -> int | None:
    """Samples that the decoder drops at the start, by the first packet of a stream; None where it is no sound."""
    if packet.startswith(b"OpusHead"):
        return int.from_bytes(packet[10:12], "little")
    return 0 if packet.startswith((b"\x01vorbis", b"\x7fFLAC", b"fLaC", b"Speex   ")) else None
