"""Transcripts in the formats of OpenAI's audio API.

`verbose_json` has keys beyond theirs: `probability` of a word; `doubtful` of a segment with little evidence in the CTC head; `held_back`, the
stretches of speech whose words have too little evidence to be written; `notes`, sentences on the recording; and with readable text
`verbatim_text` and `verbatim_words`, the words as the model wrote them. Other formats have the notes in the header `X-Notes`. `no_speech_prob` is always 0, because speech is detected before recognition.

`logprobs` has one entry per word: the recogniser estimates the probability of words, not of tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse

from asr.output import FORMATS, OutputOptions, json_line, one_line
from asr.serve.fields import Fields
from asr.serve.languages import language_name
from asr.transcript import Segment, Transcript

UNMARKED = OutputOptions(mark_doubtful=False)  # programs read these
SEGMENT_KEYS = (
    "id",
    "seek",
    "start",
    "end",
    "text",
    "tokens",
    "temperature",
    "avg_logprob",
    "compression_ratio",
    "doubtful",
    "verbatim_text",
)
LEAST_PROBABILITY = 1e-10  # of a word in `logprobs`: JSON has no infinity


def reply(transcript: Transcript, fields: Fields) -> Response:
    """Answer a request with the whole transcript."""
    sent = headers(fields, transcript.notes)
    form = fields.response_format
    if form == "json":
        answer: dict[str, Any] = {"text": plain_text(transcript.segments), "usage": _usage(transcript)}
        if fields.logprobs:
            answer["logprobs"] = log_probabilities(transcript.segments)
        return JSONResponse(answer, headers=sent)
    if form == "verbose_json":
        return JSONResponse(verbose(transcript, fields.granularities), headers=sent)
    if form == "text":
        return PlainTextResponse(plain_text(transcript.segments) + "\n", headers=sent)
    media = "text/vtt" if form == "vtt" else "application/x-subrip"
    return Response(FORMATS[form](transcript, UNMARKED), media_type=f"{media}; charset=utf-8", headers=sent)


def headers(fields: Fields, notes: Iterable[str] = ()) -> dict[str, str]:
    """Build the headers `X-Ignored-Fields` and `X-Notes`."""
    found = {}
    if fields.ignored:
        found["X-Ignored-Fields"] = ", ".join(_header_text(name).replace(",", "?") for name in fields.ignored)
    if shown := "; ".join(_header_text(note, 500) for note in notes):
        found["X-Notes"] = shown
    return found


def plain_text(segments: Iterable[Segment]) -> str:
    """Join the text of segments to one line."""
    return one_line(Transcript("", 0.0, tuple(segments)), UNMARKED)


def log_probabilities(segments: Iterable[Segment], continued: bool = False) -> list[dict[str, Any]]:
    """Log-probability of each word, or of each segment for a model without word times.

    The tokens, joined, are the text. `continued`: the first token follows other text.
    """
    entries: list[dict[str, Any]] = []
    for segment in segments:
        if segment.words:
            found = [(word.text, math.log(max(word.probability, LEAST_PROBABILITY))) for word in segment.words]
        else:
            reading = segment.readings[0]
            found = [(plain_text([segment]), reading.average_log_probability * (len(reading.tokens) + 1))]
        for text, logprob in found:
            token = f" {text}" if entries or continued else text
            entries.append({"token": token, "bytes": list(token.encode()), "logprob": round(logprob, 4)})
    return entries


def verbose(transcript: Transcript, granularities: tuple[str, ...]) -> dict[str, Any]:
    """Build `verbose_json`, with segments, words or both."""
    record = json.loads(json_line(transcript))
    answer = {
        "task": "transcribe",
        "language": language_name(transcript.language).lower(),
        "duration": record["duration"],
        "text": plain_text(transcript.segments),
        **({"verbatim_text": record["verbatim_text"].strip()} if "verbatim_text" in record else {}),
        "usage": _usage(transcript),
        "held_back": record["held_back"],
        "notes": list(transcript.notes),
    }
    if "segment" in granularities:
        answer["segments"] = [{**{key: s[key] for key in SEGMENT_KEYS if key in s}, "no_speech_prob": 0.0} for s in record["segments"]]
    if "word" in granularities:
        for key in ("words", "verbatim_words"):
            if any(key in s for s in record["segments"]):
                answer[key] = [{**word, "word": word["word"].strip()} for s in record["segments"] for word in s[key]]
        answer.setdefault("words", [])
    return answer


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}


def _header_text(text: str, longest: int = 60) -> str:
    """Make a text safe for a header."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:longest])
