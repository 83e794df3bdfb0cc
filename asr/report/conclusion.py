"""The conclusion of a comparison of more than two systems: which one has the lowest error rate, and whether it is clearly the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asr.report.columns import show


@dataclass(frozen=True)
class Conclusion:
    """The comparisons of all pairs in a sentence."""

    text: str
    """one sentence on the system with the lowest error rate"""
    sure: bool
    """whether it is clearly better than every other system"""
    note: str
    """the meaning of "better" and of p"""


def conclusion(summary: dict[str, Any]) -> Conclusion | None:
    """Draw the conclusion of a report with more than two systems; None for fewer, or if there is no error rate to compare."""
    systems, comparisons = summary["systems"], summary["comparisons"]
    rated = [system for system in systems if system["words"]["rate"] is not None]
    if len(systems) < 3 or len(rated) < len(systems):
        return None
    best = min(rated, key=lambda system: system["words"]["rate"])
    beaten = {c["b"] if c["a"] == best["name"] else c["a"] for c in comparisons if c["better"] == best["name"]}
    others = [system["name"] for system in systems if system is not best]
    close = [name for name in others if name not in beaten]
    lead = f"{best['name']} has the lowest word error rate, {show(best['words']['rate'], 'rate')}"
    if not close:
        text = f"{lead}, and is better than every other system."
    elif beaten:
        text = f"{lead}, but is not clearly better than {_enumerated(close)}."
    else:
        text = f"No clear winner: {lead}, but is not clearly better than any other system."
    return Conclusion(text, not close, _note(systems, comparisons))


def _note(systems: Sequence[dict[str, Any]], comparisons: Sequence[dict[str, Any]]) -> str:
    level = next((system["interval"]["level"] for system in systems if system["interval"]), None)
    tested = f"p is by the matched-pairs test, with Holm's correction for {len(comparisons)} comparisons."
    if level is None:
        return tested
    return f"Better: the {100 * level:g} % interval of the difference excludes 0, and p is below {1 - level:.4g}. {tested}"


def _enumerated(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
