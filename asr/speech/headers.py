"""Lengths stated in the headers of recordings, read byte by byte.

libsndfile and FFmpeg reduce the stated length of a file to the bytes present, so a truncated file looks complete to them. Programs that
write to a pipe leave a placeholder, which states no length.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator
from typing import Protocol


class Bytes(Protocol):
    """An open file."""

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


PLACEHOLDER_32 = 0x7F00_0000  # bytes; sox, FFmpeg and others write sizes from here on when they cannot seek back
PLACEHOLDER_64 = 1 << 40
MOST_CHUNKS = 1_000  # read before the chunk with the sound
HEAD_SEARCH = 65_536  # bytes at the start, or after the tags, that are searched for a header
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def share_beyond_end(file: Bytes) -> float:
    """Compare the stated bytes of sound with those present.

    Reads WAV (RIFF, RIFX, RF64, BW64, W64), AIFF, AU, CAF and SPHERE.

    Args:
        file: the open file; its position is kept.

    Returns:
        Bytes stated beyond the end of the file, as a share of the bytes present. Negative where the file has more bytes than its header
        states. 0 for a placeholder and for any other format.
    """
    with _position_kept(file):
        size = file.seek(0, 2)
        found = sound_bytes(file)
    if found is None:
        return 0.0
    begin, stated = found
    present = size - begin
    return (stated - present) / present if present > 0 else 0.0


@contextlib.contextmanager
def _position_kept(file: Bytes) -> Iterator[None]:
    """Restore the position: libsndfile and FFmpeg continue from where they left the file."""
    position = file.tell()
    try:
        yield
    finally:
        file.seek(position)


def sound_bytes(file: Bytes) -> tuple[int, int] | None:
    """Locate the sound of an uncompressed file by its header.

    Args:
        file: the open file; its position moves.

    Returns:
        First byte of the sound and its stated bytes; None where the header states no length.
    """
    file.seek(0)
    head = file.read(40)
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE":
        return _wav(file, ">" if kind == b"RIFX" else "<")
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        for name, begin, length in chunks(file, 12, ">4sI", 2):
            if name == b"SSND":
                return _stated(begin + 8, length - 8, PLACEHOLDER_32)
    if kind == b"riff" and head[24:28] == b"wave":
        for name, begin, length in chunks(file, 40, W64_CHUNK, 8):
            if name == b"data":
                return _stated(begin, length, PLACEHOLDER_64)
    if kind == b"caff":
        for name, begin, length in chunks(file, 8, ">4sQ", 1):
            if name == b"data":
                return _stated(begin + 4, length - 4, PLACEHOLDER_64)
    if kind in (b".snd", b"dns.") and len(head) >= 12:
        begin, length = struct.unpack(">II" if kind == b".snd" else "<II", head[4:12])
        return _stated(begin, length, PLACEHOLDER_32)
    if head.startswith(b"NIST_1A\n"):
        return _sphere(file)
    return None


def _stated(begin: int, length: int, placeholder: int) -> tuple[int, int] | None:
    return (begin, length) if 0 < length < placeholder else None


W64_CHUNK = "<4s12xQ"  # its length includes the chunk's own header


def chunks(file: Bytes, at: int, form: str, align: int) -> Iterator[tuple[bytes, int, int]]:
    """Walk the chunks of a file.

    Args:
        file: the open file; its position moves.
        at: first byte of the first chunk.
        form: `struct` format of a chunk's name and length.
        align: bytes to whose multiple chunks are padded.

    Yields:
        The name, the first byte of the content, and the bytes of content of each chunk.
    """
    head = struct.calcsize(form)
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        data = file.read(head)
        if len(data) < head:
            return
        name, length = struct.unpack(form, data)
        length -= head if form == W64_CHUNK else 0
        yield name, at + head, length
        if not 0 <= length < PLACEHOLDER_64:
            return
        at += head + length + -length % align


def _wav(file: Bytes, order: str) -> tuple[int, int] | None:
    long_length = 0
    for name, begin, length in chunks(file, 12, f"{order}4sI", 2):
        if name == b"ds64":
            file.seek(begin + 8)
            data = file.read(8)
            long_length = struct.unpack("<Q", data)[0] if len(data) == 8 else 0
        elif name == b"data":
            if length == 0xFFFF_FFFF and long_length:
                return _stated(begin, long_length, PLACEHOLDER_64)
            return _stated(begin, length, PLACEHOLDER_32)
    return None


def _sphere(file: Bytes) -> tuple[int, int] | None:
    file.seek(0)
    text = file.read(4096)
    begin = text[8:16].strip()
    head = text[: int(begin)] if begin.isdigit() else b""
    numbers = {name: int(value) for name, value in re.findall(rb"^(\w+) -i (\d{1,15})\s*$", head, re.MULTILINE)}
    if b"shorten" in head or b"sample_count" not in numbers or b"sample_n_bytes" not in numbers:
        return None
    length = numbers[b"sample_count"] * numbers[b"sample_n_bytes"] * numbers.get(b"channel_count", 1)
    return _stated(int(begin), length, PLACEHOLDER_64)


def after_id3(file: Bytes) -> int:
    """Return the first byte after the ID3v2 tags at the start of a file; its position moves."""
    at = 0
    file.seek(0)
    while (tag := file.read(10))[:3] == b"ID3" and len(tag) == 10:
        length = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]  # seven bits a byte
        at += 10 + length + (10 if tag[5] & 0x10 else 0)
        file.seek(at)
    return at


def mp3_seconds(file: Bytes) -> float:
    """Return the seconds that the Xing, Info or VBRI header of an MP3 states; 0 without one. The position of `file` is kept."""
    with _position_kept(file):
        file.seek(after_id3(file))
        data = file.read(HEAD_SEARCH)
    first = re.search(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa\xfb]", data)  # layer III
    if first is None:
        return 0.0
    frame = data[first.start() : first.start() + 256]
    if len(frame) < 200 or frame[2] & 0x0C == 0x0C:
        return 0.0
    newest = frame[1] & 0x18 == 0x18  # MPEG 1; else 2 or 2.5
    rate = (44_100, 48_000, 32_000)[frame[2] >> 2 & 3] >> {0x18: 0, 0x10: 1}.get(frame[1] & 0x18, 2)
    mono = frame[3] & 0xC0 == 0xC0
    at = 4 + ((17 if mono else 32) if newest else (9 if mono else 17))
    trimmed = 0
    if frame[at : at + 4] in (b"Xing", b"Info") and frame[at + 7] & 1:
        count = int.from_bytes(frame[at + 8 : at + 12], "big")
        lame = at + 120  # the encoder's name, where all four fields are present
        if frame[at + 7] & 15 == 15 and frame[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc"):
            padding = int.from_bytes(frame[lame + 21 : lame + 24], "big")  # twelve bits of delay, twelve of padding
            trimmed = (padding >> 12) + (padding & 0xFFF)
    elif frame[36:40] == b"VBRI":
        count = int.from_bytes(frame[50:54], "big")
    else:
        return 0.0
    return max(0, count * (1152 if newest else 576) - trimmed) / rate


def mp3_bytes(head: bytes) -> int:
    """Return the bytes that the Xing or Info header in the first bytes of an MP3 states; 0 without one."""
    at = max(head.find(b"Xing"), head.find(b"Info"))
    if at < 0 or len(head) < at + 16 or not head[at + 7] & 2:
        return 0
    at += 8 + 4 * (head[at + 7] & 1)  # the number of frames may stand before it
    return int.from_bytes(head[at : at + 4], "big")


def asf_seconds(file: Bytes) -> float:
    """Return the play duration that the header of an ASF (WMA) states; 0 without one. The position of `file` is kept."""
    with _position_kept(file):
        file.seek(0)
        data = file.read(HEAD_SEARCH)
    at = data.find(ASF_PROPERTIES)
    if at < 0 or len(data) < at + 92:
        return 0.0
    duration, _, preroll, flags = struct.unpack("<QQQI", data[at + 64 : at + 92])  # 100 ns, ..., ms
    is_live = bool(flags & 1)
    return 0.0 if is_live or duration >= PLACEHOLDER_64 else max(0.0, duration / 1e7 - preroll / 1e3)


def avi_seconds(file: Bytes) -> float:
    """Return the length that the stream header of an AVI's only sound states; 0 without one. The position of `file` is kept."""
    with _position_kept(file):
        file.seek(0)
        data = file.read(HEAD_SEARCH)
    found = [match.end() for match in re.finditer(rb"strh....auds", data, re.DOTALL)]
    if len(found) != 1 or len(data) < found[0] + 32:
        return 0.0
    scale, rate, _, length = struct.unpack("<IIII", data[found[0] + 16 : found[0] + 32])
    return length * scale / rate if rate and length < PLACEHOLDER_32 else 0.0


def flac_first_sample(file: Bytes) -> int:
    """Return the number of the first sample (or frame) of a FLAC.

    It is above 0 where the file was cut out of another by stream copy. The position of `file` is kept.

    Returns:
        The number; 0 where it cannot be read.
    """
    with _position_kept(file):
        at = after_flac_head(file, 0)
        file.seek(at)
        frame = file.read(16) if at else b""
    if len(frame) < 16 or frame[0] != 0xFF or frame[1] & 0xFE != 0xF8:
        return 0
    return coded_number(frame[4:])


def after_flac_head(file: Bytes, at: int) -> int:
    """Return the first byte after the metadata of a FLAC that starts at byte `at`; 0 for another file. The position moves."""
    file.seek(at)
    if file.read(4) != b"fLaC":
        return 0
    at += 4
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            return 0
        at += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    return at


def coded_number(data: bytes) -> int:
    """Decode a number in FLAC's extension of UTF-8; 0 for other bytes."""
    ones = len(f"{data[0]:08b}".split("0")[0])
    if ones == 0:
        return data[0]
    if ones == 1 or ones > 7 or any(byte & 0xC0 != 0x80 for byte in data[1:ones]):
        return 0
    number = data[0] & (0x7F >> ones)
    for byte in data[1:ones]:
        number = number << 6 | byte & 0x3F
    return number
