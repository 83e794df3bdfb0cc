"""Text that is safe to print in a terminal: transcripts, ids and file names can hold escape sequences."""

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

_CONTROLS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
"""C0 and C1 control characters except tab and line feed, and controls of the writing direction."""
_LINE_ENDS = re.compile("[\\n\\x0b\\x0c\\r\\x1c-\\x1e\\x85\\u2028\\u2029]")
"""The characters at which `str.splitlines` splits."""


def escape_controls(text: str) -> str:
    r"""Write control characters as JSON escapes them. Tabs and line feeds stay.

    Examples:
        >>> escape_controls("a\x1b[31mb")
        'a\\u001b[31mb'
    """
    return _CONTROLS.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Write line ends as JSON escapes them, so that an id or a file name cannot start a new line of a message.

    Examples:
        >>> one_line("talk\n.wav: no such file")
        'talk\\n.wav: no such file'
    """
    return _LINE_ENDS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return "\\n" if found[0] == "\n" else f"\\u{ord(found[0]):04x}"


def print_result(text: str, end: str = "\n") -> None:
    """Print to standard output: unchanged into a file or a pipe, with control characters escaped in a terminal."""
    in_terminal = sys.stdout is not None and sys.stdout.isatty()
    print(escape_controls(text) if in_terminal else text, end=end, flush=True)


class SafeConsole(Console):
    """A console that takes text literally: no markup, and control characters are escaped in a terminal."""

    def __init__(self, **options: Any):
        super().__init__(highlight=False, soft_wrap=True, emoji=False, markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a string, escaping its control characters in a terminal."""
        return super().render_str(escape_controls(text) if self.is_terminal else text, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render any object, escaping the control characters of its text in a terminal."""
        for segment in super().render(renderable, options):
            if segment.control is None and self.is_terminal and _CONTROLS.search(segment.text):
                yield segment._replace(text=escape_controls(segment.text))
            else:
                yield segment

    def status(self, status: RenderableType, **options: Any) -> Status:
        """Show a spinner beside a text."""
        return super().status(escape(one_line(escape_controls(status))) if isinstance(status, str) else status, **options)
