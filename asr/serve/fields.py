"""The form fields of OpenAI's `POST /v1/audio/transcriptions`, checked.

A field whose effect this server cannot produce is refused if the response would otherwise be wrong: another language, speakers. Fields
without effect on the text are accepted and named in the header `X-Ignored-Fields`: `temperature`, and fields that the API does not have.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from asr.config import SegmentConfig
from asr.serve.errors import ApiError
from asr.serve.languages import language_name, same_language

MODEL = "las-asr"
MODELS = (MODEL, "whisper-1")  # many clients have the second one built in
RESPONSE_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
STREAMED_FORMATS = ("json", "text")
GRANULARITIES = ("word", "segment")
NO_SPEAKERS = "this server does not recognise speakers"
SPEAKER_FIELDS = ("known_speaker_names", "known_speaker_references")
USED = {
    "text", "model", "language", "languages", "prompt", "keywords", "response_format", "timestamp_granularities", "stream", "include",
    "chunking_strategy",
}  # fmt: skip

VAD_BOUNDS = {"threshold": (0.0, 1.0), "prefix_padding_ms": (0, 2_000), "silence_duration_ms": (1, 10_000)}
"""parameters of `server_vad`, with the least and the greatest value"""

NULL = "null"  # what clients send for None in a form: the type of `stream` and `chunking_strategy` allows it
QUOTED_CHARACTERS = 60  # of a value in an error
HIGHEST_THRESHOLD = 0.999  # the segmenter needs a threshold below 1


@dataclass(frozen=True)
class Fields:
    """A request, checked."""

    response_format: str = "json"
    granularities: tuple[str, ...] = ("segment",)
    stream: bool = False
    logprobs: bool = False
    hotwords: tuple[str, ...] = ()
    """phrases of `prompt` and `keywords`, as they were sent"""
    segmentation: SegmentConfig = field(default_factory=SegmentConfig)
    verbatim: bool = False
    """the text stays as the model writes it: `text=verbatim`, a field that OpenAI's API does not have"""
    ignored: tuple[str, ...] = ()
    """names of fields without effect"""


class _Form:
    """Values by field name, without empty ones. `name[]` and `name[0]` are `name`."""

    def __init__(self, sent: dict[str, list[str]]):
        self._values: dict[str, list[str]] = {}
        for name, values in sent.items():
            plain = re.sub(r"\[\d*\]$", "", name)
            self._values.setdefault(plain, []).extend(value.strip() for value in values if value.strip())

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def one(self, name: str) -> str | None:
        values = self.all(name)
        if len(values) > 1:
            raise _invalid(name, f"is given {len(values)} times, expected once")
        return values[0] if values else None

    def members(self, name: str) -> dict[str, str]:
        """Return the fields `name[key]` by key. The key of `name[a][b]` is `a][b`."""
        fields = [field for field in self._values if field.startswith(f"{name}[")]
        return {field[len(name) + 1 :].removesuffix("]"): value for field in fields if (value := self.one(field)) is not None}

    def names(self) -> list[str]:
        return [name for name, values in self._values.items() if values]


def read_fields(sent: dict[str, list[str]], language: str, segmentation: SegmentConfig) -> Fields:
    """Check the fields of a form.

    Args:
        sent: the values of each field. An empty value counts as absent.
        language: ISO 639 code of the model's language.
        segmentation: that of the server, which `chunking_strategy` changes.

    Raises:
        ApiError: names the field that cannot be used.
    """
    form = _Form(sent)
    check_model(form.one("model") or MODEL)
    _check_languages(form, language)
    _check_temperature(form.one("temperature"))
    for name in SPEAKER_FIELDS:
        if form.all(name):
            raise _unsupported(name, f"{NO_SPEAKERS}: leave it out")
    stream, logprobs = _stream(form), _logprobs(form)
    response_format = form.one("response_format") or "json"
    if response_format == "diarized_json":
        raise _unsupported("response_format", f"diarized_json is not available, because {NO_SPEAKERS}: use verbose_json")
    if response_format not in RESPONSE_FORMATS:
        raise _invalid("response_format", f"{_quote_value(response_format)} is unknown: choose one of {', '.join(RESPONSE_FORMATS)}")
    if stream and response_format not in STREAMED_FORMATS:
        raise _unsupported("response_format", f"{response_format} cannot be streamed: use json, or leave stream out")
    if logprobs and response_format != "json":
        raise _unsupported("include[]", f"logprobs need response_format=json, not {response_format}")
    ignored = sorted(name for name in form.names() if name not in USED and not name.startswith("chunking_strategy["))
    return Fields(
        response_format=response_format,
        granularities=_granularities(form, response_format),
        stream=stream,
        logprobs=logprobs,
        hotwords=_hotwords(form),
        segmentation=_segmentation(form, segmentation),
        verbatim=_verbatim(form),
        ignored=tuple(ignored),
    )


def check_model(name: str) -> None:
    """Raises ApiError for a model that this server does not have."""
    if name not in MODELS:
        message = f"the model {_quote_value(name)} does not exist: this server has {' (alias '.join(MODELS)})"
        raise ApiError(404, message, param="model", code="model_not_found")


def _check_languages(form: _Form, code: str) -> None:
    """`auto` is the model's language. `languages` lists the candidates of a detection: the model's language must be one of them."""
    given = form.one("language")
    if given is not None and given.lower() != "auto" and not same_language(given, code):
        raise _wrong_language("language", given, code)
    candidates = form.all("languages")
    if candidates and not any(same_language(candidate, code) for candidate in candidates):
        raise _wrong_language("languages[]", candidates[0], code)


def _wrong_language(name: str, given: str, code: str) -> ApiError:
    return _unsupported(
        name, f"{_quote_value(given)} is not supported: the model recognises {language_name(code)} only; send {code}, or leave it out"
    )


def _check_temperature(text: str | None) -> None:
    try:
        value = float(text or 0)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise _invalid("temperature", f"is {_quote_value(text or '')}, expected a number from 0 to 1")


def _stream(form: _Form) -> bool:
    text = form.one("stream")
    if text is None or text.lower() in ("false", "0", NULL):
        return False
    if text.lower() in ("true", "1"):
        return True
    raise _invalid("stream", f"is {_quote_value(text)}, expected true or false")


def _verbatim(form: _Form) -> bool:
    value = form.one("text")
    if value not in (None, "readable", "verbatim"):
        raise _invalid("text", f"is {_quote_value(value)}, expected readable or verbatim")
    return value == "verbatim"


def _logprobs(form: _Form) -> bool:
    for value in form.all("include"):
        if value != "logprobs":
            raise _invalid("include[]", f"{_quote_value(value)} is unknown: only logprobs can be included")
    return bool(form.all("include"))


def _granularities(form: _Form, response_format: str) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(form.all("timestamp_granularities")))
    for value in values:
        if value not in GRANULARITIES:
            raise _invalid("timestamp_granularities[]", f"{_quote_value(value)} is unknown: choose from {', '.join(GRANULARITIES)}")
    if values and response_format != "verbose_json":
        raise _invalid("timestamp_granularities[]", f"needs response_format=verbose_json, not {response_format}")
    return values or ("segment",)


def _hotwords(form: _Form) -> tuple[str, ...]:
    """Split `prompt` and `keywords` at commas and line ends."""
    text = "\n".join([*form.all("prompt"), *form.all("keywords")])
    return tuple(phrase.strip() for phrase in re.split(r"[,\r\n]", text) if phrase.strip())


def _segmentation(form: _Form, default: SegmentConfig) -> SegmentConfig:
    """Convert `chunking_strategy`: `auto`, or `server_vad` as an object in JSON or as fields `chunking_strategy[key]`."""
    name = "chunking_strategy"
    text, members = form.one(name), form.members(name)
    if text is not None and members:
        raise _invalid(name, f"is given as a value and as {name}[{min(members)}], expected one of them")
    strategy: Any = members or text
    if text is not None and text.startswith("{"):
        try:
            strategy = json.loads(text)
        except (ValueError, RecursionError):
            raise _invalid(name, f"{_quote_value(text)} is not valid JSON") from None
    if strategy in (None, "auto", NULL):
        return default
    if not isinstance(strategy, dict):
        raise _invalid(name, f"{_quote_value(strategy)} is unknown: use auto, or an object of type server_vad")
    if (kind := strategy.get("type")) != "server_vad":
        problem = "is missing" if kind is None else f"is {_quote_value(kind)}"
        raise _invalid(f"{name}[type]", f"{problem}, expected server_vad")
    if unknown := strategy.keys() - VAD_BOUNDS.keys() - {"type"}:
        raise _invalid(name, f"{_quote_value(min(unknown))} is unknown: server_vad takes {', '.join(VAD_BOUNDS)}")
    given = VAD_BOUNDS.keys() & strategy.keys()
    return vad_segmentation({key: _bounded(f"{name}[{key}]", strategy[key], *VAD_BOUNDS[key]) for key in given}, default)


def vad_segmentation(parameters: dict[str, float], default: SegmentConfig) -> SegmentConfig:
    """Apply the parameters of `server_vad` to a segmentation. A recording that fits into one segment stays whole.

    | parameter | effect |
    |---|---|
    | `threshold` | probability at which speech begins; it ends at 0.15 below, or at half of a threshold under 0.3 |
    | `prefix_padding_ms` | quiet kept before and after a segment |
    | `silence_duration_ms` | a longer pause separates two segments |
    """
    changes: dict[str, float] = {}
    if (threshold := parameters.get("threshold")) is not None:
        changes |= {"threshold": min(threshold, HIGHEST_THRESHOLD), "hysteresis": min(default.hysteresis, threshold / 2)}
    if (padding := parameters.get("prefix_padding_ms")) is not None:
        changes |= {"pad_seconds": padding / 1000, "edge_seconds": padding / 1000}
    if (silence := parameters.get("silence_duration_ms")) is not None:
        changes |= {"join_seconds": silence / 1000, "pause_seconds": min(default.pause_seconds, silence / 1000)}
    return default.model_copy(update=changes)


def _bounded(name: str, value: object, least: float, greatest: float) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not least <= number <= greatest:
        raise _invalid(name, f"is {_quote_value(value)}, expected a number from {least:g} to {greatest:g}")
    return number


def _invalid(name: str, problem: str) -> ApiError:
    return ApiError(400, f"{name}: {problem}", param=name, code="invalid_value")


def _unsupported(name: str, problem: str) -> ApiError:
    return ApiError(400, f"{name}: {problem}", param=name, code="unsupported_value")


def _quote_value(value: object) -> str:
    """Quote a value in an error, cut to QUOTED_CHARACTERS. A value other than text is shown as JSON, as it was sent."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return repr(text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…")
