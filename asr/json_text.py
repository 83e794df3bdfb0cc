"""Read JSON with short errors that name the line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")


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
    decoder, line, counted = json.JSONDecoder(), 1, 0
    at = _after_space(text, text.index("[") + 1)
    closed = text.startswith("]", at)
    while not closed:
        line, counted = line + text.count("\n", counted, at), at
        try:
            element, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as e:
            raise NotJsonError(line, _problem(e, line)) from None
        yield line, element
        at = _after_space(text, at)
        closed = text.startswith("]", at)
        if not closed:
            if not text.startswith(",", at):
                problem = "no comma after an element of the array" if at < len(text) else "the array breaks off"
                raise NotJsonError(line + text.count("\n", counted, at), problem)
            at = _after_space(text, at + 1)
    at = _after_space(text, at + 1)
    if at < len(text):
        raise NotJsonError(line + text.count("\n", counted, at), "something follows the end of the array: only one can be read")


def _after_space(text: str, at: int) -> int:
    """Where the white space that begins at `at` is over."""
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches anywhere


def _problem(e: Exception, line: int | None = None) -> str:
    if isinstance(e, json.JSONDecodeError):
        return e.msg if line in (None, e.lineno) else f"{e.msg} in line {e.lineno}"
    if isinstance(e, RecursionError):
        return "nested too deeply"
    return "a number is too long"  # Python reads no whole number of more than 4,300 digits
