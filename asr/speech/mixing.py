"""Mixing of the channels of a recording to one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asr.speech.missing import clock
from asr.speech.reader import Samples

OPPOSITE = 0.1  # energy of the mean of the channels, relative to theirs, below which they cancel each other
SILENT = 1e-8  # mean square of a channel (-80 dB) below which phases are not compared


class Mixer:
    """Mixes blocks (C, N) to (N,): one channel, or the mean of all.

    Channels of opposite phase (a balanced line recorded as stereo, a microphone with swapped wires) cancel each other when averaged. In
    such blocks one channel is taken instead, and `on_note` is called once.
    """

    def __init__(self, rate: int, channel: int | None, on_note: Callable[[str], None], start: float = 0.0):
        """Prepare to mix.

        Args:
            rate: sample rate (Hz).
            channel: 1 for the first; None for the mean of all.
            on_note: called with a sentence for the user.
            start: time of the first block (s).
        """
        self.rate, self.channel, self.on_note = rate, channel, on_note
        self._time = start
        self._noted = False

    def __call__(self, channels: Samples) -> Samples:
        """Mix a block (C, N) to (N,). A stream may change its channels: if `channel` is gone, the last one is taken."""
        time, self._time = self._time, self._time + channels.shape[1] / self.rate
        if self.channel is not None:
            return channels[min(self.channel, len(channels)) - 1]
        if len(channels) == 1:
            return channels[0]
        mean = channels.mean(axis=0, dtype=np.float32)
        energies = np.einsum("cn,cn->c", channels, channels, dtype=np.float64) / max(1, channels.shape[1])
        loudest = int(np.argmax(energies > 0.5 * energies.max()))  # the first of similar loudness
        if not energies[loudest] > SILENT or float(np.mean(np.square(mean, dtype=np.float64))) > OPPOSITE * float(energies.mean()):
            return mean
        if not self._noted:
            self._noted = True
            self.on_note(
                f"the channels have opposite phase at {clock(time)} and cancel each other: channel {loudest + 1} is read there; choose another with --channel"
            )
        return channels[loudest]
