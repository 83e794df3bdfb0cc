"""Bootstrap confidence intervals of error rates (Bisani and Ney, ICASSP 2004).

Each of B samples draws n utterances (or speakers) with replacement; the percentiles of the samples' rates are the interval. Utterances
with equal counts are interchangeable, so a sample is drawn as a multinomial over the distinct rows of counts. This is exact, and the cost
depends on the number of distinct rows, not on n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DRAWN_AT_ONCE = 4_000_000  # numbers, 8 bytes each


@dataclass(frozen=True)
class Interval:
    """Confidence interval of an error rate."""

    level: float
    low: float
    """a fraction"""
    high: float
    samples: int
    unit: str
    """of resampling: utterances or speakers"""


@dataclass(frozen=True)
class PairedInterval:
    """Confidence interval of the difference between two systems' error rates on the same utterances."""

    low: float
    """of the first system's rate minus the second's"""
    high: float
    p: float
    """two-sided: twice the share of samples whose difference has the other sign"""


def resample(counts: npt.NDArray[np.int64], samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw bootstrap samples.

    Args:
        counts: (n, k) counts of each utterance.
        samples: Number of samples B.
        seed: Seed of the generator.

    Returns:
        (B, k) sums of the counts over n rows drawn with replacement.
    """
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
    """Bootstrap with a confidence level, a number of samples (0: no intervals) and a seed.

    Examples:
        >>> found = Bootstrap().interval(np.array([0, 1, 0, 2]), np.array([9, 9, 9, 9]))
        >>> 0 <= found.low < 3 / 36 < found.high
        True
    """

    level: float = 0.95
    samples: int = 1000
    seed: int = 0

    def interval(self, errors: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], unit: str = "utterances") -> Interval | None:
        """Percentile interval of sum(errors) / sum(lengths), both (n,).

        Returns:
            None for n < 2, no samples or zero length, and if the samples do not differ, as without errors: an interval of no width
            would claim a certainty that the data do not give.
        """
        if len(errors) < 2 or not self.samples or not lengths.sum():
            return None
        sums = resample(np.stack([errors, lengths], axis=1), self.samples, self.seed)
        sums = sums[sums[:, 1] > 0]
        low, high = self._percentiles(sums[:, 0] / sums[:, 1])
        return Interval(self.level, low, high, self.samples, unit) if low < high else None

    def paired(self, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> PairedInterval | None:
        """Interval of the difference between two systems' rates; errors and lengths are (n,). None as for `interval`."""
        if len(lengths) < 2 or not self.samples or not lengths.sum():
            return None
        sums = resample(np.stack([first, second, lengths], axis=1), self.samples, self.seed)
        sums = sums[sums[:, 2] > 0]
        differences = (sums[:, 0] - sums[:, 1]) / sums[:, 2]
        low, high = self._percentiles(differences)
        fewer = min((differences <= 0).sum(), (differences >= 0).sum())
        p = min(1.0, 2 * (fewer + 1) / (len(differences) + 1))  # never 0: B samples cannot show less than 2 / (B + 1)
        return PairedInterval(low, high, float(p))

    def _percentiles(self, values: npt.NDArray[np.float64]) -> tuple[float, float]:
        low, high = np.quantile(values, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)
