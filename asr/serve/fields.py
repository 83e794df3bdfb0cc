"""The fields of OpenAI's `POST /v1/audio/transcriptions`, checked.

What this model cannot do is refused where an answer would otherwise be wrong: another language, a stream of events, token
probabilities. What only nudges Whisper is taken and named in the answer's header `X-Ignored-Fields`: a prompt, a temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from asr.serve.errors import ApiError

MODEL = "las-asr"
MODELS = (MODEL, "whisper-1")  # the second because clients have it built in
RESPONSE_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
GRANULARITIES = ("word", "segment")
LANGUAGES = {
    "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese",
}  # fmt: skip
"""names of those with much free speech to train on, of Multilingual LibriSpeech; any other goes by its code"""
USED = {"model", "language", "response_format", "timestamp_granularities", "stream", "include"}


@dataclass(frozen=True)
class Fields:
    """What is asked for."""

    response_format: str
    granularities: tuple[str, ...]
    ignored: tuple[str, ...]
    """names of fields that make no difference"""


def read_fields(sent: dict[str, list[str]], language: str) -> Fields:
    """Fields by name, several values of one where it was sent several times -> what they ask for. An empty one counts as left out.

    Raises ApiError naming the field; of languages, `language` is the one that the model understands (its code).
    """
    fields: dict[str, list[str]] = {}
    for name, values in sent.items():
        fields.setdefault(name.removesuffix("[]"), []).extend(v for v in values if v.strip())

    def one(name: str) -> str | None:
        values = fields.get(name, [])
        if len(values) > 1:
            raise _wrong(name, f"is given {len(values)} times, expected once")
        return values[0] if values else None

    model = one("model") or MODEL
    check_model(model)
    _check_language(one("language"), language)
    _check_temperature(one("temperature"))
    if (stream := one("stream")) is not None and stream.strip().lower() not in ("false", "0"):
        raise _wrong("stream", "answers come whole from this server: leave it out")
    if fields.get("include"):
        raise _wrong("include", f"{_shown(fields['include'][0])} is not offered; word probabilities are in verbose_json")
    response_format = (one("response_format") or "json").strip()
    if response_format not in RESPONSE_FORMATS:
        raise _wrong("response_format", f"{_shown(response_format)} is not known: choose of {', '.join(RESPONSE_FORMATS)}")
    granularities = tuple(dict.fromkeys(g.strip() for g in fields.get("timestamp_granularities", [])))
    for granularity in granularities:
        if granularity not in GRANULARITIES:
            raise _wrong("timestamp_granularities[]", f"{_shown(granularity)} is not known: choose of {', '.join(GRANULARITIES)}")
    if granularities and response_format != "verbose_json":
        raise _wrong("timestamp_granularities[]", f"needs response_format=verbose_json, not {response_format}")
    return Fields(response_format, granularities or ("segment",), tuple(sorted(n for n in fields if fields[n] and n not in USED)))


def check_model(name: str) -> None:
    """Raises ApiError for a model that this server does not have."""
    if name not in MODELS:
        message = f"the model {_shown(name)} does not exist: this server has {' (also called '.join(MODELS)})"
        raise ApiError(404, message, param="model", code="model_not_found")


def _check_language(asked: str | None, own: str) -> None:
    """By its code, with a country or not (en-US), or by its name."""
    name = LANGUAGES.get(own, own)
    if asked is not None and asked.strip().lower().replace("_", "-").split("-")[0] not in (own, name.lower()):
        raise _wrong("language", f"{_shown(asked)} is not understood: this model hears {name} alone; send {own}, or leave it out")


def _check_temperature(text: str | None) -> None:
    try:
        value = float(text or 0)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise _wrong("temperature", f"is {_shown(text or '')}, expected a number from 0 to 1")


def _wrong(name: str, what: str) -> ApiError:
    return ApiError(400, f"{name}: {what}", param=name, code="invalid_value")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
