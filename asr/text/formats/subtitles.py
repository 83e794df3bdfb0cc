"""Subtitles: SubRip (SRT) and WebVTT. Each cue is a segment of a recording that the file does not name.

    12                                         WEBVTT
    00:00:05,000 --> 00:00:06,250
    <i>FOO</i> BAR                             intro
                                               00:05.000 --> 00:06.250 align:start
                                               <v Anna>FOO &amp; <00:05.500><c>BAR</c>

Tags, style blocks, comments, cue numbers and identifiers are no words. A cue whose times cannot be read is an error that names its line,
since otherwise its times would be counted as words, or its words be lost. So no library reads the files: webvtt-py 0.6.0 skips such a cue
in VTT and counts its times as text in SRT, and srt 3.5.3 raises an error that names a character, not a line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from asr.text.formats.record import DURATION, OFFSET, SPEAKER, TEXT, FormatProblem, Record, Records, split_lines

_CLOCK = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?")
_STAMP = re.compile(r"(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}")
_ARROW = re.compile(r"\s*[\d:.,]+\s*[-=–—]+\s?>")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>")
_TAG = re.compile(r"</?(?:i|b|u|s|font|c|v|lang|ruby|rt)(?:[.\s][^<>]*)?>|<(?:\d+:)?\d{1,2}:\d{2}\.\d{3}>|\{\\[^{}]*\}", re.IGNORECASE)
_BLOCK = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s.*)?")


def has_cues(lines: Sequence[str]) -> bool:
    """Whether any line holds the times of a cue."""
    return any("-->" in line and _TIMES.fullmatch(line) for line in lines)


def read_srt(content: str) -> Records:
    """Read the cues of a SubRip file. Raises FormatProblem for text before the first cue, and for times that cannot be read."""
    lines = split_lines(content)
    times = [i for i, line in enumerate(lines) if "-->" in line and _TIMES.fullmatch(line)]
    starts = [i - 1 if i and lines[i - 1].strip().isdecimal() else i for i in times]
    for i, line in enumerate(lines[: starts[0]] if starts else lines):
        if line.strip():
            raise FormatProblem(i + 1, "text before the first cue, expected a number and `00:00:01,000 --> 00:00:02,500`")
    for i, end in zip(times, [*starts[1:], len(lines)], strict=False):
        yield _cue(lines, i, end, escaped=False)


def read_vtt(content: str) -> Records:
    """Read the cues of a WebVTT file. Raises FormatProblem for text that is no cue, and for times that cannot be read."""
    lines = split_lines(content)
    i = 0
    if lines and lines[0].startswith("WEBVTT"):
        i = _end_of_block(lines, 0)
    while i < len(lines):
        end = _end_of_block(lines, i)
        if i == end:
            i += 1
            continue
        times = next((j for j in (i, i + 1) if j < end and "-->" in lines[j] and _TIMES.fullmatch(lines[j])), None)
        if times is not None:
            yield _cue(lines, times, end, escaped=True)
        elif not _BLOCK.fullmatch(lines[i]):
            raise FormatProblem(i + 1, "not a cue, expected its times, such as `00:00:01.000 --> 00:00:02.500`")
        i = end


def _end_of_block(lines: Sequence[str], start: int) -> int:
    return next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))


def _cue(lines: Sequence[str], times: int, end: int, escaped: bool) -> Record:
    clock = _TIMES.fullmatch(lines[times])
    assert clock
    start, stop = _seconds(clock.groups()[:4]), _seconds(clock.groups()[4:])
    if stop < start:
        raise FormatProblem(times + 1, f"starts at {start:g} s and ends at {stop:g} s, expected start <= end")
    for i in range(times + 1, end):
        if _ARROW.match(lines[i]) or len(_STAMP.findall(lines[i])) > 1 + lines[i].count("<"):
            raise FormatProblem(i + 1, "times that cannot be read, expected `00:00:01,000 --> 00:00:02,500`")
    text = "\n".join(lines[times + 1 : end])
    speakers = _VOICE.findall(text)
    text = _TAG.sub("", text)
    text = " ".join((html.unescape(text) if escaped else text).split())
    record = {OFFSET: start, DURATION: round(stop - start, 3), TEXT: text}
    return times + 1, record | ({SPEAKER: speakers[0].strip()} if len(set(speakers)) == 1 else {})


def _seconds(clock: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in clock)
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(fraction.ljust(3, "0")) / 1000
