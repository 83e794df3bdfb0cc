"""Segments and words with times: sclite's STM and CTM.

talk A anna 0.00 2.50 <O,F> go on          STM: recording, channel, speaker, start and end (s), perhaps labels, words
talk A 0.10 0.30 go 0.98                   CTM: recording, channel, start and duration (s), word, perhaps its confidence
;; a comment
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from asr.text.formats.record import CHANNEL, DURATION, END, IGNORED, OFFSET, RECORDING, SPEAKER, TEXT, FormatProblem, Records, split_lines

COMMENT = ";;"

_NUMBER = r"\d{1,9}(?:\.\d*)?|\.\d+"
_STM = re.compile(rf"\s*(\S+)\s+(\S+)\s+(\S+)\s+({_NUMBER})\s+({_NUMBER})(?:\s+<[^<>\s]*>)?(?:\s+(\S.*))?")
_CTM = re.compile(
    rf"\s*(\S+)\s+(\S+)\s+({_NUMBER})\s+({_NUMBER})\s+(\S+)(?:\s+(?:-?(?:{_NUMBER})(?:[eE]-?\d+)?|NA)(?:\s+(\S+)\s+\S+)?)?\s*"
)
_CTM_ALTERNATIVE = re.compile(r"\s*\S+\s+\S+\s+\*\s+\*\s+(<ALT\w*>)\s*", re.IGNORECASE)
_OUT_OF_BOUNDS = ("IGNORE_TIME_SEGMENT_IN_SCORING", "IGNORETIMESEGMENTINSCORING")
_SPOKEN = ("lex", "na", "fp", "frag", "un-lex", "for-lex")  # NIST's types of CTM entries that are words


def share_stm(lines: Sequence[str]) -> float:
    """Return the share of lines that are STM; 0 if no time has a decimal point, since whole numbers may be words."""
    return _share(lines, [found for line in lines if (found := _STM.fullmatch(line)) and float(found[4]) <= float(found[5])], (4, 5))


def share_ctm(lines: Sequence[str]) -> float:
    """Return the share of lines that are CTM; 0 if no time has a decimal point, since whole numbers may be words."""
    marked = [line for line in lines if not _CTM_ALTERNATIVE.fullmatch(line)]
    return _share(marked, [found for line in marked if (found := _CTM.fullmatch(line))], (3, 4))


def _share(lines: Sequence[str], found: Sequence[re.Match[str]], times: tuple[int, int]) -> float:
    has_points = any("." in match[time] for match in found for time in times)
    return len(found) / len(lines) if lines and has_points else 0.0


def read_stm(content: str) -> Records:
    """Read the segments of an STM file. Raises FormatProblem for a line that is not STM."""
    for number, line in _entries(content):
        found = _STM.fullmatch(line)
        if not found:
            raise FormatProblem(number, "not a line of STM, expected `recording channel speaker start end <labels> words`")
        recording, channel, speaker, start, end, text = found.groups()
        if float(end) < float(start):
            raise FormatProblem(number, f"starts at {start} s and ends at {end} s, expected start <= end")
        text = (text or "").strip()
        record = {RECORDING: recording, CHANNEL: channel, SPEAKER: speaker, OFFSET: float(start), TEXT: text}
        record |= {DURATION: round(float(end) - float(start), 6), END: float(end)}
        yield number, record | ({IGNORED: True, TEXT: ""} if any(mark in text.upper() for mark in _OUT_OF_BOUNDS) else {})


def read_ctm(content: str) -> Records:
    """Read the words of a CTM file. Raises FormatProblem for a line that is not CTM, and for alternatives."""
    for number, line in _entries(content):
        if alternative := _CTM_ALTERNATIVE.fullmatch(line):
            raise FormatProblem(number, f"{alternative[1]}: alternatives are not supported: write the words in one reading")
        found = _CTM.fullmatch(line)
        if not found:
            raise FormatProblem(number, "not a line of CTM, expected `recording channel start duration word confidence`")
        recording, channel, start, duration, word, kind = found.groups()
        if kind and kind.lower() not in _SPOKEN:
            raise FormatProblem(number, f"an entry of the type {kind}, which is not a word: remove the line")
        yield number, {RECORDING: recording, CHANNEL: channel, OFFSET: float(start), DURATION: float(duration), TEXT: word}


def _entries(content: str) -> list[tuple[int, str]]:
    lines = enumerate(split_lines(content), start=1)
    return [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith(COMMENT)]
