"""Problems of a config in words: the value, what is allowed, and the key that was probably meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_origin

from asr.config.section import Block, Section

_EXPECTED = {
    "int": "an integer",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "path": "a path",
    "tuple": "a list",
    "list": "a list",
    "dict": "a section of keys",
    "model_type": "a section of keys",
    "invalid_key": "a text as the name of a key",
    "literal_error": "{expected}",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
}
"""What is allowed, by the type of a pydantic error, or by the part of the type before its first underscore."""


def explain(problem: Any, kind: type[Section]) -> str:
    """Describe an error of pydantic without its own words.

    Args:
        problem: An item of `ValidationError.errors()`.
        kind: Class of the whole config.
    """
    if problem["type"] == "extra_forbidden":
        meant = _alike(".".join(map(str, problem["loc"])), list(_keys(kind)))
        return "unknown key" + (f": did you mean {' or '.join(meant)}?" if meant else "")
    if problem["type"] == "missing":
        return "the key is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return str(message)
    expected = _EXPECTED.get(problem["type"]) or _EXPECTED.get(problem["type"].partition("_")[0])
    bounds = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in problem.get("ctx", {}).items()}
    allowed = f"expected {expected.format_map(bounds)}" if expected else message
    found = "an empty value" if problem["input"] is None else format_value(problem["input"])
    return f"{allowed}, not {found}{_hint(problem, kind)}"


def _hint(problem: Any, kind: type[Section]) -> str:
    """Return what was probably meant, as `: did you mean multihead?`, or an empty text."""
    value, key = problem["input"], ".".join(map(str, problem["loc"]))
    if problem["type"] == "model_type" and isinstance(value, str) and f"{key}.kind" in _keys(kind):
        return f": did you mean {key}.kind={value}?"
    if problem["type"] == "literal_error" and isinstance(value, str):
        close = difflib.get_close_matches(value.lower(), re.findall("'([^']*)'", problem["ctx"]["expected"]), n=1, cutoff=0.5)
        return f": did you mean {close[0]}?" if close else ""
    if problem["type"] in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch("[-+]?[0-9._]+(e[-+]?[0-9]+)?", value):
        return " as a text: remove the quotes"
    return ""


def format_value(value: Any) -> str:
    """Return a value of a tree as it is written in an override, shortened to 80 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _alike(key: str, known: Sequence[str]) -> list[str]:
    """Return the most similar key of the same section, or else keys of the same name in other sections."""
    section, _, name = key.rpartition(".")
    names = {other: other.rpartition(".") for other in known}
    close = difflib.get_close_matches(name, [last for before, _, last in names.values() if before == section], n=1)
    return [f"{section}.{close[0]}".removeprefix(".")] if close else [other for other, parts in names.items() if parts[2] == name]


def _keys(kind: type[Section], before: str = "") -> Iterator[str]:
    """Yield every key of a section and of its subsections: `train`, `train.epochs`, ... Of a block, the keys of all its kinds."""
    for name, field in kind.model_fields.items():
        yield before + name
        part = field.annotation
        if get_origin(part) is None and isinstance(part, type) and issubclass(part, Section):  # Python 3.10 takes tuple[int] for a type
            kinds = part.KINDS.values() if issubclass(part, Block) else [part]
            yield from dict.fromkeys(key for one in kinds for key in _keys(one, f"{before}{name}."))
