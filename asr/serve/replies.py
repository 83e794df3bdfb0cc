"""Transcripts in the forms of OpenAI's audio API.

`verbose_json` has three keys beyond theirs: `probability` of a word, `doubtful` of a segment (little evidence in the CTC head), and
`held_back`, the stretches of speech with so little evidence that nothing is written for them; a fourth, `notes`, says where
sound is missing in a damaged recording. Other forms have the notes in the header `X-Notes`.
`no_speech_prob` is 0 throughout: where nobody speaks is found out before the model listens.
"""

from __future__ import annotations

import json
import math
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse

from asr.output import FORMATS, OutputOptions, json_line, one_line
from asr.serve.fields import LANGUAGES, Fields
from asr.transcript import Transcript

UNMARKED = OutputOptions(mark_doubtful=False)  # programs read these
SEGMENT_KEYS = ("id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio", "doubtful")


def reply(transcript: Transcript, fields: Fields) -> Response:
    """The answer to a request."""
    headers = {"X-Ignored-Fields": ", ".join(_header_text(name) for name in fields.ignored)} if fields.ignored else {}
    if transcript.notes:
        headers["X-Notes"] = "; ".join(_header_text(note, 500) for note in transcript.notes)
    form = fields.response_format
    if form == "json":
        return JSONResponse({"text": one_line(transcript, UNMARKED), "usage": _usage(transcript)}, headers=headers)
    if form == "verbose_json":
        return JSONResponse(verbose(transcript, fields.granularities), headers=headers)
    if form == "text":
        return PlainTextResponse(one_line(transcript, UNMARKED) + "\n", headers=headers)
    media = "text/vtt" if form == "vtt" else "application/x-subrip"
    return Response(FORMATS[form](transcript, UNMARKED), media_type=f"{media}; charset=utf-8", headers=headers)


def verbose(transcript: Transcript, granularities: tuple[str, ...]) -> dict[str, Any]:
    """`verbose_json`, with segments, words or both."""
    record = json.loads(json_line(transcript))
    answer = {
        "task": "transcribe",
        "language": LANGUAGES.get(transcript.language, transcript.language).lower(),
        "duration": record["duration"],
        "text": one_line(transcript, UNMARKED),
        "usage": _usage(transcript),
        "held_back": record["held_back"],
        "notes": list(transcript.notes),
    }
    if "segment" in granularities:
        answer["segments"] = [{**{key: s[key] for key in SEGMENT_KEYS}, "no_speech_prob": 0.0} for s in record["segments"]]
    if "word" in granularities:
        answer["words"] = [{**word, "word": word["word"].strip()} for s in record["segments"] for word in s["words"]]
    return answer


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}


def _header_text(text: str, longest: int = 60) -> str:
    """A text that somebody sent, safe in a header."""
    return "".join(c if c.isascii() and c.isprintable() and (c != "," or longest > 60) else "?" for c in text[:longest])
