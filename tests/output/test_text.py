"""Plain text and tab-separated values."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from transcripts_support import readable, segment, spoken, transcript

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


def test_readable_text_has_paragraphs_that_end_with_a_sentence_at_a_long_pause() -> None:
    first = readable(spoken("GO ON [2] MISTER [2] RAY AND THEN [0.5] STAY"), "Go on. Mr. Ray and then. Stay,")
    second = readable(spoken("OR LEAVE", start=20.0), "or leave.", doubtful=True)
    third = readable(spoken("WHY [2] WELL", start=30.0), "Why? Well.")
    assert to_txt(transcript(first, second, third), USUAL) == ("Go on.\n\nMr. Ray and then. Stay, [?] or leave.\n\nWhy?\n\nWell.\n")


def test_a_long_paragraph_of_readable_text_ends_with_any_sentence() -> None:
    sentence = readable(spoken(" ".join(["GO"] * 100)), " ".join(["Go", *["go"] * 98, "go."]))
    later = [
        replace(sentence, words=tuple(replace(w, start=w.start + 25 * i, end=w.end + 25 * i) for w in sentence.words)) for i in range(4)
    ]
    assert [len(line) for line in to_txt(transcript(*later), USUAL).splitlines()] == [3 * 300 + 2, 0, 300]


def test_readable_text_without_word_times_has_paragraphs_too() -> None:
    timeless = [Segment(start, start + 1, (Reading("GO", (), 0.0),), (), readable="Go.") for start in (0.0, 1.5, 9.0)]
    assert to_txt(transcript(*timeless), USUAL) == "Go. Go.\n\nGo.\n"
