"""OpenAPI description of `POST /v1/audio/transcriptions`, whose form FastAPI does not parse."""

from __future__ import annotations

from typing import Any

from asr.serve.fields import GRANULARITIES, MODEL, MODELS, RESPONSE_FORMATS, VAD_BOUNDS

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
    403: _error("The name in Host or the site in Origin is not allowed"),
    404: _error("The model does not exist"),
    408: _error("The upload is too slow"),
    413: _error("The request is too large, or the recording too long"),
    415: _error("The body is not multipart/form-data"),
    429: _error("Too many requests are in progress, in total or from this client; Retry-After has the seconds until the next attempt"),
    503: _error("The model is being loaded, or the server is stopping"),
    504: _error("The transcript was not ready in time"),
}
OTHER_ERRORS: dict[int | str, dict[str, Any]] = {"4XX": _error("Another mistake in the request")}
"""in place of the error 422 that FastAPI would add"""

FILE = {"type": "string", "format": "binary", "description": "The recording, in any format that FFmpeg reads; its name does not matter"}
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": FILE,
        "model": {"type": "string", "enum": list(MODELS), "default": MODEL},
        "language": {"type": "string", "description": "The language of the model (code, tag or English name), or auto; others are refused"},
        "languages[]": {"type": "array", "items": TEXT, "description": "Candidates; the language of the model must be one of them"},
        "prompt": {"type": "string", "description": "Hotwords: names and terms to favour, separated by commas"},
        "keywords[]": {"type": "array", "items": TEXT, "description": "Hotwords, as in prompt"},
        "response_format": {"type": "string", "enum": list(RESPONSE_FORMATS), "default": "json"},
        "temperature": {
            "type": "number", "minimum": 0, "maximum": 1,
            "description": "Accepted for compatibility, without effect: the search is deterministic",
        },
        "timestamp_granularities[]": {
            "type": "array", "items": {"type": "string", "enum": list(GRANULARITIES)},
            "description": "For verbose_json: times of words, of segments (the default), or of both",
        },
        "text": {
            "type": "string", "enum": ["readable", "verbatim"], "default": "readable",
            "description": "readable: capitals, punctuation and numbers, if the model has a text restorer; verbatim: the words as the model writes them",
        },
        "stream": {"type": "boolean", "default": False, "description": "Respond with server-sent events while the recording is recognised"},
        "include[]": {
            "type": "array", "items": {"type": "string", "enum": ["logprobs"]},
            "description": "For json: log-probabilities, one per word",
        },
        "chunking_strategy": {
            "description": "How recordings are split into segments: auto, or server_vad with its parameters",
            "anyOf": [
                {"type": "string", "enum": ["auto"]},
                {
                    "type": "object",
                    "required": ["type"],
                    "properties": {
                        "type": {"type": "string", "enum": ["server_vad"]},
                        **{key: {"type": "number", "minimum": least, "maximum": most} for key, (least, most) in VAD_BOUNDS.items()},
                    },
                },
            ],
        },
    },
}  # fmt: skip
TRANSCRIPT: dict[str, Any] = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": TEXT,
        "logprobs": {"type": "array", "items": {"type": "object"}},
        "task": TEXT,
        "language": TEXT,
        "duration": NUMBER,
        "segments": {"type": "array", "items": {"type": "object"}},
        "words": {
            "type": "array",
            "items": {"type": "object", "properties": {"word": TEXT, "start": NUMBER, "end": NUMBER, "probability": NUMBER}},
        },
        "usage": {"type": "object"},
        "verbatim_text": TEXT,
        "verbatim_words": {"type": "array", "items": {"type": "object"}},
        "held_back": {"type": "array", "items": {"type": "object", "properties": {"start": NUMBER, "end": NUMBER, "text": TEXT}}},
    },
}
SUCCESS = {
    "description": "The transcript",
    "content": {
        "application/json": {"schema": TRANSCRIPT},
        "text/event-stream": {"schema": TEXT},
        **{kind: {"schema": TEXT} for kind in ("text/plain", "application/x-subrip", "text/vtt")},
    },
}
TRANSCRIPTIONS: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}
