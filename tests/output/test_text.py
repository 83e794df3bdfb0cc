"""Plain text and tab-separated values."""

from __future__ import annotations

import csv

import pytest
from transcripts_support import segment, spoken, transcript

from asr.output import named_line, one_line
from asr.output.options import OutputOptions
from asr.output.text import to_tsv, to_txt
from asr.transcript import Reading, Segment, Transcript, Word

USUAL = OutputOptions()
EMPTY = Segment(2.0, 3.0, (Reading("", (), -9.0, {"attention": -9.0}),), (), True)
HEARD = transcript(segment(spoken("GO ON", start=0.5)), EMPTY, segment(spoken("OR STAY", start=3.0001), doubtful=True))


def test_txt_has_one_line_per_segment_and_marks_doubtful_ones() -> None:
    assert to_txt(HEARD, USUAL) == "GO ON\n[?] OR STAY\n"
    assert to_txt(HEARD, OutputOptions(mark_doubtful=False)) == "GO ON\nOR STAY\n"


def test_silence_writes_an_empty_text() -> None:
    assert to_txt(transcript(), USUAL) == to_txt(transcript(EMPTY), USUAL) == one_line(transcript(EMPTY)) == ""
    assert to_tsv(transcript(EMPTY), USUAL) == "start\tend\ttext\n"


def test_one_line() -> None:
    assert one_line(HEARD) == "GO ON [?] OR STAY"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("talks/a.mp3", "talks/a.mp3"), ("a\tb\nc.mp3", "a b c.mp3"), ("caf\udce9.mp3", "caf�.mp3"), ("日本.mp3", "日本.mp3")],
)
def test_a_name_and_its_text_are_one_line_that_can_be_written(name: str, shown: str) -> None:
    line = named_line(name, HEARD)
    assert line == f"{shown}\tGO ON [?] OR STAY"
    assert line.encode().decode() == line


def test_tsv_has_whole_milliseconds() -> None:
    assert to_tsv(HEARD, USUAL) == "start\tend\ttext\n500\t1000\tGO ON\n3000\t3500\t[?] OR STAY\n"


def test_white_space_in_a_text_breaks_no_line() -> None:
    text = "A\tB\r\nC\x0bD\x1e\u2028E\x07  F"
    heard = Transcript("a", 1.0, (Segment(0.0, 1.0, (Reading(text, (), 0.0, {"attention": 0.0}),), (Word(text, 0.0, 1.0, 1.0),)),))
    assert to_txt(heard, USUAL) == "A B C D E F\n"
    assert list(csv.reader(to_tsv(heard, USUAL).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)) == [
        ["start", "end", "text"],
        ["0", "1000", "A B C D E F"],
    ]
