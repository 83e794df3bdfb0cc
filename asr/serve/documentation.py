"""What the OpenAPI document says of `POST /v1/audio/transcriptions`, whose body FastAPI does not read itself."""

from __future__ import annotations

from typing import Any

from asr.serve.fields import GRANULARITIES, MODEL, MODELS, RESPONSE_FORMATS

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {"message": TEXT, "type": TEXT, "param": {**TEXT, "nullable": True}, "code": {**TEXT, "nullable": True}},
        }
    },
}


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": ERROR_SCHEMA}}}


ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error("A field, the form or the recording cannot be used; the message names it"),
    401: _error("The API key is missing or wrong"),
    403: _error("The name in Host, or the site in Origin, may not use this server"),
    404: _error("There is no such model"),
    408: _error("The body arrives too slowly"),
    413: _error("The request is too large, or the recording too long"),
    415: _error("The body is not multipart/form-data"),
    429: _error("Too many requests are under way, in all or from this client: Retry-After says when to try again"),
    503: _error("The model is being loaded, or the server is stopping"),
    504: _error("The transcript was not ready in time"),
}

FILE = {"type": "string", "format": "binary", "description": "The recording; any format that FFmpeg reads, whatever its name"}
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": FILE,
        "model": {"type": "string", "enum": list(MODELS), "default": MODEL},
        "language": {"type": "string", "description": "The model's own (ISO 639 code, or English name): no other is understood"},
        "prompt": {"type": "string", "description": "Taken for compatibility, without effect"},
        "response_format": {"type": "string", "enum": list(RESPONSE_FORMATS), "default": "json"},
        "temperature": {
            "type": "number", "minimum": 0, "maximum": 1,
            "description": "Taken for compatibility, without effect: nothing is drawn by chance",
        },
        "timestamp_granularities[]": {
            "type": "array", "items": {"type": "string", "enum": list(GRANULARITIES)},
            "description": "For verbose_json: times of words, of segments (the default), or of both",
        },
    },
}  # fmt: skip
TRANSCRIPT: dict[str, Any] = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": TEXT,
        "task": TEXT,
        "language": TEXT,
        "duration": NUMBER,
        "segments": {"type": "array", "items": {"type": "object"}},
        "words": {
            "type": "array",
            "items": {"type": "object", "properties": {"word": TEXT, "start": NUMBER, "end": NUMBER, "probability": NUMBER}},
        },
        "usage": {"type": "object"},
        "held_back": {"type": "array", "items": {"type": "object", "properties": {"start": NUMBER, "end": NUMBER, "text": TEXT}}},
    },
}
SUCCESS = {
    "description": "The transcript",
    "content": {
        "application/json": {"schema": TRANSCRIPT},
        **{kind: {"schema": TEXT} for kind in ("text/plain", "application/x-subrip", "text/vtt")},
    },
}
TRANSCRIPTIONS: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}
