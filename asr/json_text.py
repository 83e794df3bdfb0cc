"""JSON, read so that whatever is wrong with it is told in a few words, with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class NotJsonError(ValueError):
    """Text that is not JSON, and why. `line` is that of the value's beginning."""

    def __init__(self, line: int, problem: str):
        super().__init__(f"not JSON: {problem}")
        self.line = line


def decode_json(text: str | bytes, line: int = 1) -> Any:
    """The value that a text is, which stands on `line` of its file. Raises NotJsonError, and UnicodeDecodeError for bytes that are no text."""
    try:
        return json.loads(text)
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as e:
        raise NotJsonError(line, _problem(e)) from None


def array_elements(text: str) -> Iterator[tuple[int, Any]]:
    """The elements of the array that a text is, one by one, with the lines that they start on. Raises NotJsonError at the first bad one."""
    decoder, at, line, counted = json.JSONDecoder(), text.index("[") + 1, 1, 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] == "]":
            return
        try:
            element, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as e:
            raise NotJsonError(line, _problem(e, line)) from None
        yield line, element


def _problem(e: Exception, line: int | None = None) -> str:
    if isinstance(e, json.JSONDecodeError):
        return e.msg if line in (None, e.lineno) else f"{e.msg} in line {e.lineno}"
    if isinstance(e, RecursionError):
        return "nested too deeply"
    return "a number is too long"  # Python reads no whole number of more than 4,300 digits
