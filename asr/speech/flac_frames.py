"""Frames of a FLAC file, found without decoding: whether a file is one recording (RFC 9639, sections 8.2 and 9.1)."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from asr.speech.headers import Bytes, coded_number

WINDOW = 1 << 16  # bytes read at a place; most frames are shorter
EVEN_PLACES = 16  # examined evenly over the file
LONGEST_HEADER = 16  # bytes of a frame's header
SYNC = re.compile(rb"\xff[\xf8\xf9]")


def is_one_flac(file: Bytes, start: int, begin: int, size: int) -> bool:
    """Examine a few frames of a FLAC file: do their samples increase from place to place, and end at the stated number?

    In joined files the count of samples starts again. The places lie evenly, and closer together towards both ends, where a short
    recording may be.

    Args:
        file: the open file; its position moves.
        start: the first byte of the FLAC.
        begin: the first byte after its metadata.
        size: bytes of the file.

    Returns:
        Whether it is certainly one recording. False if frames are not found, or the number of samples is not stated.
    """
    file.seek(start + 8)
    info = file.read(18)
    if len(info) < 18:
        return False
    block, total = int.from_bytes(info[:2], "big"), int.from_bytes(info[13:18], "big") & ((1 << 36) - 1)
    length, before = size - begin, -1
    ends = [length >> i for i in range(1, length.bit_length()) if length >> i > WINDOW]
    places = {length * i // EVEN_PLACES for i in range(EVEN_PLACES)} | set(ends) | {length - place for place in ends}
    for place in sorted(places):
        frame = next(_frames(file, begin + place, block), None)
        if frame is None or frame[0] < before:
            return False
        before = frame[0]
    *_, (first, samples) = [(0, 0), *_frames(file, max(begin, size - WINDOW), block)]
    return 0 < total == first + samples


def _frames(file: Bytes, at: int, block: int) -> Iterator[tuple[int, int]]:
    """Yield the first sample and the number of samples of the frames that begin in the window at byte `at`; `block` is the usual number."""
    file.seek(at)
    data = file.read(WINDOW + LONGEST_HEADER)
    for match in SYNC.finditer(data):
        header = data[match.start() : match.start() + LONGEST_HEADER]
        if len(header) < LONGEST_HEADER or (found := _read_header(header, block)) is None:
            continue
        yield found


def _read_header(header: bytes, block: int) -> tuple[int, int] | None:
    """Read the first sample and the number of samples from a frame's header; None if its checksum is wrong."""
    number_bytes = max(1, 8 - (~header[4] & 0xFF).bit_length())
    at = 4 + number_bytes
    samples_code, rate_code = header[2] >> 4, header[2] & 15
    extra = {6: 1, 7: 2}.get(samples_code, 0)
    end = at + extra + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if samples_code == 0 or rate_code == 15 or header[3] & 1 or end >= len(header) or _crc8(header[:end]) != header[end]:
        return None
    if extra:
        samples = int.from_bytes(header[at : at + extra], "big") + 1
    else:
        samples = 192 if samples_code == 1 else 576 << (samples_code - 2) if samples_code < 6 else 256 << (samples_code - 8)
    number = coded_number(header[4:])
    return (number if header[1] & 1 else number * block), samples  # samples or frames are counted


def _crc8(data: bytes) -> int:
    return functools.reduce(lambda crc, byte: _CRC[crc ^ byte], data, 0)


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte << 1 ^ 0x07 if byte & 0x80 else byte << 1) & 0xFF
    return byte


_CRC = bytes(map(_crc_of_byte, range(256)))
