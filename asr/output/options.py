"""Options of the output formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from asr.errors import UsageError

DOUBT = "[?] "
MOST_LINES = 3  # in a cue: four would hide the picture


@dataclass(frozen=True)
class OutputOptions:
    """Options of the output formats. Each format uses its own.

    Attributes:
        nbest: json: number of readings of each segment; 1 for no n-best list.
        word_times: vtt: whether to write a time stamp before each word of a cue, with which players highlight the current word.
        line_characters: srt, vtt: maximum characters of a line.
        lines: srt, vtt: maximum lines of a cue, 1 to 3.
        mark_doubtful: all but json: whether to write `[?] ` before words with little evidence in the CTC head. json has a key for it.

    Raises:
        UsageError: a value is of another type or out of range.
    """

    nbest: int = 1
    word_times: bool = False
    line_characters: int = 42
    lines: int = 2
    mark_doubtful: bool = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> OutputOptions:
        """Make options of keyword arguments.

        Raises:
            UsageError: an option is unknown, or a value is of another type or out of range.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in given if name not in known]:
            raise UsageError(f"option {', '.join(unknown)} is unknown: choose of {', '.join(known)}")
        return cls(**given)

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if type(value) is not kind:
                expected = "an integer" if kind is int else "True or False"
                raise UsageError(f"{field.name} is {value!r}, expected {expected}")
        if self.nbest < 1:
            raise UsageError(f"nbest is {self.nbest}, expected 1 or more")
        if self.line_characters < 1:
            raise UsageError(f"a subtitle's line of {self.line_characters} characters holds nothing: choose 1 or more (usual: 42)")
        if not 1 <= self.lines <= MOST_LINES:
            raise UsageError(f"{self.lines} lines in a subtitle: choose 1 to {MOST_LINES} (usual: 2)")

    def mark(self, doubtful: bool) -> str:
        """Return the mark before a text: `[?] ` if it is doubtful, else nothing."""
        return DOUBT if doubtful and self.mark_doubtful else ""
