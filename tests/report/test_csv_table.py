"""The utterances as CSV: what report.json has, an utterance in a row."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from asr.report import report, write_report
from asr.report.csv_table import as_csv
from asr.score import evaluate, read_texts
from asr.score.evaluation import Evaluation

NASTY = ["a,b", 'say "hi"', "two\nlines", "=1+1", "ÄÖ 東京", " spaces ", ""]
SAFE = [f"'{text}" if text.startswith("=") else text for text in NASTY]
FORMULAS = ["=CMD()|'/C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=5", "\r=2", " =3", "'=4", "＝6"]
WORDS = ["'TIS", "A-B", "1+1", "", "'", "–"]


def measured(systems: int) -> Evaluation:
    hypotheses: list[list[str | None]] = [["A B", *NASTY[1:-1], None], NASTY[::-1]]
    details = [{"speaker": "s,1" if i else None, "duration": 1.5, "room": f"r{i}"} for i in range(len(NASTY))]
    return evaluate(NASTY, *hypotheses[:systems], names=["ours", "the,irs"][:systems], details=details, by=["room"], samples=0)


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_every_utterance_is_a_row() -> None:
    data = report(measured(1))
    found = rows(as_csv(data))
    assert list(found[0]) == (
        ["id", "speaker", "duration", "offset", "audio", "length", "room", "reference", "hypothesis", "errors", "words", "rate"]
    )
    assert [row["reference"] for row in found] == SAFE
    assert [row["hypothesis"] for row in found] == ["A B", *SAFE[1:-1], ""]
    assert [int(row["errors"]) for row in found] == [u["systems"][0]["errors"] for u in data["utterances"]]
    assert (found[0]["speaker"], found[1]["speaker"], found[1]["offset"], found[1]["room"]) == ("", "s,1", "", "r1")
    assert float(found[0]["rate"]) == 2.0


def test_several_systems_have_columns_of_their_own() -> None:
    found = rows(as_csv(report(measured(2))))
    assert list(found[0])[-8:] == [f"{name}: {key}" for name in ("ours", "the,irs") for key in ("hypothesis", "errors", "words", "rate")]
    assert [row["the,irs: hypothesis"] for row in found] == SAFE[::-1]


def test_lone_surrogates_are_replaced() -> None:
    assert b"A ?" in as_csv(report(evaluate(["A \ud800"], ["A"])))


@pytest.mark.parametrize("name", ["texts.csv", "TEXTS.CSV"])
def test_it_is_written_by_its_ending_and_can_be_scored_again(name: str, tmp_path: Path) -> None:
    (path,) = write_report(evaluate(["GO ON", "STOP"], ["GO IN", "STOP"]), tmp_path / name)
    assert list(read_texts(path, "reference").texts.values()) == ["GO ON", "STOP"]
    assert list(read_texts(path, "hypothesis").texts.values()) == ["GO IN", "STOP"]


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    details = [{"speaker": text, "=room": text} for text in FORMULAS]
    references = dict(zip(FORMULAS, FORMULAS, strict=True))
    found = evaluate(
        references, references, references, names=["=a", "@b"], details=dict(zip(FORMULAS, details, strict=True)), by=["=room"]
    )
    for row in csv.reader(io.StringIO(as_csv(report(found)).decode("utf-8-sig"), newline="")):
        assert [cell for cell in row if cell.lstrip().startswith(("=", "+", "-", "@", "＝"))] == []
    (path,) = write_report(evaluate(references, references), tmp_path / "r.csv")
    assert [text.strip() for text in read_texts(path).texts.values() if text] == [text.strip() for text in FORMULAS]


def test_other_texts_are_as_read(tmp_path: Path) -> None:
    (path,) = write_report(evaluate(WORDS, WORDS), tmp_path / "r.csv")
    assert [row["reference"] for row in rows(path.read_bytes())] == WORDS
    assert [text or "" for text in read_texts(path).texts.values()] == WORDS
