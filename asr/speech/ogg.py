"""Pages of Ogg files (RFC 3533), read without their content.

An Ogg file may hold several streams one after the other ("chained"), as radio dumps and joined voice notes do. FFmpeg confuses the time
stamps of such links, so each link is opened as a file of its own. The last page of a link states the end of its sound to the sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from asr.speech.file_part import Link

HEAD = 27  # bytes of a page before its segment table
SEARCH = 65_536  # bytes read at once while searching for the next page
NO_GRANULE = 0xFFFF_FFFF_FFFF_FFFF


@dataclass
class _Stream:
    """A link whose pages are being read. Skipped samples (None without sound) and granule positions are by serial number."""

    begin: int
    end: int
    whole: bool = True
    skips: dict[int, int | None] = field(default_factory=dict)
    granules: dict[int, int] = field(default_factory=dict)

    def link(self) -> Link:
        ends = tuple(
            None if skip is None or serial not in self.granules else self.granules[serial] - skip for serial, skip in self.skips.items()
        )
        return Link(self.begin, self.end, ends, self.whole)


def ogg_links(file: BinaryIO) -> list[Link]:
    """Find the links of an Ogg file.

    Args:
        file: the open file; its position moves.

    Returns:
        The links in order; empty for a file that is not Ogg.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != b"OggS":
        return []
    found: list[_Stream] = []
    in_heads = False
    for at, head, body in _pages(file, size):
        first = bool(head[5] & 2)
        if first and not in_heads:
            if found:
                found[-1].end = at
            found.append(_Stream(at, size))
        in_heads = first
        if not found:
            continue
        stream, serial = found[-1], int.from_bytes(head[14:18], "little")
        granule = int.from_bytes(head[6:14], "little")
        if first:
            stream.skips[serial] = _samples_skipped(body)
        length = HEAD + head[26] + sum(head[HEAD : HEAD + head[26]])
        stream.whole = at + length <= size
        if granule != NO_GRANULE and stream.whole:
            stream.granules[serial] = granule
    return [stream.link() for stream in found]


def _pages(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (first byte, header with segment table, start of the content) of each page."""
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
    """Return the samples that the decoder drops at the start, from the first packet of a stream; None for a stream without sound."""
    if packet.startswith(b"OpusHead"):
        return int.from_bytes(packet[10:12], "little")
    return 0 if packet.startswith((b"\x01vorbis", b"\x7fFLAC", b"fLaC", b"Speex   ")) else None
