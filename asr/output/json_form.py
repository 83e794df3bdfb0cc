"""JSON with the keys that OpenAI's Whisper writes, so that scripts made for it read ours.

| key | |
|---|---|
| `text` | the segments' texts, one after the other |
| `language` | the model's: its ISO 639 code, such as `en` |
| `audio_filepath` | what was transcribed; bytes of its name that are no UTF-8 are shown as � (ours) |
| `duration` | of the recording (s) (ours) |
| `segments` | stretches of speech, in order: |
| ` id` | 0, 1, 2, … |
| ` seek` | where the model began to listen: `start` in frames of 10 ms, a whole number |
| ` start`, ` end` | seconds from the start of the recording, or of the part of it that a manifest names |
| ` text` | what was said; empty where nothing was understood |
| ` tokens` | pieces of the model's own vocabulary, without end-of-sentence; they are no ids of Whisper's |
| ` temperature` | 0.0: nothing is drawn by chance |
| ` avg_logprob` | log-probability of a token by the speller, the end counted, on average (nats) |
| ` compression_ratio` | bytes of the text by bytes of its zlib form, as Whisper reckons it: high for loops |
| ` doubtful` | true where the CTC head does not bear the words out: they may be invented (ours) |
| ` words` | `word`, `start`, `end` (s) and `probability` (0 to 1); empty where the model gives no word times |
| ` nbest` | only on request: the n-best list, each entry with `text`, `score`, `attention_score`, `ctc_score`, `lm_score` and `internal_lm_score` (nats; null: no term of the score) (ours) |
| `held_back` | stretches of speech for which nothing is written, as the CTC head gives the words no credit: `start`, `end` (s) and the `text` (ours) |

As with Whisper, each word and each text that is not empty begins with a space, so that `"".join(w["word"] for w in words)` is the
segment's text; `.strip()` takes it away. Those of `nbest` and `held_back` are without. `no_speech_prob` is left out: this model has no such output, for
where nobody speaks is found out before it listens. Times have three decimals, scores four; a number that is not finite is null.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

from asr.output.options import OutputOptions
from asr.output.text import plain, writable
from asr.transcript import HeldBack, Reading, Segment, Transcript, Word

NBEST_SCORES = ("attention", "ctc", "lm", "internal_lm")
"""terms of the score that each entry of `nbest` has, as NAME_score"""


def to_json(transcript: Transcript, options: OutputOptions) -> str:
    """Indented, for a file: a line a word."""
    return _indented(_record(transcript, options.nbest)) + "\n"


def json_line(transcript: Transcript, options: OutputOptions | None = None, known: Mapping[str, Any] | None = None) -> str:
    """On one line, without a line feed. `known` stands before (say, a manifest's `id`) and gives way to keys of ours."""
    record = {**(known or {}), **_record(transcript, (options or OutputOptions()).nbest)}
    return writable(_compact(record))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _indented(value: Any, indent: str = "") -> str:
    """Lists and objects that hold no others stay on a line, for a segment has a hundred tokens."""
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
    if nbest > 1:
        record["nbest"] = [_reading(reading) for reading in segment.readings[:nbest]]
    return record


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
    """Rounded; JSON knows no infinity. Adding 0.0 turns -0.0 into 0.0."""
    return round(float(value), digits) + 0.0 if value is not None and math.isfinite(value) else None
