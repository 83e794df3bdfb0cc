"""The channels of a recording to one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asr.speech.missing import clock
from asr.speech.reader import Samples

OPPOSITE = 0.1  # energy of the mean of the channels, relative to theirs, below which they cancel each other
SILENT = 1e-8  # mean square of a channel (-80 dB) below which nothing is judged


class Mixer:
    """Blocks (C, N) to (N,): one channel, or the mean of all.

    Channels of opposite phase (a balanced line taken for stereo, a microphone with swapped wires) cancel each other. Such blocks
    are read from one channel, and `on_note` is called once.
    """

    def __init__(self, rate: int, channel: int | None, on_note: Callable[[str], None], start: float = 0.0):
        """`rate` is in Hz; `channel` is 1 for the first, None for the mean; `start` is where the blocks begin, in seconds."""
        self.rate, self.channel, self.on_note = rate, channel, on_note
        self._time = start
        self._noted = False

    def __call__(self, channels: Samples) -> Samples:
        """(C, N) -> (N,). A stream may change its channels on the way: its last stands for one that is gone."""
        time, self._time = self._time, self._time + channels.shape[1] / self.rate
        if self.channel is not None:
            return channels[min(self.channel, len(channels)) - 1]
        if len(channels) == 1:
            return channels[0]
        mean = channels.mean(axis=0, dtype=np.float32)
        energies = np.einsum("cn,cn->c", channels, channels, dtype=np.float64) / max(1, channels.shape[1])
        loudest = int(np.argmax(energies > 0.5 * energies.max()))  # the first of those that are about as loud
        if not energies[loudest] > SILENT or float(np.mean(np.square(mean, dtype=np.float64))) > OPPOSITE * float(energies.mean()):
            return mean
        if not self._noted:
            self._noted = True
            self.on_note(
                f"the channels have opposite phase at {clock(time)} and cancel each other: channel {loudest + 1} is read there (--channel chooses)"
            )
        return channels[loudest]
