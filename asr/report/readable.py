"""Figures of readable text in a report: punctuation marks, case, and error rates of several forms of the text.

`figures_of` builds the part of report.json, and `rows` the table that the page, the Markdown and the terminal show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asr.report.columns import ACCURACIES, COUNTS, MARKS, Column, figures, show
from asr.score.bootstrap import Interval
from asr.score.readable import NUMBERS, WORDS, WRITTEN, ReadableResult

ALL = "all"
"""key of the figures of all marks"""

_FORMS = {
    WRITTEN: ("WER as written", "word error rate where capitals and punctuation marks count"),
    WORDS: ("WER of words", "word error rate in lower case without punctuation marks"),
    NUMBERS: ("WER, whisper-en", "word error rate after Whisper's normaliser, which writes numbers in one form"),
}
_MARKS = {
    "full_stop": "Full stop F1",
    "comma": "Comma F1",
    "question": "Question mark F1",
    "exclamation": "Exclamation F1",
    "colon": "Colon F1",
    "dash": "Dash F1",
    ALL: "All marks F1",
}
_CASES = {
    "case": ("Case accuracy", "correct words with the case of the reference: lower, capital or upper"),
    "names": ("Name accuracy", "case accuracy of words with a capital that neither start a sentence nor are I"),
}


@dataclass(frozen=True)
class Row:
    """A measure: its figure for each system, as text."""

    label: str
    explanation: str
    reference: str
    """marks or words in the reference"""
    values: list[str]
    intervals: list[str]
    """empty without an interval"""
    precisions: list[str]
    """of marks; empty for other measures"""
    recalls: list[str]


def figures_of(result: ReadableResult) -> dict[str, Any]:
    """Build the figures of a system, as report.json has them."""
    marks = {**{mark.name.lower(): counts for mark, counts in result.marks.items()}, ALL: result.all_marks}
    return {
        "words": {form: {**figures(COUNTS, one.words), **_ends(one.interval)} for form, one in result.forms.items()},
        "marks": {key: {**figures(MARKS, counts), **_ends(counts.interval)} for key, counts in marks.items()},
        "mark_errors": figures(COUNTS, result.mark_errors),
        "case": {**figures(ACCURACIES, result.case), **_ends(result.case.interval)},
        "names": {**figures(ACCURACIES, result.names), **_ends(result.names.interval)},
    }


def _ends(interval: Interval | None) -> dict[str, float | None]:
    return {"low": interval.low if interval else None, "high": interval.high if interval else None}


def rows(systems: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the measures of a report's systems; nothing if its readable text was not measured."""
    measured = [system["readable"] for system in systems if system.get("readable")]
    if not measured or len(measured) < len(systems):
        return
    for form, (label, explanation) in _FORMS.items():
        if form in measured[0]["words"]:
            yield _row(label, explanation, [one["words"][form] for one in measured], _column(COUNTS, "rate"), "reference_length")
    for key, name in _MARKS.items():
        column = _column(MARKS, "f1")
        yield _row(name, column.explanation, [one["marks"][key] for one in measured], column, "reference")
    explanation = "substituted, deleted and inserted marks, divided by the marks of the reference"
    yield _row("Slot error rate", explanation, [one["mark_errors"] for one in measured], _column(COUNTS, "rate"), "reference_length")
    for key, (label, explanation) in _CASES.items():
        yield _row(label, explanation, [one[key] for one in measured], _column(ACCURACIES, "accuracy"), "words")


def _column(columns: Sequence[Column[Any]], key: str) -> Column[Any]:
    return next(column for column in columns if column.key == key)


def _row(label: str, explanation: str, found: Sequence[Mapping[str, Any]], column: Column[Any], reference: str) -> Row:
    sizes = dict.fromkeys(show(one[reference], "count") for one in found)
    return Row(
        label,
        explanation,
        " / ".join(sizes),
        [show(one[column.key], column.format) for one in found],
        [_interval(one) for one in found],
        [show(one["precision"], "rate") if "precision" in one else "" for one in found],
        [show(one["recall"], "rate") if "recall" in one else "" for one in found],
    )


def _interval(one: Mapping[str, Any]) -> str:
    low, high = one.get("low"), one.get("high")
    return "" if low is None or high is None else f"{100 * low:.2f} to {show(high, 'rate')}"


def table(systems: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Build the table of measures: headings and cells. One system has columns for intervals, precision and recall, several a column each.

    Returns:
        Headings, and the cells of each row; both empty if the readable text was not measured.
    """
    measures = list(rows(systems))
    if not measures:
        return [], []
    if len(systems) > 1:
        names = [str(system["name"]) for system in systems]
        cells = (
            [f"{value} ({spread})" if spread else value for value, spread in zip(row.values, row.intervals, strict=True)]
            for row in measures
        )
        return ["readable text", "out of", *names], [[row.label, row.reference, *some] for row, some in zip(measures, cells, strict=True)]
    spread = next((system["interval"] for system in systems if system["interval"]), None)
    interval = f"{100 * spread['level']:g} % interval" if spread else "interval"
    return (
        ["readable text", "out of", "value", interval, "precision", "recall"],
        [[row.label, row.reference, row.values[0], row.intervals[0], row.precisions[0], row.recalls[0]] for row in measures],
    )
