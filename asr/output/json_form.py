"""JSON with the keys of OpenAI's Whisper, so that programs for Whisper's output can read it.

| key | |
|---|---|
| `text` | the texts of the segments, joined |
| `verbatim_text` | with readable text: the same as the model wrote it (not in Whisper) |
| `language` | language of the model, an ISO 639 code such as `en` |
| `audio_filepath` | the recording; bytes of its name that are not UTF-8 become � (not in Whisper) |
| `duration` | of the recording (s) (not in Whisper) |
| `segments` | segments of speech, in order: |
| ` id` | 0, 1, 2, … |
| ` seek` | `start` in frames of 10 ms, an integer |
| ` start`, ` end` | seconds from the start of the recording, or of the part that a manifest names |
| ` text` | its text; empty if no words are recognised |
| ` tokens` | pieces of the model's vocabulary (not Whisper's), without end-of-sentence |
| ` temperature` | 0.0: nothing is sampled |
| ` avg_logprob` | mean log-probability of a token by the speller, end-of-sentence included (nats) |
| ` compression_ratio` | bytes of the text divided by bytes of its zlib form, as in Whisper: high for loops |
| ` doubtful` | true if the words have little evidence in the CTC head: they may be invented (not in Whisper) |
| ` words` | `word`, `start`, `end` (s) and `probability` (0 to 1); empty if the model gives no word times |
| ` verbatim_text`, ` verbatim_words` | with readable text: the text and its words as the model wrote them (not in Whisper) |
| ` nbest` | on request: the n-best list, each entry with `text`, `score`, `attention_score`, `ctc_score`, `lm_score` and `internal_lm_score` (nats; null: not a term of the score) (not in Whisper) |
| `held_back` | segments of speech that are not written, because their words have no evidence in the CTC head: `start`, `end` (s), `text` (not in Whisper) |

As in Whisper, each word and each text that is not empty starts with a space, so that `"".join(w["word"] for w in words)` is the text of the
segment; `.strip()` removes it. Texts of `nbest` and `held_back` have no space. `no_speech_prob` is left out: speech is detected before the
recognition, and the model has no such output. Times have three decimals and scores four. A number that is not finite is null.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from asr.output.options import OutputOptions
from asr.output.text import plain, writable
from asr.transcript import HeldBack, Reading, Segment, Transcript, Word

NBEST_SCORES = ("attention", "ctc", "lm", "internal_lm")
"""Terms of the score in each entry of `nbest`, as NAME_score."""


def to_json(transcript: Transcript, options: OutputOptions) -> str:
    """Write indented JSON, for a file, with one line for each word."""
    return _indented(_record(transcript, options.nbest)) + "\n"


def json_line(transcript: Transcript, options: OutputOptions | None = None, known: Mapping[str, Any] | None = None) -> str:
    """Write JSON on one line, without a line feed.

    Args:
        transcript: the transcript.
        options: options of the format; None for the defaults.
        known: keys to write first, such as the `id` in a manifest; keys of the transcript take precedence.
    """
    record = {**(known or {}), **_record(transcript, (options or OutputOptions()).nbest)}
    return writable(_compact(record))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _indented(value: Any, indent: str = "") -> str:
    """Indent JSON, with lists and objects that hold no others on one line: a segment has a hundred tokens."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(one, dict | list) for one in values):
        return _compact(value)
    deeper = indent + "  "
    names = [f"{_compact(key)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    lines = ",\n".join(deeper + name + _indented(one, deeper) for name, one in zip(names, values, strict=True))
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{lines}\n{indent}{closing}"


def _record(transcript: Transcript, nbest: int) -> dict[str, Any]:
    segments = [_segment(i, segment, nbest) for i, segment in enumerate(transcript.segments)]
    return {
        "audio_filepath": writable(transcript.audio_filepath),
        "duration": _number(transcript.duration, 3),
        "language": transcript.language,
        "text": "".join(segment["text"] for segment in segments),
        **({"verbatim_text": _spaced(transcript.verbatim_text)} if _is_readable(transcript.segments) else {}),
        "segments": segments,
        "held_back": [_held_back(one) for one in transcript.held_back],
    }


def _segment(number: int, segment: Segment, nbest: int) -> dict[str, Any]:
    text = _spaced(segment.text)
    record = {
        "id": number,
        "seek": round(100 * segment.start),
        "start": _number(segment.start, 3),
        "end": _number(segment.end, 3),
        "text": text,
        "tokens": list(segment.readings[0].tokens),
        "temperature": 0.0,
        "avg_logprob": _number(segment.readings[0].average_log_probability, 4),
        "compression_ratio": _number(_compression_ratio(text), 4),
        "doubtful": segment.doubtful,
        "words": [_word(word) for word in segment.words],
    }
    if _is_readable([segment]):
        record |= {"verbatim_text": _spaced(segment.verbatim_text), "verbatim_words": [_word(word) for word in segment.verbatim_words]}
    if nbest > 1:
        record["nbest"] = [_reading(reading) for reading in segment.readings[:nbest]]
    return record


def _is_readable(segments: Sequence[Segment]) -> bool:
    return any(segment.readable is not None for segment in segments)


def _held_back(one: HeldBack) -> dict[str, Any]:
    return {"start": _number(one.start, 3), "end": _number(one.end, 3), "text": plain(one.text)}


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": _spaced(word.text),
        "start": _number(word.start, 3),
        "end": _number(word.end, 3),
        "probability": _number(word.probability, 4),
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "text": plain(reading.text),
        "score": _number(reading.score, 4),
        **{f"{name}_score": _number(reading.scores.get(name), 4) for name in NBEST_SCORES},
    }


def _spaced(text: str) -> str:
    text = plain(text)
    return f" {text}" if text else ""


def _compression_ratio(text: str) -> float:
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def _number(value: float | None, digits: int) -> float | None:
    """Round a number; None if it is not finite, which JSON cannot represent. Adding 0.0 turns -0.0 into 0.0."""
    return round(float(value), digits) + 0.0 if value is not None and math.isfinite(value) else None
