"""Text for terminals: a transcript, an id or a file's name is shown there, and never steers it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

_STEERS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
"""C0 and C1 control characters but for tab and line feed, and those that turn the direction of writing"""


def harmless(text: str) -> str:
    r"""A text with its control characters written as JSON escapes them.

    >>> harmless("a\x1b[31mb")
    'a\\u001b[31mb'
    """
    return _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_result(text: str, end: str = "\n") -> None:
    """Print to standard output: exactly into a file or a pipe, harmless in a terminal."""
    in_terminal = sys.stdout is not None and sys.stdout.isatty()
    print(harmless(text) if in_terminal else text, end=end, flush=True)


class SafeConsole(Console):
    """A console that takes every text as it is: no markup in it, and in a terminal no control characters."""

    def __init__(self, **options: Any):
        super().__init__(highlight=False, soft_wrap=True, emoji=False, markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(harmless(text) if self.is_terminal else text, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control is None and self.is_terminal and _STEERS.search(segment.text):
                yield segment._replace(text=harmless(segment.text))
            else:
                yield segment

    def status(self, status: RenderableType, **options: Any) -> Status:
        return super().status(escape(harmless(status)) if isinstance(status, str) else status, **options)
