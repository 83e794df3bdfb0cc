"""JSON: one object per line, an array of objects, or a single object.

    {"audio_filepath": "a1.wav", "text": "HELLO", "pred_text": "HALLO"}               manifests (NeMo's too), tables as JSON
    {"text": "HELLO", "segments": [{"start": 0.4, "end": 1.1, "text": " HELLO"}]}     Whisper, faster-whisper, WhisperX, OpenAI
    {"start": 0.4, "end": 1.1, "text": " HELLO"}                                      faster-whisper's segments, written one by one
    {"transcription": [{"offsets": {"from": 400, "to": 1100}, "text": " HELLO"}]}     whisper.cpp (ms)
    {"text": "HELLO", "chunks": [{"timestamp": [0.4, 1.1], "text": " HELLO"}]}        pipelines of transformers
    {"text": "Hello.", "verbatim_text": "HELLO", "segments": [ … ]}                   asr transcribe, with readable text
    {"a1": "HELLO", "a2": {"text": "WORLD"}}                                          texts by id or recording
    {"utts": {"a1": {"output": [{"text": "HELLO", "rec_text": "HALLO<eos>"}]}}}       ESPnet 1

An object with segments and no id or recording is the transcript of one recording, which it does not name.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator
from typing import Any, TypeGuard

from asr.json_text import NotJsonError, array_elements, decode_json
from asr.text.formats.columns import ROLES
from asr.text.formats.record import (
    DURATION,
    END,
    ID,
    OFFSET,
    SPEAKER,
    TEXT,
    VERBATIM,
    FormatProblem,
    Record,
    Records,
    is_recording,
    shorten,
    split_lines,
)

SEGMENTS = "segments"
"""key of the segments of a transcript; in records, a list of records"""

START = re.compile(r'\s*(?:\{\s*(?:"|\}|$)|\[\s*(?:\{|\]|$))')

_NAMED = (*ROLES["id"], *ROLES["audio"])
_OF_WHISPER = {"seek", "avg_logprob", "no_speech_prob", "compression_ratio"}
_ESPNET = "utts"
_ESPNET_MARKS = re.compile(r"<(?:eos|sos|sos/eos|blank)>")
_ESPNET_SPACES = re.compile(r"<space>|\u2581")  # the second is SentencePiece's


def read_objects(content: str) -> Records:
    """Read the objects of a JSON file.

    Args:
        content: the file's text.

    Yields:
        A record for each object, or for each segment of a transcript that names no recording.

    Raises:
        FormatProblem: a line is not JSON or not an object, or a segment has no text or impossible times.
    """
    try:
        values = _values(content)
        first = list(itertools.islice(values, 2))
        if len(first) == 1 and _is_by_id(first[0][1]):
            number, texts = first[0]
            yield from ((number, {ID: name, **(value if isinstance(value, dict) else {TEXT: value})}) for name, value in texts.items())
            return
        for number, record in itertools.chain(first, values):
            if not isinstance(record, dict):
                raise FormatProblem(number, f"is {shorten(json.dumps(record, ensure_ascii=False))}, expected a JSON object")
            yield from _records(record, number)
    except NotJsonError as e:
        raise FormatProblem(e.line, str(e)) from None


def object_of(record: dict[str, Any]) -> dict[str, Any]:
    """Replace Hugging Face's `{"audio": {"path": …}}` by the path."""
    audio = record.get("audio")
    return {**record, "audio": audio["path"]} if isinstance(audio, dict) and isinstance(audio.get("path"), str) else record


def choose_text(record: dict[str, Any], is_verbatim: bool) -> bool:
    """Keep one of `text` and `verbatim_text` in a record that has both, and in its segments, as `text`. Return whether it has both."""
    segments = record.get(SEGMENTS)
    has_both = False
    for one in (record, *(segments if isinstance(segments, list) else ())):
        if isinstance(one, dict) and isinstance(one.get(TEXT), str) and isinstance(one.get(VERBATIM), str):
            verbatim = one.pop(VERBATIM).strip()
            one[TEXT] = verbatim if is_verbatim else one[TEXT]
            has_both = True
    return has_both


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
    """Yield an object of several lines. If there is none, report the fault of the first line."""
    try:
        yield first, json.loads(content)
    except (ValueError, RecursionError) as e:
        first_line = next(line for line in split_lines(content) if line.strip())
        if isinstance(e, json.JSONDecodeError) and first_line.strip() in ("{", "[") and e.lineno > first:
            raise NotJsonError(e.lineno, e.msg) from None
        decode_json(first_line, first)


def _records(record: dict[str, Any], number: int) -> Iterator[Record]:
    record = object_of(record)
    if isinstance(record.get(_ESPNET), dict):
        yield from ((number, _espnet(name, entry, number)) for name, entry in record[_ESPNET].items())
        return
    if _is_segment(record):
        yield number, _segment(record, number)
        return
    key, segments = _raw_segments(record, number)
    if segments is None:
        yield number, record
        return
    found = [_segment(one, number) for one in segments]
    if any(isinstance(record.get(name), str | int) and record[name] != "" for name in _NAMED):
        text = record.get(TEXT, " ".join(one[TEXT] for one in found))
        rest = {name: value for name, value in record.items() if name != key}
        yield number, {**rest, TEXT: text.strip() if isinstance(text, str) else text, SEGMENTS: found}
    elif not found or (key == "chunks" and _are_words(found)):
        text = record.get(TEXT)
        yield number, {TEXT: text.strip() if isinstance(text, str) else " ".join(one[TEXT] for one in found)}
    else:
        yield from ((number, one) for one in found)


def _is_by_id(record: Any) -> bool:
    """Whether the keys of a file's only object are ids or recordings, and its values texts or objects with texts."""
    if not isinstance(record, dict):
        return False
    values = record.values()
    are_texts = all(isinstance(value, str) for value in values) or all(isinstance(value, dict) and TEXT in value for value in values)
    return bool(record) and are_texts and all(is_recording(key) or any(map(str.isdigit, key)) for key in record)


# ---------------------------------------------------------------- segments


def _raw_segments(record: dict[str, Any], number: int) -> tuple[str, list[Any] | None]:
    """Return the key of a transcript's segments, and the segments in Whisper's form; None for another object."""
    if isinstance(record.get(SEGMENTS), list):
        return SEGMENTS, record[SEGMENTS]
    if isinstance(record.get("transcription"), list):
        return "transcription", [_whisper_cpp(one, number) for one in record["transcription"]]
    if isinstance(record.get("chunks"), list):
        return "chunks", [_chunk(one, number) for one in record["chunks"]]
    return "", None


def _is_segment(record: dict[str, Any]) -> bool:
    """Whether an object is a segment on its own. Those of faster-whisper are numbered, which is no id."""
    if not (_is_time(record.get("start")) and _is_time(record.get("end")) and isinstance(record.get(TEXT), str)):
        return False
    named = {key for key in _NAMED if record.get(key) not in (None, "")}
    return not named or (named == {ID} and isinstance(record[ID], int) and bool(_OF_WHISPER & record.keys()))


def _whisper_cpp(segment: Any, number: int) -> Any:
    """Convert a segment of whisper.cpp, whose times are in milliseconds."""
    offsets = segment.get("offsets") if isinstance(segment, dict) else None
    if not isinstance(offsets, dict):
        return segment
    times = {key: value / 1000 if _is_time(value := offsets.get(name)) else value for key, name in (("start", "from"), ("end", "to"))}
    return {**segment, **times}


def _chunk(chunk: Any, number: int) -> Any:
    """Convert a chunk of a pipeline of transformers. The last one may have no end."""
    times = chunk.get("timestamp") if isinstance(chunk, dict) else None
    if times is None:
        return chunk
    if not isinstance(times, list) or len(times) != 2:
        raise FormatProblem(number, f"timestamp is {shorten(json.dumps(times))}, expected a start and an end (s)")
    return {**chunk, "start": times[0], "end": times[1]}


def _segment(segment: Any, number: int) -> dict[str, Any]:
    if not isinstance(segment, dict) or not isinstance(segment.get("text"), str):
        raise FormatProblem(number, f"{SEGMENTS} holds {shorten(json.dumps(segment, ensure_ascii=False))}, expected an object with a text")
    found: dict[str, Any] = {TEXT: " ".join(segment["text"].split())}
    start, end = segment.get("start"), segment.get("end")
    if _is_time(start) and _is_time(end):
        if end < start:
            raise FormatProblem(number, f"a segment starts at {start:g} s and ends at {end:g} s, expected start <= end")
        found |= {OFFSET: float(start), DURATION: round(float(end) - float(start), 3)}
    elif _is_time(start) and end is None and "timestamp" in segment:
        found |= {OFFSET: float(start), END: math.inf}
    elif start is not None or end is not None:
        raise FormatProblem(number, f"a segment starts at {shorten(repr(start))} and ends at {shorten(repr(end))}, expected seconds")
    if isinstance(segment.get(VERBATIM), str):
        found[VERBATIM] = " ".join(segment[VERBATIM].split())
    speaker = segment.get(SPEAKER)
    return found | ({SPEAKER: speaker} if isinstance(speaker, str) else {})


def _are_words(segments: list[dict[str, Any]]) -> bool:
    """Whether segments are the words of a text (`return_timestamps="word"`)."""
    return len(segments) > 1 and all(" " not in one[TEXT] for one in segments)


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9 and math.isfinite(value)


# ---------------------------------------------------------------- ESPnet


def _espnet(name: str, entry: Any, number: int) -> dict[str, Any]:
    """Convert an entry of ESPnet's `data.json` or `data_utts.json`: its reference, and the first of its hypotheses."""
    outputs = entry.get("output") if isinstance(entry, dict) else None
    if not isinstance(outputs, list) or not outputs or not all(isinstance(one, dict) for one in outputs):
        raise FormatProblem(number, f"{name}: no output, expected a list of objects with text and rec_text")
    if len({str(one.get("text")) for one in outputs}) > 1:
        raise FormatProblem(number, f"{name}: outputs of several references, expected one speaker")
    found: dict[str, Any] = {ID: name}
    for key, own in (("text", TEXT), ("rec_text", "pred_text")):
        value = outputs[0].get(key)
        if value is not None and not isinstance(value, str):
            raise FormatProblem(number, f"{name}: {key} is {shorten(json.dumps(value))}, expected a string")
        if value is not None:
            found[own] = " ".join(_ESPNET_SPACES.sub(" ", _ESPNET_MARKS.sub("", value)).split())
    speaker = entry.get("utt2spk")
    return found | ({SPEAKER: speaker} if isinstance(speaker, str) else {})
