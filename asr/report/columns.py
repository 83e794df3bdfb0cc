"""The table of columns: every figure of a report, defined once and read by all its forms.

A new figure is a property where it is measured and one entry here. It then stands in report.json and its schema, in the Markdown, in the
terminal's tables, in the page's table of figures, or, for a figure of an utterance, in the page's list, its choice of orders and the CSV.

    COUNTS      figures of `ErrorCounts`, for words, characters and the words of every group
    SENTENCES   figures of a system's sentences
    RESULTS     figures of one system on one utterance
    UTTERANCES  figures of an utterance itself
    MARKS       figures of a punctuation mark, if readable text is measured
    ACCURACIES  figures of the case of words, likewise
    READABLE    figures of one system's readable text on one utterance
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from asr.score.evaluation import SystemResult
from asr.score.readable import Accuracy, MarkCounts
from asr.score.wer import ErrorCounts

Format: TypeAlias = Literal["rate", "count", "seconds"]
"""A rate is a fraction, shown in percent; seconds are shown with one decimal."""

Number: TypeAlias = "float | int | None"
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Column(Generic[Measured]):
    """One figure."""

    key: str
    """its key in report.json"""
    heading: str
    """at the head of a table's column; empty keeps it out of the terminal's table of one system"""
    format: Format
    explanation: str
    """one sentence: the description in the schema and the tooltip in the page"""
    measure: Callable[[Measured], Number]
    label: str = ""
    """of the page's row, where `{unit}` is word, character or sentence; empty keeps it out of the page's table"""
    out_of: str = ""
    """key of the figure that this one is a part of: the page shows the share"""
    compared: bool = False
    """whether tables of several systems show it"""
    of_every_unit: bool = False
    """whether these tables show it for characters and sentences too, not for words alone"""
    listed: str = ""
    """in the page's list of utterances: `{}` is the number, `{s}` the plural's s; empty leaves it out"""
    pooled: Literal["sum", "mean"] = "sum"
    """how the page puts an utterance's figures of several systems together, to sort by them"""

    def of(self, measured: Measured) -> Number:
        """The figure; None where it is infinite, which JSON cannot hold."""
        value = self.measure(measured)
        return None if value is None or not math.isfinite(value) else value


COUNTS: tuple[Column[ErrorCounts], ...] = (
    Column(
        "rate",
        "error rate",
        "rate",
        "errors divided by the length of the reference; may exceed 1; null if the reference is empty and something was inserted",
        lambda counts: counts.rate,
        compared=True,
        of_every_unit=True,
    ),
    Column(
        "errors",
        "errors",
        "count",
        "substitutions + deletions + insertions",
        lambda counts: counts.errors,
        label="{unit} errors",
        out_of="reference_length",
        of_every_unit=True,
    ),
    Column(
        "reference_length",
        "out of",
        "count",
        "hits + substitutions + deletions",
        lambda counts: counts.reference_length,
        label="{unit}s in the reference",
    ),
    Column("hits", "", "count", "correct", lambda counts: counts.hits, label="correct {unit}s", out_of="reference_length"),
    Column(
        "substitutions",
        "sub",
        "count",
        "replaced by another",
        lambda counts: counts.substitutions,
        label="substitutions",
        out_of="reference_length",
        compared=True,
    ),
    Column(
        "deletions",
        "del",
        "count",
        "missing from the hypothesis",
        lambda counts: counts.deletions,
        label="deletions",
        out_of="reference_length",
        compared=True,
    ),
    Column(
        "insertions",
        "ins",
        "count",
        "in the hypothesis only",
        lambda counts: counts.insertions,
        label="insertions",
        out_of="reference_length",
        compared=True,
    ),
)

SENTENCES: tuple[Column[SystemResult], ...] = (
    Column(
        "rate",
        "error rate",
        "rate",
        "utterances with at least one word error, divided by all",
        lambda system: system.sentence_error_rate,
        compared=True,
        of_every_unit=True,
    ),
    Column(
        "errors",
        "errors",
        "count",
        "utterances with at least one word error",
        lambda system: system.sentence_errors,
        label="{unit} errors",
        out_of="count",
        of_every_unit=True,
    ),
    Column("count", "out of", "count", "utterances", lambda system: system.utterances),
)

RESULTS: tuple[Column[ErrorCounts], ...] = (
    Column("errors", "errors", "count", "word errors", lambda counts: counts.errors, listed="{} error{s}"),
    Column("words", "words", "count", "words of the normalised reference", lambda counts: counts.reference_length, pooled="mean"),
    Column(
        "rate",
        "error rate",
        "rate",
        "word errors divided by the words of the reference; null if it has none and something was inserted",
        lambda counts: counts.rate,
        listed="{}",
        pooled="mean",
    ),
)

UTTERANCES: tuple[Column[Mapping[str, Any]], ...] = (
    Column("duration", "duration", "seconds", "length of the utterance (s)", lambda details: details.get("duration"), listed="{}"),
    Column("offset", "offset", "seconds", "start of the utterance in the recording (s)", lambda details: details.get("offset")),
)


MARKS: tuple[Column[MarkCounts], ...] = (
    Column("reference", "in the reference", "count", "marks in the reference", lambda counts: counts.reference),
    Column("hypothesis", "found", "count", "marks in the hypothesis", lambda counts: counts.hypothesis),
    Column("hits", "hits", "count", "marks of the hypothesis that are in the reference too, at the same place", lambda counts: counts.hits),
    Column(
        "precision", "precision", "rate", "hits divided by the marks of the hypothesis; null without any", lambda counts: counts.precision
    ),
    Column("recall", "recall", "rate", "hits divided by the marks of the reference; null without any", lambda counts: counts.recall),
    Column("f1", "F1", "rate", "harmonic mean of precision and recall; null if neither text has the mark", lambda counts: counts.f1),
)

ACCURACIES: tuple[Column[Accuracy], ...] = (
    Column("words", "words", "count", "correct words that have upper and lower case", lambda counts: counts.words),
    Column("right", "right", "count", "those with the case of the reference", lambda counts: counts.right),
    Column("accuracy", "accuracy", "rate", "their share; null without words", lambda counts: counts.accuracy),
)

READABLE: tuple[Column[Sequence[int]], ...] = (
    Column(
        "mark_errors",
        "punctuation errors",
        "count",
        "punctuation marks that are substituted, deleted or inserted",
        lambda counts: int(counts[0]),
        listed="{} punctuation error{s}",
    ),
    Column(
        "case_errors",
        "case errors",
        "count",
        "correct words with another case than in the reference",
        lambda counts: int(counts[1]),
        listed="{} case error{s}",
    ),
)


@dataclass(frozen=True)
class Unit:
    """What errors are counted in."""

    key: str
    """of the system's figures in report.json"""
    name: str
    """one of them"""
    rate: str
    """abbreviation of its error rate"""
    columns: tuple[Column[Any], ...]


UNITS = (
    Unit("words", "word", "WER", COUNTS),
    Unit("characters", "character", "CER", COUNTS),
    Unit("sentences", "sentence", "SER", SENTENCES),
)


def figures(columns: Iterable[Column[Measured]], measured: Measured) -> dict[str, Number]:
    """The figures by key, as report.json has them."""
    return {column.key: column.of(measured) for column in columns}


def result_columns(systems: Iterable[Mapping[str, Any]]) -> tuple[Column[Any], ...]:
    """Columns of one system on one utterance, with those of readable text if a report's systems have it."""
    return (*RESULTS, *READABLE) if any("readable" in system for system in systems) else RESULTS


def compared_columns() -> Iterator[tuple[Unit, Column[Any], str]]:
    """Columns of a table with a row for each system: unit, column, heading."""
    for unit, column in _columns_where(lambda column: column.compared):
        yield unit, column, unit.rate if column.key == "rate" else column.heading


def page_rows() -> Iterator[tuple[Unit, Column[Any], str]]:
    """Rows of the page's table of figures: unit, column, label."""
    for unit, column in _columns_where(lambda column: bool(column.label)):
        label = column.label.format(unit=unit.name)
        yield unit, column, label[0].upper() + label[1:]


def _columns_where(wanted: Callable[[Column[Any]], bool]) -> Iterator[tuple[Unit, Column[Any]]]:
    """Yield the wanted columns of each unit; a column that is not `of_every_unit` comes once, with the first."""
    for unit in UNITS:
        for column in unit.columns:
            if wanted(column) and (column.of_every_unit or unit is UNITS[0]):
                yield unit, column


def show(value: Number, form: Format) -> str:
    """A figure as text: `12.34 %`, `1,234`, `1.2 s`; a dash for one that is not known."""
    if value is None:
        return "–"
    return {"rate": f"{100 * value:.2f} %", "count": f"{value:,}", "seconds": f"{value:.1f} s"}[form]
