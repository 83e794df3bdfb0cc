"""Plain text (txt), and a transcript on a single line."""

from __future__ import annotations

import re

from asr.output.options import OutputOptions
from asr.transcript import Segment, Transcript

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def to_txt(transcript: Transcript, options: OutputOptions) -> str:
    """A line a segment; nothing where nothing was said. `[?] ` stands before a segment that is in doubt."""
    return "".join(f"{line}\n" for line in _lines(transcript, options))


def one_line(transcript: Transcript, options: OutputOptions | None = None) -> str:
    """All segments on one line, without a line feed; doubtful ones are marked as in `to_txt`."""
    return " ".join(_lines(transcript, options or OutputOptions()))


def named_line(name: str, transcript: Transcript, options: OutputOptions | None = None) -> str:
    """`name<tab>text`, one line whatever is in the name."""
    return f"{plain(name)}\t{one_line(transcript, options)}"


def _lines(transcript: Transcript, options: OutputOptions) -> list[str]:
    return [marked_text(segment, options) for segment in transcript.segments if plain(segment.text)]


def marked_text(segment: Segment, options: OutputOptions) -> str:
    return options.mark(segment.doubtful) + plain(segment.text)


def plain(text: str) -> str:
    """On one line, without tabs: white space of any kind, and control characters, become single spaces."""
    return writable(" ".join(CONTROL.sub(" ", text).split()))


def writable(text: str) -> str:
    """Half characters (bytes of a file name that are no UTF-8) as �: no file or terminal could take them."""
    return HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)
