"""Read JSON with short errors that name the line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")


class NotJsonError(ValueError):
    """Text that is not JSON.

    Attributes:
        line: the line on which the value starts.
    """

    def __init__(self, line: int, problem: str):
        super().__init__(f"not JSON: {problem}")
        self.line = line


def decode_json(text: str | bytes, line: int = 1) -> Any:
    """Decode a JSON value.

    Args:
        text: the value, as text or UTF-8.
        line: the line of the file on which it starts.

    Returns:
        The value.

    Raises:
        NotJsonError: the text is not JSON, is nested too deeply, or has a number that is too long.
        UnicodeDecodeError: the bytes are not UTF-8.
    """
    try:
        return json.loads(text)
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as e:
        raise NotJsonError(line, _problem(e)) from None


def array_elements(text: str) -> Iterator[tuple[int, Any]]:
    """Decode the elements of a JSON array one by one.

    Args:
        text: the array.

    Yields:
        The line on which an element starts, and the element.

    Raises:
        NotJsonError: an element is not JSON, the array is incomplete, or text follows it.
    """
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
    """Return the end of the white space that starts at `at`."""
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # the pattern matches everywhere


def _problem(e: Exception, line: int | None = None) -> str:
    if isinstance(e, json.JSONDecodeError):
        return e.msg if line in (None, e.lineno) else f"{e.msg} in line {e.lineno}"
    if isinstance(e, RecursionError):
        return "nested too deeply"
    return "a number is too long"  # Python reads integers of at most 4,300 digits
