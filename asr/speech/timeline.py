"""Placement of a container's frames in time, by their time stamps as far as these are plausible.

Stamps leave gaps (a paused recorder, lost packets, a codec that sends nothing in silence), and step back a little where pieces were
joined. Damaged stamps, jitter, and stamps that start anew in the middle of a file are not followed: there, frames follow each other.
"""

from __future__ import annotations

JITTER_SECONDS = 0.1  # smaller steps are ignored, as by FFmpeg's resampler (min_hard_comp)
LONGEST_GAP = 3600.0  # s; a longer gap is a damaged stamp
LONGEST_OVERLAP = 1.0  # s; a longer step back is a joined recording, whose speech must not be dropped


class Timeline:
    """Places frames one after the other, in samples."""

    def __init__(self, rate: int, end: float, expected: int | None = None, jitter: float = JITTER_SECONDS):
        """Start a timeline.

        Args:
            rate: sample rate (Hz).
            end: latest plausible end of a gap (s).
            expected: first sample of the first frame; None to place it at its stamp, if that is plausible.
            jitter: steps of stamps that are ignored (s).
        """
        self.rate, self.end, self.jitter = rate, end, jitter
        self.expected = expected or 0
        self.first = expected is None
        self.shift = 0  # of the stamps, after an implausible step that persists

    def place(self, stamp: float | None, length: int, following: float | None, skipped: float = 0.0) -> int:
        """Place a frame. A gap or an overlap is the difference between its place and the end of the last frame.

        A step is followed only if the next frame confirms it; otherwise a single stamp is wrong.

        Args:
            stamp: the frame's time in seconds; None where it has none.
            length: its samples.
            following: the time of the next frame in seconds.
            skipped: seconds of the packets before it that gave no sound. A step of up to that length is followed exactly.

        Returns:
            The place of the frame's first sample.
        """
        begin = self.expected
        if skipped and not self.first:
            step = round((skipped if stamp is None else stamp) * self.rate) - (0 if stamp is None else self.shift + begin)
            if 0 <= step <= (skipped + self.jitter) * self.rate + 1:
                self.expected = begin + step + length
                return begin + step
        if stamp is not None:
            step = round(stamp * self.rate) - self.shift - begin
            if (self.first or abs(step) > self.jitter * self.rate) and self._is_confirmed(stamp, following, length, step):
                if -LONGEST_OVERLAP * self.rate <= step <= LONGEST_GAP * self.rate and begin + step <= self.end * self.rate:
                    begin += step
                else:
                    self.shift += step
        self.expected, self.first = begin + length, False
        return begin

    def _is_confirmed(self, stamp: float, following: float | None, length: int, step: int) -> bool:
        """Whether the next stamp is closer to its place with the step than without. Stamps that stand still confirm no step back."""
        if following is None:
            return True
        if step < 0 and (following - stamp) * self.rate < 0.5 * length:
            return False
        ahead = round(following * self.rate) - self.shift - self.expected - length
        return abs(ahead - step) < abs(ahead)
