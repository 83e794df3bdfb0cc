"""The recordings in a file: several, where files were joined byte by byte, as `cat` does.

Most decoders stop at the end of the first recording, without an error. So the end of a recording is found by the structure of its
container, without decoding. If another recording begins there, it is read as well (linked.py). ADTS, AC-3, MPEG streams and MP3 without
a Xing or Info header have no beginning to be found: FFmpeg reads on through them.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

from asr.speech.file_part import FilePart, Link
from asr.speech.flac_frames import is_one_flac
from asr.speech.headers import MOST_CHUNKS, W64_CHUNK, Bytes, after_flac_head, after_id3, chunks, mp3_bytes, sound_bytes
from asr.speech.ogg import ogg_links

MOST_LINKS = 100_000
MOST_BOXES = 1_000_000  # boxes or blocks walked through in one recording
SEARCH = 1 << 20  # bytes read at once
SMALL = 4 << 20  # bytes that are searched as soon as examined
MP3_HEAD = 1_024  # bytes that hold the first frame's tag
LONGEST_MAGIC = 80  # bytes by which a beginning is recognised
MOST_UNREAD = 4_096  # bytes after the end of a recording that are not reported

ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
FLAC = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # with the head of the block that always comes first, of 34 bytes
AMR = re.compile(rb"#!AMR(?:-WB)?\n")
# The header of a frame of layer III, its checksum and side information, and the tag that states the length.
MP3 = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa\xfb][^\xff].(?:..)?(?:.{9}|.{17}|.{32})(?:Xing|Info)\0\0\0[\1-\x0f]", re.DOTALL)
WEBM = re.compile(rb"\x1a\x45\xdf\xa3.{1,50}\x42\x82.{1,8}(?:matroska|webm)", re.DOTALL)

_CHUNK_NAME = re.compile(rb"[\w .&-]{4}")
_TAG = re.compile(rb"TAG|APETAGEX|ID3[\2-\4]|LYRICSBEGIN|3DI")


class Recordings(NamedTuple):
    """Result of `find_recordings`.

    Attributes:
        links: the recordings in order, at least one, without the tags that follow them.
        unread: bytes after the last one that belong to no known recording; 0 for padding and tags.
    """

    links: list[Link]
    unread: int = 0


def find_recordings(file: BinaryIO) -> Recordings:
    """Find the recordings in a file.

    Args:
        file: the open file; its position moves.

    Returns:
        The recordings. There is one if the format is not known or its end is unknown.
    """
    size = file.seek(0, 2)
    if ogg := ogg_links(file):
        return Recordings(ogg)
    links: list[Link] = []
    begin = 0
    for _ in range(MOST_LINKS):
        length = _length(FilePart(file, begin, size), size - begin)
        if length is None or begin + length >= size:
            break
        links.append(Link(begin, begin + length))
        begin = _after_tags(file, begin + length)
        if not _begins(file, begin):
            return Recordings(links, size - begin if _is_unknown(file, begin, size) else 0)
    return Recordings([*links, Link(begin, size)])


def _begins(file: Bytes, at: int) -> bool:
    """Whether a recording begins at byte `at`, with or without a tag."""
    part = FilePart(file, at)
    part.seek(after_id3(part))
    head = part.read(LONGEST_MAGIC)
    return any(magic.match(head) for magic, _ in CONTAINERS)


def _after_tags(file: Bytes, at: int) -> int:
    """Return the first byte after the APE and ID3v1 tags that begin at byte `at`."""
    while True:
        file.seek(at)
        head = file.read(16)
        if head.startswith(b"APETAGEX") and len(head) == 16:
            at += 32 + int.from_bytes(head[12:], "little")
        elif head.startswith(b"TAG"):
            at += 128
        else:
            return at


def _is_unknown(file: Bytes, at: int, size: int) -> bool:
    """Whether the bytes after the end of a recording are many, and neither padding nor a tag."""
    if size - at <= MOST_UNREAD:
        return False
    while at < size:
        file.seek(at)
        data = file.read(min(SEARCH, size - at))
        if rest := data.lstrip(b"\0"):
            return not _TAG.match(rest)
        at += len(data)
    return False


def _length(part: FilePart, size: int) -> int | None:
    """Return the length in bytes of the recording at the start of a part of `size` bytes; None if it is not known."""
    start = after_id3(part)
    part.seek(start)
    head = part.read(LONGEST_MAGIC)
    for magic, length in CONTAINERS:
        if magic.match(head):
            return length(part, start, size)
    return None


# ---------------------------------------------------------------- the end of each container
#
# Functions of (part, first byte after tags, size of the part). They return None if the end is not known, or is beyond the file.


def _end_of_chunks(part: FilePart, at: int, form: str, align: int, size: int) -> int | None:
    """Find the end of the chunks from byte `at` on, if the one with the sound states its length."""
    sound = sound_bytes(part)
    if sound is None or sum(sound) > size:
        return None
    for name, begin, length in chunks(part, at, form, align):
        if not _CHUNK_NAME.fullmatch(name) or length < 0 or (begin > sum(sound) and begin + length > size):
            return at  # a tag, or something else that is no chunk
        if begin <= sound[0] < sum(sound) < begin + length:  # RF64 writes a placeholder, and the length in another chunk
            return sum(sound)
        at = begin + length
        if length % align and not _begins(part, at):  # some writers leave out the padding
            at += -length % align
        if _begins(part, at):
            return at
    return at if at <= size else None


def _end_of_wav(part: FilePart, start: int, size: int) -> int | None:
    part.seek(start)
    return _end_of_chunks(part, start + 12, f"{'>' if part.read(4) == b'RIFX' else '<'}4sI", 2, size)


def _end_of_aiff(part: FilePart, start: int, size: int) -> int | None:
    return _end_of_chunks(part, start + 12, ">4sI", 2, size)


def _end_of_w64(part: FilePart, start: int, size: int) -> int | None:
    return _end_of_chunks(part, start + 40, W64_CHUNK, 8, size)


def _end_of_caf(part: FilePart, start: int, size: int) -> int | None:
    return _end_of_chunks(part, start + 8, ">4sQ", 1, size)


def _end_of_sound(part: FilePart, start: int, size: int) -> int | None:
    """AU and SPHERE: the header, then sound of a stated length."""
    found = sound_bytes(part)
    return None if found is None or sum(found) > size else sum(found)


def _end_of_amr(part: FilePart, start: int, size: int) -> int:
    return _find(part, start + 1, AMR, (b"#!AMR",), size)


def _end_of_mp3(part: FilePart, start: int, size: int) -> int:
    """MP3: searched for another header, unless the one at its start states all bytes of the file."""
    part.seek(start)
    stated = mp3_bytes(part.read(MP3_HEAD))
    if stated and abs(start + stated - size) <= MOST_UNREAD:
        return size
    return _find(part, start + 1, MP3, (b"Xing", b"Info"), size)


def _end_of_flac(part: FilePart, start: int, size: int) -> int:
    """FLAC: searched for another header, unless a few of its frames show that it is one recording."""
    begin = after_flac_head(part, start) or size
    if size - begin > SMALL and is_one_flac(part, start, begin, size):
        return size
    return _find(part, begin, FLAC, (b"fLaC",), size)


def _find(part: FilePart, at: int, pattern: re.Pattern[bytes], words: Sequence[bytes], size: int) -> int:
    """Return the first place of `pattern` from byte `at` on, or `size`. A search for `words`, of which it holds one, is faster."""
    while at < size:
        part.seek(at)
        data = part.read(SEARCH)
        if any(word in data for word in words) and (found := pattern.search(data)):
            return at + found.start()
        at += max(1, len(data) - LONGEST_MAGIC) if len(data) == SEARCH else len(data)
        if not data:
            break
    return size


def _end_of_boxes(part: FilePart, start: int, size: int) -> int | None:
    """MP4 and MOV: boxes up to a second `ftyp`."""
    at = start
    for _ in range(MOST_BOXES):
        part.seek(at)
        head = part.read(16)
        if len(head) < 8 or not re.fullmatch(rb"[\w \xa9-]{4}", head[4:8]):
            return None
        if head[4:8] == b"ftyp" and at > start:
            return at
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        if length < 8:
            return None
        at += length
        if at >= size:
            return None
    return None


def _end_of_ebml(part: FilePart, start: int, size: int) -> int | None:
    """Matroska and WebM: top-level elements up to the next header. A segment of unknown length (a live stream) is searched for it."""
    at = start
    for _ in range(MOST_LINKS):
        if at > start and _begins(part, at):
            return at
        part.seek(at)
        head = part.read(16)
        if len(head) < 5:
            return None
        name = _vint_length(head[0])
        length = _vint_length(head[name]) if 0 < name <= 4 else 0
        if not length or name + length > len(head):
            return None
        stated = int.from_bytes(head[name : name + length], "big") & ((1 << 7 * length) - 1)
        if stated == (1 << 7 * length) - 1:
            return _find(part, at + name + length, WEBM, (b"matroska", b"webm"), size)
        at += name + length + stated
        if at >= size:
            return None
    return None


def _vint_length(first: int) -> int:
    """Bytes of an EBML number, from its first; 0 where it is none."""
    return 9 - first.bit_length() if first else 0


def _end_of_asf(part: FilePart, start: int, size: int) -> int | None:
    """WMA: objects up to the next header."""
    at = start
    for _ in range(MOST_CHUNKS):
        part.seek(at)
        head = part.read(24)
        if len(head) < 24:
            return None
        if head[:16] == ASF and at > start:
            return at
        length = int.from_bytes(head[16:], "little")
        at += length
        if length < 24 or at >= size:
            return None
    return None


def _end_of_wavpack(part: FilePart, start: int, size: int) -> int | None:
    """WavPack: blocks up to the stated number of samples."""
    at, position, total = start, 0, 0
    for _ in range(MOST_BOXES):
        part.seek(at)
        head = part.read(32)
        is_block = len(head) == 32 and head[:4] == b"wvpk"
        length, stated, index, samples = (int.from_bytes(head[i : i + 4], "little") for i in (4, 12, 16, 20))
        if total and position >= total and not (is_block and index + samples == total):  # other blocks have more channels
            return at
        if not is_block or at >= size:
            return None
        total = total or (0 if stated == 0xFFFF_FFFF else stated)
        position = index + samples
        at += 8 + length
    return None


def _end_of_tta(part: FilePart, start: int, size: int) -> int | None:
    """TTA: a table with the bytes of each frame, if its checksum is right."""
    part.seek(start)
    head = part.read(22)
    rate, samples = struct.unpack("<II", head[10:18]) if len(head) == 22 else (0, 0)
    frames = -(-samples // (256 * rate // 245)) if rate else 0
    if not 0 < 4 * frames < size:
        return None
    table, checksum = part.read(4 * frames), part.read(4)
    if len(checksum) < 4 or zlib.crc32(table) != int.from_bytes(checksum, "little"):
        return None
    end = start + 22 + 4 * frames + 4 + sum(struct.unpack(f"<{frames}I", table))
    return end if end <= size else None


CONTAINERS: tuple[tuple[re.Pattern[bytes], Callable[[FilePart, int, int], int | None]], ...] = (
    (re.compile(rb"(?:RIFF|RIFX|RF64|BW64)....WAVE", re.DOTALL), _end_of_wav),
    (re.compile(rb"FORM....AIF[FC]", re.DOTALL), _end_of_aiff),
    (re.compile(rb"riff\x2e\x91\xcf\x11", re.DOTALL), _end_of_w64),
    (re.compile(rb"caff\0[\1\2]\0\0"), _end_of_caf),
    (re.compile(rb"\.snd\0|NIST_1A\n"), _end_of_sound),
    (FLAC, _end_of_flac),
    (re.compile(rb"....ftyp", re.DOTALL), _end_of_boxes),
    (WEBM, _end_of_ebml),
    (re.compile(re.escape(ASF)), _end_of_asf),
    (re.compile(rb"wvpk"), _end_of_wavpack),
    (re.compile(rb"TTA1[\1\2\3]\0"), _end_of_tta),
    (AMR, _end_of_amr),
    (MP3, _end_of_mp3),
)
"""pattern of the beginning of each container, and the function that finds its end"""
