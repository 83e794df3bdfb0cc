"""Estimation of an n-gram model: modified Kneser-Ney smoothing (Chen and Goodman 1998), then entropy pruning (Stolcke 1998).

An n-gram is packed into one unsigned 64-bit integer, its last token in the lowest bits, so that counting is sorting. Hence dropping the
last token is a shift, and dropping the first one a mask. Every sentence begins and ends with EOS, as in the LSTM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import ConfigError
from asr.model.ngram import NGram, pack_levels
from asr.text.tokenizer import EOS

Keys = NDArray[np.uint64]
Counts = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass
class Level:
    """All n-grams of one order, sorted."""

    keys: Keys
    raw: Counts
    """occurrences, which entropy pruning takes as the probability of a context"""
    log_probs: Floats
    backoffs: Floats
    """log backoff weight of each n-gram as a context; 0 where nothing follows it"""

    def keep(self, kept: NDArray[np.bool_]) -> Level:
        """Return the n-grams that are `kept`."""
        return Level(self.keys[kept], self.raw[kept], self.log_probs[kept], self.backoffs[kept])


def train_ngram(tokens: NDArray[np.integer], vocabulary: int, order: int, cutoff: int, threshold: float) -> NGram:
    """Estimate and prune an n-gram model.

    Args:
        tokens: (N,) sentences one after the other, each with EOS at its end.
        vocabulary: number of tokens V.
        order: tokens of the longest n-gram.
        cutoff: n-grams of order 3 and above that occur less often are left out.
        threshold: n-grams that raise the model's entropy by less are pruned (relative change of perplexity, as in SRILM).

    Raises:
        ConfigError: an n-gram does not fit into 64 bits, or the text is too small.
    """
    estimator = Estimator(vocabulary, order)
    levels = estimator.estimate(tokens, cutoff)
    return pack_levels([(level.keys, level.log_probs, level.backoffs) for level in estimator.prune(levels, threshold)], vocabulary)


class Estimator:
    """The steps of `train_ngram`. Level n - 1 of a list holds the n-grams of order n."""

    def __init__(self, vocabulary: int, order: int):
        self.vocabulary, self.order = vocabulary, order
        self.bits = max(1, (vocabulary - 1).bit_length())
        if order < 2 or order * self.bits > 64:
            raise ConfigError(f"order {order}: expected 2 to {64 // self.bits} with {vocabulary} tokens")

    # ------------------------------------------------------------ counts

    def count(self, tokens: NDArray[np.integer]) -> list[tuple[Keys, Counts]]:
        """Count the n-grams of all orders within sentences: sorted keys and occurrences."""
        stream = np.concatenate([[EOS], tokens]).astype(np.min_scalar_type(self.vocabulary - 1))
        keys, valid = stream[1:].astype(np.uint64), np.ones(len(tokens), bool)  # the first EOS is a context and is not predicted
        counted = [_unique(keys.copy())]
        for n in range(2, self.order + 1):
            first = stream[: len(stream) + 1 - n].astype(np.uint64)
            first <<= np.uint64(self.bits * (n - 1))
            if n == 2:
                keys |= first
            else:  # an n-gram crosses a sentence's end if one of its tokens, but the first and the last, is EOS
                keys, valid = keys[1:], valid[1:] & (stream[1 : len(stream) + 2 - n] != EOS)
                keys |= first
            del first
            counted.append(_unique(keys[valid]))
        return counted

    def adjust(self, counted: list[tuple[Keys, Counts]]) -> list[Counts]:
        """Return Kneser-Ney counts: below the longest order, the number of distinct tokens before an n-gram, unless it begins a sentence."""
        adjusted = [counts.copy() for _, counts in counted]
        for n in range(1, self.order):
            keys, _ = counted[n - 1]
            suffixes, distinct = _unique(counted[n][0] & self._mask(n))
            at = np.searchsorted(keys, suffixes)
            inner = (suffixes >> np.uint64(self.bits * (n - 1)) != EOS) if n > 1 else np.ones(len(suffixes), bool)
            adjusted[n - 1][at[inner]] = distinct[inner]
        return adjusted

    # ------------------------------------------------------------ probabilities

    def estimate(self, tokens: NDArray[np.integer], cutoff: int = 1) -> list[Level]:
        """Estimate the interpolated model of all n-grams that occur at least `cutoff` times (from order 3 on)."""
        counted = self.count(tokens)
        adjusted = self.adjust(counted)
        levels: list[Level] = []
        for n in range(1, self.order + 1):
            (keys, raw), counts = counted[n - 1], adjusted[n - 1]
            counted[n - 1], adjusted[n - 1] = (keys[:0], raw[:0]), counts[:0]  # of much text they would not all fit into memory
            rest = (counts - discounts(counts)[np.minimum(counts, 3)]).clip(0)
            kept = raw >= cutoff if n > 2 else np.ones(len(keys), bool)
            row, first = _rows(keys >> np.uint64(self.bits))
            contexts = keys[first] >> np.uint64(self.bits)
            totals = np.add.reduceat(counts, first, dtype=np.float64)
            lost = 1 - np.add.reduceat(rest * kept, first) / totals  # probability that is left to the backoff
            row = row[kept]
            keys, rest = keys[kept], rest[kept] / totals[row]
            if n == 1:
                every = np.arange(self.vocabulary, dtype=np.uint64)
                probs, occurrences = np.full(self.vocabulary, lost[0] / self.vocabulary), np.zeros(self.vocabulary, np.int32)
                probs[keys.astype(int)] += rest
                occurrences[keys.astype(int)] = raw
                levels.append(Level(every, occurrences, np.log(probs), np.zeros(self.vocabulary)))
                continue
            lower, shorter = levels[-1], keys & self._mask(n - 1)
            probs = rest + lost[row] * np.exp(lower.log_probs[np.searchsorted(lower.keys, shorter)])
            with_state = np.searchsorted(lower.keys, contexts)
            with_state[with_state == len(lower.keys)] = 0
            found = lower.keys[with_state] == contexts
            lower.backoffs[with_state[found]] = np.log(lost[found])
            levels.append(Level(keys, raw[kept], np.log(probs), np.zeros(len(keys))))
        return levels

    def log_probs(self, levels: list[Level], keys: Keys) -> Floats:
        """Look n-grams of order len(levels) up, backing off where they are missing."""
        n, level = len(levels), levels[-1]
        at = np.searchsorted(level.keys, keys).clip(max=max(0, len(level.keys) - 1))
        missing = level.keys[at] != keys if len(level.keys) else np.ones(len(keys), bool)
        found = np.empty(len(keys))
        found[~missing] = level.log_probs[at[~missing]]
        if missing.any():
            found[missing] = self._backoffs(levels[n - 2], keys[missing] >> np.uint64(self.bits))
            found[missing] += self.log_probs(levels[:-1], keys[missing] & self._mask(n - 1))
        return found

    # ------------------------------------------------------------ pruning

    def prune(self, levels: list[Level], threshold: float) -> list[Level]:
        """Leave out n-grams whose loss raises the perplexity by less than a relative `threshold`, longest first, and renormalise."""
        levels = list(levels)
        total = levels[0].raw.sum()
        for n in range(self.order, 1, -1):
            level, lower = levels[n - 1], levels[n - 2]
            contexts = level.keys >> np.uint64(self.bits)
            here = np.exp(level.log_probs)
            low = np.exp(self.log_probs(levels[: n - 1], level.keys & self._mask(n - 1)))
            row, first = _rows(contexts)
            numerator, denominator = _left(here, first)[row], _left(low, first)[row]
            after = np.log(numerator + here) - np.log(denominator + low)
            before = np.log(numerator) - np.log(denominator)
            occurrences = lower.raw[np.searchsorted(lower.keys, contexts)]
            rise = here * (level.log_probs - np.log(low) - after) - numerator * (after - before)
            kept = np.expm1(occurrences / total * rise) >= threshold
            if n < self.order:
                kept |= np.isin(level.keys, levels[n].keys >> np.uint64(self.bits))  # the context of a longer one
            levels[n - 1] = level.keep(kept)
        for n in range(2, self.order + 1):
            self._renormalize(levels, n)
        return levels

    def _renormalize(self, levels: list[Level], n: int) -> None:
        level, lower = levels[n - 1], levels[n - 2]
        lower.backoffs[:] = 0
        if len(level.keys):
            contexts = level.keys >> np.uint64(self.bits)
            _, first = _rows(contexts)
            low = np.exp(self.log_probs(levels[: n - 1], level.keys & self._mask(n - 1)))
            weights = np.log(_left(np.exp(level.log_probs), first)) - np.log(_left(low, first))
            lower.backoffs[np.searchsorted(lower.keys, contexts[first])] = weights

    def _backoffs(self, level: Level, contexts: Keys) -> Floats:
        at = np.searchsorted(level.keys, contexts).clip(max=max(0, len(level.keys) - 1))
        if not len(level.keys):
            return np.zeros(len(contexts))
        return np.where(level.keys[at] == contexts, level.backoffs[at], 0.0)

    def _mask(self, n: int) -> np.uint64:
        return np.uint64((1 << (self.bits * n)) - 1)


def discounts(counts: Counts) -> Floats:
    """Discounts (4,) of the counts 0, 1, 2 and 3 or more (Chen and Goodman 1998, equation 26); 0.5, 1 and 1.5 where the text is too small."""
    n1, n2, n3, n4 = (int((counts == i).sum()) for i in range(1, 5))
    if not (n1 and n2 and n3):
        return np.array([0, 0.5, 1, 1.5])
    y = n1 / (n1 + 2 * n2)
    found = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return found if (found[1:] > 0).all() else np.array([0, 0.5, 1, 1.5])


def _unique(keys: Keys) -> tuple[Keys, Counts]:
    """Return the distinct keys, sorted, and how often each occurs. Sorts `keys` in place."""
    keys.sort()
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
    return keys[first], np.diff(np.append(first, len(keys))).astype(np.int32)


def _rows(contexts: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the runs of equal contexts: the run of each n-gram, and the first n-gram of each run."""
    starts = np.append(True, contexts[1:] != contexts[:-1]) if len(contexts) else np.zeros(0, bool)
    return np.cumsum(starts) - 1, np.flatnonzero(starts)


def _left(probs: Floats, first: NDArray[np.int64]) -> Floats:
    """Return the probability that each run leaves to other tokens."""
    return (1 - np.add.reduceat(probs, first)).clip(1e-9) if len(first) else np.zeros(0)
