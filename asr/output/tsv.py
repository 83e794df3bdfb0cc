"""Tab-separated values, as Whisper writes them."""

from __future__ import annotations

from asr.output.options import OutputOptions
from asr.output.text import marked_text, plain
from asr.transcript import Transcript


def to_tsv(transcript: Transcript, options: OutputOptions) -> str:
    """`start<tab>end<tab>text` lines under a heading, times in whole milliseconds; `[?] ` before a text that is in doubt."""
    lines = ["start\tend\ttext"]
    for segment in transcript.segments:
        if plain(segment.text):
            lines.append(f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{marked_text(segment, options)}")
    return "\n".join(lines) + "\n"
