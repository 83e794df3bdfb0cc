"""What can be chosen about the forms of a transcript."""

from __future__ import annotations

from dataclasses import dataclass

from asr.errors import UsageError

DOUBT = "[?] "
MOST_LINES = 3  # of a cue: four hide the picture


@dataclass(frozen=True)
class OutputOptions:
    """Each format takes what concerns it. Raises UsageError for what cannot be."""

    nbest: int = 1
    """json: from 2 on, so many readings of each segment"""
    word_times: bool = False
    """vtt: a time stamp before each word of a cue, so that players can light up what is being said"""
    line_characters: int = 42
    """srt, vtt: longest line"""
    lines: int = 2
    """srt, vtt: most lines of a cue: 1 to 3"""
    mark_doubtful: bool = True
    """all but json: `[?] ` before words with little evidence in the CTC head; json has a key for it"""

    def __post_init__(self) -> None:
        if self.nbest < 1:
            raise UsageError(f"nbest is {self.nbest}, expected 1 or more")
        if self.line_characters < 1:
            raise UsageError(f"a subtitle's line of {self.line_characters} characters holds nothing: choose 1 or more (usual: 42)")
        if not 1 <= self.lines <= MOST_LINES:
            raise UsageError(f"{self.lines} lines in a subtitle: choose 1 to {MOST_LINES} (usual: 2)")

    def mark(self, doubtful: bool) -> str:
        return DOUBT if doubtful and self.mark_doubtful else ""
