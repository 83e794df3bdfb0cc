"""Plain text (txt), tab-separated values (tsv), and a transcript on a single line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from asr.output.options import OutputOptions
from asr.transcript import Segment, Transcript

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
SURROGATE = re.compile("[\ud800-\udfff]")
ABBREVIATIONS = frozenset({"Mr.", "Mrs.", "Dr."})  # their full stop ends no sentence
PARAGRAPH_SECONDS = 1.5  # a pause between two sentences that ends a paragraph of readable text
LONG_PARAGRAPH = 800  # characters after which any sentence ends a paragraph


def to_txt(transcript: Transcript, options: OutputOptions) -> str:
    """Write one line for each segment with text. Doubtful segments start with `[?] `.

    Readable text has one line for each paragraph, with an empty line between paragraphs.
    """
    if all(segment.readable is None for segment in transcript.segments):
        return "".join(f"{line}\n" for line in _lines(transcript, options))
    return "\n".join(f"{paragraph}\n" for paragraph in _paragraphs(transcript, options))


def to_tsv(transcript: Transcript, options: OutputOptions) -> str:
    """Write `start<tab>end<tab>text` for each segment with text, like Whisper: times in milliseconds, below a heading."""
    lines = ["start\tend\ttext"]
    for segment in transcript.segments:
        if plain(segment.text):
            lines.append(f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{_marked(segment, options)}")
    return "\n".join(lines) + "\n"


def one_line(transcript: Transcript, options: OutputOptions | None = None) -> str:
    """Write all segments on one line, without a line feed. Doubtful segments start with `[?] `."""
    return " ".join(_lines(transcript, options or OutputOptions()))


def named_line(name: str, transcript: Transcript, options: OutputOptions | None = None) -> str:
    """Write `name<tab>text` on one line, for any name."""
    return f"{plain(name)}\t{one_line(transcript, options)}"


def timed_line(segment: Segment, options: OutputOptions | None = None) -> str:
    """Write a segment with its times, like Whisper.

    Examples:
        >>> from asr.transcript import Reading
        >>> timed_line(Segment(1.5, 3725.25, (Reading("GO ON", (), 0.0),), ()))
        '[00:01.500 --> 1:02:05.250] GO ON'
    """
    return f"[{_clock(segment.start)} --> {_clock(segment.end)}] {_marked(segment, options or OutputOptions())}"


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}:' if hours else ''}{minutes:02}:{milliseconds / 1000:06.3f}"


def _lines(transcript: Transcript, options: OutputOptions) -> list[str]:
    return [_marked(segment, options) for segment in transcript.segments if plain(segment.text)]


def _paragraphs(transcript: Transcript, options: OutputOptions) -> Iterator[str]:
    """Yield the paragraphs of a readable text: they end with a sentence, at a long pause or when they are long."""
    paragraph, ended = "", 0.0
    for segment in transcript.segments:
        mark = options.mark(segment.doubtful)
        parts = [(word.text, word.start, word.end) for word in segment.words] or [(segment.text, segment.start, segment.end)]
        for text, start, end in parts:
            if not plain(text):
                continue
            if ends_sentence(paragraph) and (start - ended >= PARAGRAPH_SECONDS or len(paragraph) >= LONG_PARAGRAPH):
                yield paragraph
                paragraph = ""
            paragraph += (" " if paragraph else "") + mark + plain(text)
            mark, ended = "", end
    if paragraph:
        yield paragraph


def ends_sentence(text: str) -> bool:
    """Return whether a sentence ends with a text, by its last characters."""
    bare = text.rstrip("\"')]”’")
    return bare.endswith((".", "?", "!", "…")) and bare.rpartition(" ")[2] not in ABBREVIATIONS


def _marked(segment: Segment, options: OutputOptions) -> str:
    return options.mark(segment.doubtful) + plain(segment.text)


def plain(text: str) -> str:
    """Replace white space and control characters by single spaces."""
    return writable(" ".join(CONTROL.sub(" ", text).split()))


def writable(text: str) -> str:
    """Replace surrogates (bytes of a file name that are not UTF-8) by �, so that the text can be encoded."""
    return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
