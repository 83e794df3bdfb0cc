"""Lengths that the headers of recordings state, read byte by byte.

libsndfile and FFmpeg cut the stated length of a file to the bytes that are there, so a truncated file looks whole to them.
A length that a program writing to a pipe left as a placeholder states nothing.
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


PLACEHOLDER_32 = 0x7F00_0000  # bytes; sizes from here on are written by sox, ffmpeg and others when they cannot seek back
PLACEHOLDER_64 = 1 << 40
MOST_CHUNKS = 1_000  # looked at before the one that holds the sound
MP3_SEARCH = 65_536  # bytes behind the tags in which the first frame is looked for


def share_beyond_end(file: Bytes) -> float:
    """Bytes of sound that the header states beyond the end of the file, relative to those before it.

    Reads WAV (RIFF, RIFX, RF64, BW64, W64), AIFF, AU, CAF and SPHERE. Returns 0 where all bytes are there, for a placeholder, and for
    any other format. The position of `file` stays.
    """
    with _position_kept(file):
        size = file.seek(0, 2)
        file.seek(0)
        found = _sound_bytes(file, file.read(40))
    if found is None:
        return 0.0
    begin, stated = found
    present = size - begin
    return (stated - present) / present if 0 < present < stated else 0.0


@contextlib.contextmanager
def _position_kept(file: Bytes) -> Iterator[None]:
    """libsndfile and FFmpeg read on from where they left the file."""
    position = file.tell()
    try:
        yield
    finally:
        file.seek(position)


def _sound_bytes(file: Bytes, head: bytes) -> tuple[int, int] | None:
    """(where the sound begins, its stated bytes); None where the header states no length."""
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE":
        return _wav(file, ">" if kind == b"RIFX" else "<")
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        for name, begin, length in _chunks(file, 12, ">4sI", 2):
            if name == b"SSND":
                return _stated(begin + 8, length - 8, PLACEHOLDER_32)
    if kind == b"riff" and head[24:28] == b"wave":
        for name, begin, length in _chunks(file, 40, "<4s12xQ", 8):
            if name == b"data":
                return _stated(begin, length, PLACEHOLDER_64)
    if kind == b"caff":
        for name, begin, length in _chunks(file, 8, ">4sQ", 1):
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


def _chunks(file: Bytes, at: int, form: str, align: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its content begins, bytes of content) of each chunk from byte `at` on; `form` packs name and length."""
    head = struct.calcsize(form)
    counted = form.startswith("<4s12x")  # W64 counts the chunk's own head as well
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        data = file.read(head)
        if len(data) < head:
            return
        name, length = struct.unpack(form, data)
        length -= head if counted else 0
        yield name, at + head, length
        if not 0 <= length < PLACEHOLDER_64:
            return
        at += head + length + -length % align


def _wav(file: Bytes, order: str) -> tuple[int, int] | None:
    long_length = 0
    for name, begin, length in _chunks(file, 12, f"{order}4sI", 2):
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


def mp3_seconds(file: Bytes) -> float:
    """Seconds that the Xing, Info or VBRI header of an MP3 states; 0 where it has none. The position of `file` stays."""
    with _position_kept(file):
        file.seek(0)
        at = 0
        while (tag := file.read(10))[:3] == b"ID3" and len(tag) == 10:
            length = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]  # seven bits a byte
            at += 10 + length + (10 if tag[5] & 0x10 else 0)
            file.seek(at)
        file.seek(at)
        data = file.read(MP3_SEARCH)
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
        lame = at + 120  # the writer's name where all four fields are there
        if frame[at + 7] & 15 == 15 and frame[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc"):
            padding = int.from_bytes(frame[lame + 21 : lame + 24], "big")  # twelve bits of delay, twelve of padding
            trimmed = (padding >> 12) + (padding & 0xFFF)
    elif frame[36:40] == b"VBRI":
        count = int.from_bytes(frame[50:54], "big")
    else:
        return 0.0
    return max(0, count * (1152 if newest else 576) - trimmed) / rate


def flac_first_sample(file: Bytes) -> int:
    """Number of the first sample (or frame) in a FLAC: above 0 where it was cut out of another by copying. 0 where that cannot be read.

    The position of `file` stays.
    """
    with _position_kept(file):
        file.seek(0)
        if file.read(4) != b"fLaC":
            return 0
        at = 4
        for _ in range(MOST_CHUNKS):
            file.seek(at)
            head = file.read(4)
            if len(head) < 4:
                return 0
            at += 4 + int.from_bytes(head[1:], "big")
            if head[0] & 0x80:
                break
        file.seek(at)
        frame = file.read(16)
    if len(frame) < 16 or frame[0] != 0xFF or frame[1] & 0xFE != 0xF8:
        return 0
    return _coded_number(frame[4:])


def _coded_number(data: bytes) -> int:
    """A number in FLAC's extension of UTF-8; 0 where the bytes are none."""
    ones = len(f"{data[0]:08b}".split("0")[0])
    if ones == 0:
        return data[0]
    if ones == 1 or ones > 7 or any(byte & 0xC0 != 0x80 for byte in data[1:ones]):
        return 0
    number = data[0] & (0x7F >> ones)
    for byte in data[1:ones]:
        number = number << 6 | byte & 0x3F
    return number
