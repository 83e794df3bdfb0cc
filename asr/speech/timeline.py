"""Where the frames of a container stand in time: at their time stamps, as far as these can be believed.

Stamps leave gaps (a recorder that paused, packets that were lost, a codec that sends nothing in silence) and step back a little where
pieces were joined. They are also damaged, jitter, or restart in the middle of a file; then the decoded audio is more reliable.
"""

from __future__ import annotations

JITTER_SECONDS = 0.1  # a stamp that is no further off says nothing: FFmpeg's resampler lets as much pass (min_hard_comp)
LONGEST_GAP = 3600.0  # s; a longer one is a damaged stamp: it would fill memory with silence
LONGEST_OVERLAP = 1.0  # s; a longer step back is another recording joined on: to drop what overlaps would lose its speech


class Timeline:
    """Places frames one after the other. Times are in samples at `rate` (Hz)."""

    def __init__(self, rate: int, end: float, expected: int | None = None, jitter: float = JITTER_SECONDS):
        """No gap is believed that goes beyond `end` (s). `expected` is where the first frame stands; None: at its stamp, if that can be.
        Stamps that are at most `jitter` (s) off say nothing."""
        self.rate, self.end, self.jitter = rate, end, jitter
        self.expected = expected or 0
        self.first = expected is None
        self.shift = 0  # of the stamps, where a step of theirs that lasts was not believed

    def place(self, stamp: float | None, length: int, following: float | None, skipped: float = 0.0) -> int:
        """Place a frame; a gap before it, or an overlap, is the difference between its place and the end of the last frame.

        A step is taken only where the next frame goes along with it: it is the stamps' course, and not one stamp that is wrong.

        Args:
            stamp: the frame's time in seconds; None where it has none.
            length: its samples.
            following: the time of the next frame in seconds.
            skipped: seconds of the packets before it that gave no sound. A step of up to that length is taken exactly.

        Returns:
            The frame's first sample.
        """
        begin = self.expected
        if skipped and not self.first:
            step = round((skipped if stamp is None else stamp) * self.rate) - (0 if stamp is None else self.shift + begin)
            if 0 <= step <= (skipped + self.jitter) * self.rate + 1:
                self.expected = begin + step + length
                return begin + step
        if stamp is not None:
            step = round(stamp * self.rate) - self.shift - begin
            if (self.first or abs(step) > self.jitter * self.rate) and self._goes_along(following, length, step):
                if -LONGEST_OVERLAP * self.rate <= step <= LONGEST_GAP * self.rate and begin + step <= self.end * self.rate:
                    begin += step
                else:
                    self.shift += step
        self.expected, self.first = begin + length, False
        return begin

    def _goes_along(self, following: float | None, length: int, step: int) -> bool:
        """Whether the next stamp is nearer to a course with the step than to one without."""
        if following is None:
            return True
        ahead = round(following * self.rate) - self.shift - self.expected - length
        return abs(ahead - step) < abs(ahead)
