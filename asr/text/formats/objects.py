"""JSON: manifests and other JSON lines, an array of objects, or one object, such as Whisper's.

    {"audio_filepath": "a1.wav", "text": "HELLO", "pred_text": "HALLO"}      an object a line, or all in one array
    {"text": "HELLO", "segments": [{"start": 0.4, "end": 1.1, "text": " HELLO"}]}

An object with `segments` and no id or recording, as Whisper, faster-whisper, whisperX and OpenAI's API (verbose_json) write it, is the
transcript of one recording, which it does not name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, TypeGuard

from asr.json_text import NotJsonError, array_elements, decode_json
from asr.text.formats.columns import ROLES
from asr.text.formats.record import DURATION, OFFSET, SPEAKER, TEXT, FormatProblem, Record, Records, shorten, split_lines

SEGMENTS = "segments"
"""key of the segments of a transcript; here a list of records"""

START = re.compile(r'\s*(?:\{\s*(?:"|\}|$)|\[\s*(?:\{|\]|$))')
_NAMED = (*ROLES["id"], *ROLES["audio"])


def read_objects(content: str) -> Records:
    """One record an object. `segments` of a transcript become offsets, durations and texts. Raises FormatProblem."""
    try:
        for number, record in _values(content):
            if not isinstance(record, dict):
                raise FormatProblem(number, f"is {shorten(json.dumps(record, ensure_ascii=False))}, expected a JSON object")
            yield from _records(record, number)
    except NotJsonError as e:
        raise FormatProblem(e.line, str(e)) from None


def object_of(record: dict[str, Any]) -> dict[str, Any]:
    """A record as other keys have it: Hugging Face's `{"audio": {"path": …}}` names a recording."""
    audio = record.get("audio")
    return {**record, "audio": audio["path"]} if isinstance(audio, dict) and isinstance(audio.get("path"), str) else record


def _values(content: str) -> Iterator[tuple[int, Any]]:
    if content.lstrip().startswith("["):
        yield from array_elements(content)
        return
    lines = [(number, line) for number, line in enumerate(split_lines(content), start=1) if line.strip()]
    if len(lines) > 1 and not _is_object(lines[0][1]):
        yield from _one_object(content, lines[0][0])
    else:
        for number, line in lines:
            yield number, decode_json(line, number)


def _is_object(line: str) -> bool:
    try:
        decode_json(line)
    except NotJsonError:
        return False
    return True


def _one_object(content: str, first: int) -> Iterator[tuple[int, Any]]:
    """An object of several lines; where it is none, the first line's own fault is the better one to report."""
    try:
        yield first, json.loads(content)
    except (ValueError, RecursionError) as e:
        first_line = next(line for line in split_lines(content) if line.strip())
        if isinstance(e, json.JSONDecodeError) and first_line.strip() in ("{", "[") and e.lineno > first:
            raise NotJsonError(e.lineno, e.msg) from None
        decode_json(first_line, first)


def _records(record: dict[str, Any], number: int) -> Iterator[Record]:
    record = object_of(record)
    segments = record.get(SEGMENTS)
    if not isinstance(segments, list):
        yield number, record
        return
    found = [_segment(one, number) for one in segments]
    if any(isinstance(record.get(key), str | int) and record[key] != "" for key in _NAMED):
        text = record.get(TEXT, " ".join(one[TEXT] for one in found))
        yield number, {**record, TEXT: text.strip() if isinstance(text, str) else text, SEGMENTS: found}
    else:
        yield from ((number, one) for one in found)
        if not found:
            yield number, {TEXT: str(record.get(TEXT) or "").strip()}


def _segment(segment: Any, number: int) -> dict[str, Any]:
    if not isinstance(segment, dict) or not isinstance(segment.get("text"), str):
        raise FormatProblem(number, f"{SEGMENTS} holds {shorten(json.dumps(segment, ensure_ascii=False))}, expected an object with a text")
    found: dict[str, Any] = {TEXT: " ".join(segment["text"].split())}
    start, end = segment.get("start"), segment.get("end")
    if _is_time(start) and _is_time(end):
        if end < start:
            raise FormatProblem(number, f"a segment starts at {start:g} s and ends at {end:g} s, expected start <= end")
        found |= {OFFSET: float(start), DURATION: round(float(end) - float(start), 3)}
    elif start is not None or end is not None:
        raise FormatProblem(number, f"a segment starts at {shorten(repr(start))} and ends at {shorten(repr(end))}, expected seconds")
    speaker = segment.get(SPEAKER)
    return found | ({SPEAKER: speaker} if isinstance(speaker, str) else {})


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9 and math.isfinite(value)
