"""Confidence intervals: how much an error rate would change with other utterances of the same kind.

The bootstrap draws as many utterances as there are, with replacement, again and again, and looks at how the rates spread
(Bisani and Ney 2004). Utterances with the same counts are the same to it; so it draws how often each *kind* of utterance comes
(a multinomial), which is exact, and takes 100,000 utterances in the time and memory of the few thousand kinds among them.

n utterances (or speakers), k counts of each, B samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DRAWN_AT_ONCE = 4_000_000  # numbers, 8 bytes each


@dataclass(frozen=True)
class Interval:
    """Where the error rate lies, at a level of confidence."""

    level: float
    low: float
    """as a fraction, like every rate"""
    high: float
    samples: int
    unit: str
    """what was drawn: utterances or speakers"""


@dataclass(frozen=True)
class PairedInterval:
    """The difference between the error rates of two systems on the same utterances."""

    low: float
    """of the rate of the first less that of the second"""
    high: float
    p: float
    """two-sided: twice how often a difference of the other sign is drawn"""


def resample(counts: npt.NDArray[np.int64], samples: int, seed: int) -> npt.NDArray[np.int64]:
    """(B, k) sums of counts (n, k) over n rows drawn with replacement."""
    kinds, numbers = np.unique(counts, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    total = len(counts)
    share = numbers / total
    block = max(1, _DRAWN_AT_ONCE // len(kinds))
    sums = np.empty((samples, counts.shape[1]), dtype=np.int64)
    for start in range(0, samples, block):
        end = min(start + block, samples)
        sums[start:end] = random.multinomial(total, share, size=end - start) @ kinds
    return sums


@dataclass(frozen=True)
class Bootstrap:
    """How to draw: level of confidence, number of samples (0 gives no intervals), and the seed that makes them the same every time.

    >>> found = Bootstrap().interval(np.array([0, 1, 0, 2]), np.array([9, 9, 9, 9]))
    >>> 0 <= found.low < 3 / 36 < found.high
    True
    """

    level: float = 0.95
    samples: int = 1000
    seed: int = 0

    def interval(self, errors: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], unit: str = "utterances") -> Interval | None:
        """Interval of sum(errors) / sum(lengths) by percentiles; None with fewer than two rows, or nothing to divide by."""
        if len(errors) < 2 or not self.samples or not lengths.sum():
            return None
        sums = resample(np.stack([errors, lengths], axis=1), self.samples, self.seed)
        sums = sums[sums[:, 1] > 0]
        low, high = self._percentiles(sums[:, 0] / sums[:, 1])
        return Interval(self.level, low, high, self.samples, unit)

    def paired(self, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> PairedInterval | None:
        """The difference of two systems' rates, both drawn on the same utterances; None where there is nothing to draw."""
        if len(lengths) < 2 or not self.samples or not lengths.sum():
            return None
        sums = resample(np.stack([first, second, lengths], axis=1), self.samples, self.seed)
        sums = sums[sums[:, 2] > 0]
        differences = (sums[:, 0] - sums[:, 1]) / sums[:, 2]
        low, high = self._percentiles(differences)
        fewer = min((differences <= 0).sum(), (differences >= 0).sum())
        p = min(1.0, 2 * (fewer + 1) / (len(differences) + 1))  # never 0: so many samples cannot show more
        return PairedInterval(low, high, float(p))

    def _percentiles(self, values: npt.NDArray[np.float64]) -> tuple[float, float]:
        low, high = np.quantile(values, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)
