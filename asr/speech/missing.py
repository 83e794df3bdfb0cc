"""Report of the sound of a recording that could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["damaged", "cut short", "unread"]

TOLERATED_SECONDS = 0.25  # of missing sound in an utterance that is still trained on or scored: less than a word
SHOWN = 3  # gaps that a message lists


@dataclass(frozen=True)
class Gap:
    """A stretch of a recording without sound.

    Attributes:
        start: seconds from the start of the recording.
        end: seconds from the start of the recording; None where the length is not known.
        reason: "damaged" for packets that cannot be decoded, "cut short" for a file that ends too early, "unread" for bytes behind the
            end of the recording that are no sound, tag or padding of a known kind.
    """

    start: float
    end: float | None
    reason: Reason

    @property
    def seconds(self) -> float:
        """Length of the gap; 0 where it is not known."""
        return 0.0 if self.end is None else self.end - self.start

    def __str__(self) -> str:
        if self.reason == "damaged":
            return f"damaged at {clock(self.start)} ({'length unknown' if self.end is None else f'{self.seconds:.2f} s'})"
        if self.reason == "unread":
            return f"ends at {clock(self.start)}, but the file has more bytes, which are not read"
        return f"breaks off at {clock(self.start)}" + ("" if self.end is None else f" of {clock(self.end)}")


@dataclass(frozen=True)
class Missing:
    """All gaps in the part of a recording that was read, in order of time; at least one.

    Examples:
        >>> str(Missing((Gap(8.14, 8.2, "damaged"), Gap(12.0, 20.0, "cut short"))))
        'damaged at 0:08 (0.06 s), breaks off at 0:12 of 0:20'
    """

    gaps: tuple[Gap, ...]

    @property
    def seconds(self) -> float:
        """Total length of the gaps whose length is known."""
        return sum(gap.seconds for gap in self.gaps)

    @property
    def open_ended(self) -> bool:
        """Whether the length of a gap is not known."""
        return any(gap.end is None for gap in self.gaps)

    @property
    def too_much(self) -> bool:
        """Whether the text of the whole can no longer be taught or compared: more than `TOLERATED_SECONDS`, or a length not known."""
        return self.open_ended or self.seconds > TOLERATED_SECONDS

    def __str__(self) -> str:
        shown = [str(gap) for gap in self.gaps[:SHOWN]]
        if len(self.gaps) > SHOWN:
            rest = self.gaps[SHOWN:]
            shown.append(f"and {len(rest)} more gaps ({sum(gap.seconds for gap in rest):.2f} s)")
        return ", ".join(shown)


def clock(seconds: float) -> str:
    """Format a time as m:ss, or as h:mm:ss from an hour on."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def merge_gaps(gaps: list[Gap], tolerance: float = 0.001) -> tuple[Gap, ...]:
    """Merge damaged gaps that touch each other or a missing end.

    Args:
        gaps: gaps in order of time.
        tolerance: seconds between two gaps that count as touching.

    Returns:
        The merged gaps. A merged gap has the reason of its last one.
    """
    merged: list[Gap] = []
    for gap in gaps:
        last = merged[-1] if merged else None
        if last and last.end is not None and gap.start <= last.end + tolerance:
            merged[-1] = Gap(last.start, None if gap.end is None else max(last.end, gap.end), gap.reason)
        else:
            merged.append(gap)
    return tuple(merged)
