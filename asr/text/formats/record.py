"""Records: the entries of a text file, each a dictionary with the line that it starts on."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from asr.text.unicode_form import unicode_form

Record: TypeAlias = tuple[int, dict[str, Any]]
"""(line, keys and values)"""
Records: TypeAlias = Iterator[Record]

ID, TEXT = "id", "text"
RECORDING, CHANNEL, SPEAKER, OFFSET, DURATION, END = "recording", "channel", "speaker", "offset", "duration", "end"
"""keys of formats that name none themselves; times in seconds, absent if the file gives none; `end` only if it is more exact, or infinite"""
VERBATIM = "verbatim_text"
"""beside a readable text: the text as the recogniser wrote it"""
IGNORED = "ignored"
"""true for a segment that is excluded from scoring"""

AUDIO_ENDINGS = frozenset(
    """.wav .wave .flac .ogg .oga .opus .mp3 .mp2 .m4a .m4b .aac .wma .sph .aif .aiff .aifc .au .caf .w64 .amr .ac3 .mka
    .mp4 .m4v .mov .mkv .webm .avi .wmv .mpg .mpeg .3gp .flv""".split()  # noqa: SIM905
)


class FormatProblem(ValueError):
    """A line that does not have the format of its file.

    Attributes:
        line: its number, 1 for the first.
    """

    def __init__(self, line: int, problem: str):
        super().__init__(problem)
        self.line = line


def split_lines(content: str) -> list[str]:
    """Split a text at line ends only; texts may hold other white space."""
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def is_recording(name: str) -> bool:
    """Whether a name has an ending of audio files.

    Examples:
        >>> is_recording("clips/a1.WAV"), is_recording("a.m.")
        (True, False)
    """
    return PurePosixPath(name).suffix.lower() in AUDIO_ENDINGS


@functools.lru_cache(maxsize=1 << 12)  # entries of a recording mostly follow each other
def spellings(name: str) -> tuple[str, ...]:
    """Return a name as ids may spell it: unchanged, and without its folders or its ending.

    Examples:
        >>> spellings("clips/a1.wav")
        ('clips/a1.wav', 'clips/a1', 'a1.wav', 'a1')
    """
    path = PurePosixPath(name.replace("\\", "/"))
    bare = str(path.with_suffix("")) if is_recording(name) else str(path)
    return tuple(dict.fromkeys((name, bare, path.name, PurePosixPath(bare).name)))


def recording_name(name: str) -> str:
    """Return the name of a recording without its folders and its ending, in composed form (NFC).

    Examples:
        >>> recording_name("audio/talk.wav")
        'talk'
    """
    return unicode_form("NFC", spellings(name)[-1])


def segment_id(recording: str, channel: str, start: float | None) -> str:
    """Build the id of a segment, as manifests do, with the channel if there is one.

    Examples:
        >>> segment_id("talk", "A", 2.5)
        'talk-A-2.50'
    """
    return "-".join(part for part in (recording, channel, "" if start is None else f"{start:.2f}") if part)


def shorten(value: str, size: int = 40) -> str:
    """Shorten a value for an error message."""
    return value if len(value) <= size else value[: size - 1] + "…"
