"""Groups of utterances by speaker, duration, length or any key."""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import UsageError
from asr.score.bootstrap import Bootstrap
from asr.score.wer import ErrorCounts

DURATION_EDGES = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0)
"""seconds; a bin includes its lower edge"""
LENGTH_EDGES = (1, 6, 11, 21, 41)
"""words of the reference"""
UNKNOWN = "(unknown)"
"""group of utterances without the key"""
MANY_VALUES = 12  # distinct fractional numbers above which a key is binned by quantiles
BINS = 5


@dataclass(frozen=True)
class Group:
    """Results of the utterances with one value of a key."""

    value: str
    utterances: int
    words: ErrorCounts
    low: float | None
    """of the interval of the WER; None for a single utterance"""
    high: float | None


def check_keys(keys: Sequence[str], details: Sequence[Mapping[str, Any]]) -> set[str]:
    """The keys that utterances have. Raises UsageError if one of `keys` is not among them."""
    known = {key for one in details for key, value in one.items() if value is not None} | {"length"}
    for key in keys:
        if key not in known:
            raise UsageError(f"--by {key}: no utterance has this key; there are {', '.join(sorted(known))}")
    return known


def label(keys: Sequence[str], details: Sequence[Mapping[str, Any]], lengths: Sequence[int]) -> dict[str, list[str]]:
    """Assign every utterance to a group of every key.

    Args:
        keys: Keys to group by. Length and, if known, speaker and duration are always added.
        details: Keys of every utterance.
        lengths: Words of every reference.

    Returns:
        The group of every utterance, by key.

    Raises:
        UsageError: No utterance has one of `keys`.
    """
    known = check_keys(keys, details)
    wanted = ["speaker", "duration", "length", *keys]
    labels = {}
    for key in dict.fromkeys(k for k in wanted if k in known):
        values = list(lengths) if key == "length" else [one.get(key) for one in details]
        labels[key] = _labels(key, values)
    return labels


def _labels(key: str, values: list[Any]) -> list[str]:
    if key == "length":
        return [_length_bin(value) for value in values]
    if key == "duration":
        return [UNKNOWN if value is None else _bin(value, DURATION_EDGES, " s") for value in values]
    numbers = {value for value in values if isinstance(value, float)}
    if len(numbers) > MANY_VALUES and all(isinstance(value, int | float | None) for value in values):
        edges = np.unique(np.quantile([v for v in values if v is not None], np.arange(1, BINS) / BINS)).tolist()
        return [UNKNOWN if value is None else _bin(value, edges) for value in values]
    return [UNKNOWN if value is None else str(value) for value in values]


def _bin(value: float, edges: Sequence[float], unit: str = "") -> str:
    """`2-5 s`: from 2 to less than 5."""
    i = bisect.bisect_right(edges, value)
    if i == 0:
        return f"< {edges[0]:g}{unit}"
    return f"≥ {edges[-1]:g}{unit}" if i == len(edges) else f"{edges[i - 1]:g}-{edges[i]:g}{unit}"


def _length_bin(words: int) -> str:
    i = bisect.bisect_right(LENGTH_EDGES, words)
    if i == 0:
        return "0 words"
    low = LENGTH_EDGES[i - 1]
    return f"> {low - 1} words" if i == len(LENGTH_EDGES) else f"{low}-{LENGTH_EDGES[i] - 1} words"


def measure(labels: Sequence[str], words: npt.NDArray[np.int64], bootstrap: Bootstrap) -> tuple[Group, ...]:
    """Compute the results of each group.

    Args:
        labels: (n) group of every utterance.
        words: (n, 4) hits, substitutions, deletions, insertions of every utterance.
        bootstrap: For the intervals.

    Returns:
        The groups, bins by their edges, names in natural order.
    """
    values, which = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    order = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which, minlength=len(values)))
    found = []
    for value, members in zip(values, np.split(order, ends[:-1]), strict=True):
        counts = words[members]
        errors, lengths = counts[:, 1:].sum(axis=1), counts[:, :3].sum(axis=1)
        spread = bootstrap.interval(errors, lengths)
        total = ErrorCounts(*(int(n) for n in counts.sum(axis=0)))
        ends_at = (spread.low, spread.high) if spread else (None, None)
        found.append(Group(str(value), len(members), total, *ends_at))
    return tuple(sorted(found, key=lambda group: _sort_key(group.value)))


def _sort_key(value: str) -> tuple[int, list[tuple[int, float, str]]]:
    """Orders bins by their edges, names by the numbers in them, and the group without the key last."""
    rank = {"<": 0, "≥": 2, ">": 2}.get(value[:1], 1) if value[1:2] == " " else 1
    parts = re.findall(r"\d+(?:\.\d+)?|[^\d]+", value)
    return (3 if value == UNKNOWN else rank), [(0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in parts]
