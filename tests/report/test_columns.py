"""The table of columns: all forms of the report follow it."""

from __future__ import annotations

import io
import json
from types import ModuleType

import jsonschema
import pytest
from rich.console import Console

from asr.report import columns, csv_table, data, packing, schema, terminal
from asr.report.columns import COUNTS, RESULTS, UNITS, Column, Unit
from asr.report.html import render_html
from asr.report.markdown import as_markdown
from asr.score import evaluate
from asr.score.evaluation import Evaluation
from asr.score.wer import ErrorCounts

PRECISION: Column[ErrorCounts] = Column(
    "precision",
    "prec",
    "rate",
    "correct words divided by the words of the hypothesis",
    lambda counts: counts.hits / max(1, counts.hits + counts.substitutions + counts.insertions),
    label="precision",
    compared=True,
    listed="{} precise",
    pooled="mean",
)


def test_the_schema_is_that_of_the_table() -> None:
    found = schema.filled(schema.read_schema())
    assert json.dumps(found) == json.dumps(schema.read_schema()), "run python -m asr.report.schema"


@pytest.fixture
def one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table with one more entry in COUNTS and in RESULTS."""
    counts, results = (*COUNTS, PRECISION), (*RESULTS, PRECISION)
    units = tuple(Unit(unit.key, unit.name, unit.rate, counts if unit.columns is COUNTS else unit.columns) for unit in UNITS)
    modules: list[ModuleType] = [columns, csv_table, data, packing, schema, terminal]
    for module in modules:
        for name, value in {"COUNTS": counts, "RESULTS": results, "UNITS": units}.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


def measured(systems: int) -> Evaluation:
    return evaluate(["GO ON", "STOP NOW"], *[["GO ON UH", "STOP NOW"]] * systems, names=["one", "two"][:systems], samples=20)


@pytest.mark.parametrize("systems", [1, 2])
@pytest.mark.usefixtures("one_more")
def test_one_entry_is_a_column_of_every_form(systems: int) -> None:
    found = measured(systems)
    report = data.report(found)
    assert report["systems"][0]["words"]["precision"] == 0.8
    assert report["systems"][0]["groups"]["length"][0]["words"]["precision"] == 0.8
    assert [utterance["systems"][0]["precision"] for utterance in report["utterances"]] == [2 / 3, 1.0]
    jsonschema.validate(json.loads(json.dumps(report)), schema.filled(schema.read_schema()))
    assert "precision" in schema.filled(schema.read_schema())["$defs"]["counts"]["required"]

    table = next(line for line in as_markdown(report).splitlines() if line.startswith("| system"))
    assert "| prec |" in table
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal.error_table(found, "t"))
    printed = console.export_text()
    assert "prec" in printed
    assert "80.00" in printed

    page = render_html(report)
    assert '<th scope="row" title="correct words divided by the words of the hypothesis">Precision</th>' in page
    assert "80.00 %" in page
    packed = packing.pack(report, report["utterances"], {})
    assert packed["systems"][0]["figures"]["precision"] == [0.6667, 1.0]
    assert packed["columns"]["results"][-1]["heading"] == "prec"
    assert csv_table.as_csv(report).decode("utf-8-sig").splitlines()[0].endswith("precision")


def test_no_clear_winner_is_explained_below_its_verdict() -> None:
    references = ["A B C D"] * 30
    close = evaluate(references, references, ["A B C X", *references[1:]], ["X X X X"] * 30, samples=100)
    verdicts = [comparison.verdict for comparison in close.comparisons]
    assert [verdict.startswith("no clear winner") for verdict in verdicts] == [True, False, False]
    assert list(terminal.comparison_lines(close)) == [verdicts[0], close.comparisons[0].explanation, *verdicts[1:]]
