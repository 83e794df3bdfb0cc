"""Readable text in all forms of the report, and `asr score --readable`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console
from typer.testing import CliRunner

from asr.cli import app
from asr.report import report
from asr.report.csv_table import as_csv
from asr.report.html import render_html
from asr.report.markdown import as_markdown
from asr.report.packing import pack
from asr.report.readable import rows, table
from asr.report.schema import read_schema
from asr.report.terminal import matching_notes, readable_table
from asr.score import evaluate
from asr.score.evaluation import Evaluation

REFERENCES = ["Well, it is Paris.", "Is it?", "Go home.", "<b>Yes</b> | no; so."]
HYPOTHESES = [["Well it is paris.", "Is it?", "Go, home.", "Yes no, so."], REFERENCES]


def measured(systems: int) -> Evaluation:
    return evaluate(REFERENCES, *HYPOTHESES[:systems], names=["ours", "the|irs"][:systems], samples=50, readable=True)


@pytest.mark.parametrize("systems", [1, 2])
def test_all_forms_have_the_measures(systems: int) -> None:
    found = measured(systems)
    data = report(found)
    jsonschema.validate(json.loads(json.dumps(data, allow_nan=False)), read_schema())
    comma = data["systems"][0]["readable"]["marks"]["comma"]
    assert [comma[key] for key in ("reference", "hypothesis", "hits", "f1")] == [2, 2, 1, 0.5]
    assert data["systems"][0]["readable"]["marks"]["dash"]["f1"] is None
    assert data["systems"][0]["readable"]["names"] | {"low": 0, "high": 0} == {"words": 2, "right": 1, "accuracy": 0.5, "low": 0, "high": 0}
    assert [one["systems"][0]["mark_errors"] for one in data["utterances"]] == [1, 0, 1, 0]
    assert [one["systems"][0]["case_errors"] for one in data["utterances"]] == [1, 0, 0, 0]

    row = next(row for row in rows(data["systems"]) if row.label == "Comma F1")
    assert (row.reference, row.values[0], row.precisions[0], row.recalls[0]) == ("2", "50.00 %", "50.00 %", "50.00 %")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(readable_table(found))
    printed = console.export_text()
    page, text = render_html(data), as_markdown(data)
    for form in (printed, page.replace("\u00a0", " "), text):
        assert "50.00 %" in form
        assert all(label in form for label in ("Dash F1", "Case accuracy", "Name accuracy", "Slot error rate", "WER as written"))
    assert "| Comma F1 | 2 | 50.00 %" in text
    assert all(line.count("|") - line.count("\\|") == {1: 7, 2: 5}[systems] for line in text.splitlines() if " F1 |" in line)
    (cells,) = [line for line in csv.DictReader(io.StringIO(as_csv(data).decode("utf-8-sig"))) if line["reference"] == REFERENCES[0]]
    assert [int(value) for key, value in cells.items() if key.endswith(("mark_errors", "case_errors"))] == [1, 1, 0, 0][: 2 * systems]
    packed = pack(data, data["utterances"], {})
    assert packed["systems"][0]["figures"]["mark_errors"] == [1, 0, 1, 0]
    assert [column["key"] for column in packed["columns"]["results"]][-2:] == ["mark_errors", "case_errors"]


def test_without_it_nothing_is_shown() -> None:
    found = evaluate(REFERENCES, HYPOTHESES[0])
    data = report(found)
    assert readable_table(found) is None
    assert table(data["systems"]) == ([], [])
    assert "readable" not in data["systems"][0]
    assert "Readable text" not in render_html(data)
    assert "mark_errors" not in as_csv(data).decode("utf-8-sig")
    assert "mark_errors" not in json.dumps(pack(data, data["utterances"], {}))


def test_unusable_references_are_noted() -> None:
    notes = list(matching_notes(evaluate(["GO ON"], ["Go on."], readable=True), "delete"))
    assert [note.partition(":")[0] for note in notes] == [
        "the references have no punctuation marks",
        "the references have letters of one case only",
    ]
    assert list(matching_notes(evaluate(["Go on."], ["GO ON"], readable=True), "delete")) == []


def test_dropped_digits_are_noted() -> None:
    found = evaluate(["TWENTY MEN", "GO"], ["20 men", "go"], [None, "GO"], names=["ours", "theirs"], normalizer="librispeech")
    assert [note for note in matching_notes(found, "delete") if "digits" in note] == [
        "ours: 1 of 2 texts have digits, which librispeech drops: write numbers in words, or use --normalizer whisper-en"
    ]
    assert not any("digits" in note for note in matching_notes(evaluate(["20"], ["20"]), "delete"))


def test_a_narrow_window_cuts_no_figure() -> None:
    console = Console(width=40, record=True, file=io.StringIO())
    console.print(readable_table(measured(1), 40))
    assert "50.00 %" in console.export_text()


def transcript(name: str) -> dict[str, object]:
    segments = [
        {"start": 0.0, "end": 1.0, "text": " Mr. Hill,", "verbatim_text": " MISTER HILL"},
        {"start": 1.5, "end": 2.0, "text": " has 25.", "verbatim_text": " HAS TWENTY FIVE", "words": []},
    ]
    return {
        "audio_filepath": name,
        "duration": 2.0,
        "text": " Mr. Hill, has 25.",
        "verbatim_text": " MISTER HILL HAS TWENTY FIVE",
        "segments": segments,
    }


@pytest.mark.parametrize(
    ("options", "rate", "key"),
    [
        ([], "0.00 %", "hyp.json as json (verbatim_text)"),
        (["--hyp-key", "verbatim_text"], "0.00 %", "hyp.json as json (verbatim_text)"),
        (["--hyp-key", "text"], "100.00 %", "hyp.json as json"),
        (["--readable"], "100.00 %", "hyp.json as json"),
    ],
)
@pytest.mark.parametrize("form", ["manifest", "stm"])
def test_transcripts_are_scored_by_the_recognisers_own_text(options: list[str], rate: str, key: str, form: str, tmp_path: Path) -> None:
    reference, hypothesis = tmp_path / "ref", tmp_path / "hyp.json"
    if form == "manifest":
        reference.write_text('{"audio_filepath": "a.wav", "text": "MISTER HILL HAS TWENTY FIVE"}\n', encoding="utf-8")
    else:
        reference.write_text("a 1 s 0.0 1.0 MISTER HILL\na 1 s 1.5 2.0 HAS TWENTY FIVE\n", encoding="utf-8")
    hypothesis.write_text(json.dumps(transcript("a.wav")) + "\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["score", str(reference), str(hypothesis), *options], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0].endswith(key)
    assert rate in next(line for line in result.output.splitlines() if "words (WER)" in line)
    assert ("Slot error rate" in result.output) == ("--readable" in options)


def test_by_does_not_offer_the_other_text(tmp_path: Path) -> None:
    (tmp_path / "hyp.json").write_text(json.dumps(transcript("a.wav")) + "\n", encoding="utf-8")
    (tmp_path / "ref.json").write_text('{"audio_filepath": "a.wav", "text": "GO"}\n', encoding="utf-8")
    result = CliRunner().invoke(app, ["score", str(tmp_path / "ref.json"), str(tmp_path / "hyp.json"), "--by", "verbatim_text"])
    assert result.exit_code == 2
    assert "no utterance has this key; there are audio_filepath, length" in result.output.replace("\n", " ")
