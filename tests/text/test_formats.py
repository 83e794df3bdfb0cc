"""The table of text formats: what is detected, read and refused."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.output.formats import FORMATS as WRITERS
from asr.output.options import OutputOptions
from asr.speech.audio import ENDINGS
from asr.text.formats import FORMATS, FormatProblem, UnclearFormat, detect, read_records
from asr.text.formats.record import AUDIO_ENDINGS
from asr.transcript import Reading, Segment, Transcript

KEYS = ["text", "pred_text"]


def read(content: str, ending: str = "") -> tuple[str, list[dict[str, Any]]]:
    """The format of a file, and its records."""
    form = detect(content, KEYS, ending=ending)
    return form, [record for _, record in read_records(content, form, KEYS)]


def test_recordings_have_the_endings_that_are_decoded() -> None:
    assert AUDIO_ENDINGS == ENDINGS


SRT = "1\n00:00:00,416 --> 00:00:04,321\n<i>HELLO</i>\nWORLD\n\n2\n00:00:05.0 --> 01:00:06,000 X1:40\n{\\an8}FOO BAR\n"
VTT = """WEBVTT - made up

NOTE
HELLO is said

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start
<v.loud Anna>HELLO &amp; <00:01.500><c.x>WORLD</c>

00:00:03.000 --> 00:00:04.000
<v Anna>FOO <v Bert>BAR
"""
STM = ';; LABEL "O" "all" "all"\n\ntalk A anna 0.00 2.50 <O,F> go on\ntalk A bert 2.5 4.00\ntalk A anna 4.0 5.0 IGNORE_TIME_SEGMENT_IN_SCORING\n'
MLF = '#!MLF!#\n"*/s1/a1.lab"\n0 1000000 <s>\n1000000 2000000 GO -62.5\n2000000 3000000 ON -60\n.\n"b.rec"\nYES\n.\n'


@pytest.mark.parametrize(
    ("content", "ending", "form", "expected"),
    [
        (
            SRT, ".txt", "srt",
            [{"offset": 0.416, "duration": 3.905, "text": "HELLO WORLD"}, {"offset": 5.0, "duration": 3601.0, "text": "FOO BAR"}],
        ),
        (
            VTT, "", "vtt",
            [
                {"offset": 1.0, "duration": 1.5, "text": "HELLO & WORLD", "speaker": "Anna"},
                {"offset": 3.0, "duration": 1.0, "text": "FOO BAR"},
            ],
        ),
        (
            STM, ".txt", "stm",
            [
                {"recording": "talk", "channel": "A", "speaker": "anna", "offset": 0.0, "duration": 2.5, "end": 2.5, "text": "go on"},
                {"recording": "talk", "channel": "A", "speaker": "bert", "offset": 2.5, "duration": 1.5, "end": 4.0, "text": ""},
                {"recording": "talk", "channel": "A", "speaker": "anna", "offset": 4.0, "duration": 1.0, "end": 5.0, "text": "", "ignored": True},
            ],
        ),
        (
            "talk 1 0.10 0.30 go 0.98\ntalk 1 .5 0.2 on\nutt 1 0.1 0.2 yes NA lex NA\n", "", "ctm",
            [
                {"recording": "talk", "channel": "1", "offset": 0.1, "duration": 0.3, "text": "go"},
                {"recording": "talk", "channel": "1", "offset": 0.5, "duration": 0.2, "text": "on"},
                {"recording": "utt", "channel": "1", "offset": 0.1, "duration": 0.2, "text": "yes"},
            ],
        ),
        (
            "0,416\t4,321\thello world\n\\\t100.0\t200.0\n5.0\t5.0\t\n", ".txt", "audacity",
            [{"offset": 0.416, "duration": 3.905, "text": "hello world"}, {"offset": 5.0, "duration": 0.0, "text": ""}],
        ),
        ("0 12300000 hello -62.53\n12300000 50000000 world\n", ".lab", "labels", [{"text": "hello world"}]),
        ("0 104800 THE OLD MAN\n", ".txt", "labels", [{"text": "THE OLD MAN"}]),
        ("2000 3000 she\n3000 4000 had\n", ".wrd", "labels", [{"text": "she had"}]),
        ("a label\n", ".lab", "lines", [{"text": "a label"}]),
        ("0 1 THE SCORE\n", ".txt", "lines", [{"text": "0 1 THE SCORE"}]),
        ("1 2 3 4 5 6\nutt 1 2 3 four\n", ".txt", "lines", [{"text": "1 2 3 4 5 6"}, {"text": "utt 1 2 3 four"}]),
        (MLF, "", "mlf", [{"id": "a1", "text": "GO ON"}, {"id": "b", "text": "YES"}]),
        ("GO ON (a1 -7716)\n (a2 -12.5)\n", "", "sphinx", [{"id": "a1", "text": "GO ON"}, {"id": "a2", "text": ""}]),
        ("<s> GO ON </s> (a1)\n<s> </s> (a2)\n", "", "trn", [{"id": "a1", "text": "GO ON"}, {"id": "a2", "text": ""}]),
        ("a1|GO ON|go on\na2||\n", "", "bars", [{"id": "a1", "2": "GO ON", "text": "go on"}, {"id": "a2", "2": "", "text": ""}]),
        ("anna|GO ON\nbob|YES\n", "", "bars", [{"id": "anna", "text": "GO ON"}, {"id": "bob", "text": "YES"}]),
        ("clips/a1.wav GO ON\nclips/a2.wav\n", "", "kaldi", [{"id": "clips/a1.wav", "text": "GO ON"}, {"id": "clips/a2.wav", "text": ""}]),
        ("a1.wav\tGO ON\na2.wav\n", "", "tsv", [{"id": "a1.wav", "text": "GO ON"}, {"id": "a2.wav", "text": ""}]),
        ("start\tend\ttext\n416\t4321\tGO ON\n", "", "whisper", [{"offset": 0.416, "duration": 3.905, "text": "GO ON"}]),
        ("text\nGO ON\n", ".csv", "csv", [{"text": "GO ON"}]),
        ("text, hello\nyes, sir\n", ".txt", "lines", [{"text": "text, hello"}, {"text": "yes, sir"}]),
        (
            '{"text": " GO ON",\n "segments": [{"start": 0.0, "end": 1.5, "text": " GO ON", "speaker": "A"}],\n "language": "en"}', "", "json",
            [{"text": "GO ON", "offset": 0.0, "duration": 1.5, "speaker": "A"}],
        ),
        (
            '{"audio": {"path": "a1.wav", "bytes": null}, "sentence": "GO ON"}\n', ".jsonl", "json",
            [{"audio": "a1.wav", "sentence": "GO ON"}],
        ),
    ],
)  # fmt: skip
def test_supported_formats_are_read(content: str, ending: str, form: str, expected: list[dict[str, Any]]) -> None:
    for text in (content, content.replace("\n", "\r\n")):
        assert read(text, ending) == (form, expected)


@pytest.mark.parametrize(
    ("content", "ending", "line", "problem"),
    [
        ('File type = "ooTextFile"\nObject class = "TextGrid"\n', "", 1, "a TextGrid of Praat's, which is not read"),
        ("[Script Info]\nTitle: x\n", "", 1, "Advanced SubStation subtitles, which is not read"),
        ('<?xml version="1.0"?>\n<tt></tt>\n', "", 1, "XML, which is not read"),
        ("SPEAKER talk 1 0.0 2.5 <NA> <NA> anna <NA> <NA>\n", "", 1, "RTTM, which is not read"),
        ("\n\n\t\tDUMP OF SYSTEM ALIGNMENT STRUCTURE\n", "", 1, "a report of sclite's"),
        ("0 3050 h#\n3050 4559 sh\n", ".phn", 1, "labels of phones"),
        (
            "0 3000000 sil\n3000000 4000000 sh\n4000000 5000000 iy\n5000000 6000000 hh\n6000000 7000000 ae1\n",
            ".lab",
            2,
            '"sh": labels of phones',
        ),
        ("talk A anna 0.0 2.5 go on\ntalk A anna 2.5 go on\ntalk A anna 3.0 4.5 go on\n", "", 2, "not a line of STM"),
        ("talk A anna 2.5 1.0 go on\n", ".stm", 1, "starts at 2.5 s and ends at 1.0 s"),
        ("go on\n", ".stm", 1, "not a line of STM"),
        ("talk A 0.1 0.3 go\ntalk A 0.5 go on\ntalk A 0.6 0.2 on\n", "", 2, "not a line of CTM"),
        (
            "talk A * * <ALT_BEGIN>\ntalk A 0.1 0.2 um\ntalk A * * <ALT>\ntalk A 0.1 0.2 uh\ntalk A * * <ALT_END>\n",
            "",
            1,
            "<ALT_BEGIN>: alt",
        ),
        ("talk 1 0.1 0.2 cough NA noise NA\n", "", 1, "an entry of the type noise"),
        ("1\n00:00:01,000 --> 00:00:02,000\nA\n\n2\n00:00:03,000 -> 00:00:04,000\nB\n", "", 6, "times that cannot be read"),
        ("1\n00:00:03,000 --> 00:00:02,000\nA\n", "", 2, "starts at 3 s and ends at 2 s"),
        ("HELLO\n1\n00:00:03,000 --> 00:00:04,000\nA\n", "", 1, "text before the first cue"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nA\n\nB\n", "", 6, "not a cue"),
        ("[00:00.000 --> 00:04.000]  HELLO\n", "", 1, "times in no known format"),
        ("0:00:00.599,0:00:04.160\nHELLO\n\n0:00:05.000,0:00:06.160\nFOO\n", "", 1, "times in no known format"),
        ("0.1\t0.2\ta\n0.2\t0.3\tb\nc\n", "", 3, "not a label"),
        (MLF.replace(".\n", "", 1), "", 6, "another label file begins"),
        (MLF.removesuffix(".\n"), "", 7, 'the "." after the labels of b.rec is missing'),
        ("GO ON (a1 -7716)\nYES\nNO (a3 -1)\n", "", 2, "no id and score in parentheses"),
        ("84-1-0 GO\n84-1-1 ON\nGO ON\n84-1-3 NO\n", "", 3, 'no id in front: other lines begin with one ("84-1-0")'),
        ("a1|GO\na2 ON\na3|YES\n", "", 2, "1 columns, expected an id and a text"),
        ("a1.wav\tGO\na2.wav ON\na3.wav\tYES\n", "", 2, "1 columns, expected an id and a text"),
        ("a1.wav,GO\na2.wav ON\na3.wav,YES\n", "", 2, "1 columns, expected an id and a text"),
        ("GO ON\t0.93\nYES PLEASE\t0.81\n", "", 1, 'the first column holds no ids ("GO ON")'),
        ("p225_001 0.93 GO ON\np225_002 0.81 YES\n", "", 1, '"0.93" between the id and the words'),
        ("start\tend\ttext\n0.5\t1.5\tGO\n", "", 2, "start and end must be whole milliseconds"),
        ('{"segments": [{"start": 2, "end": 1, "text": "A"}]}', "", 1, "a segment starts at 2 s and ends at 1 s"),
        ('{"segments": [{"start": 2, "text": "A"}]}', "", 1, "a segment starts at 2 and ends at None, expected seconds"),
        ('{"segments": ["A"]}', "", 1, 'segments holds "A", expected an object with a text'),
        ('udio_filepath": "a.wav", "text": "A"}\n', ".json", 1, "not JSON: Expecting value"),
        ('{\n "text": "A"\n "id": 5}', "", 3, "not JSON: Expecting ',' delimiter"),
    ],
)
def test_unsupported_formats_are_refused(content: str, ending: str, line: int, problem: str) -> None:
    with pytest.raises(FormatProblem) as caught:
        read(content, ending)
    assert caught.value.line == line
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("content", "choices"),
    [("B52 CAME\nA4 WENT\n", ("kaldi", "lines")), ("text\nGO ON\n", ("csv", "lines")), ("text,go\nyes,stop\n", ("csv", "lines"))],
)
def test_ambiguous_texts_are_refused(content: str, choices: tuple[str, str]) -> None:
    with pytest.raises(UnclearFormat) as caught:
        read(content)
    assert caught.value.choices == choices


@pytest.mark.parametrize(
    "line",
    [
        "{id}: GO ON",
        "[{id}] GO ON",
        "{id}.wav: GO ON",
        "clips/{id}.wav - GO ON",
        "{id} - GO ON",
        "{id};GO ON;0.5",
        "GO ON [{id}]",
        "GO ON = {id}",
        "GO ON ({id} -77 0.9)",
        "1: {id}: GO ON",
    ],
)
def test_ids_of_the_references_are_never_words(line: str) -> None:
    ids = [f"clip{i}" for i in range(5)]
    content = "".join(line.format(id=name) + "\n" for name in ids)
    with pytest.raises(FormatProblem):
        list(read_records(content, detect(content, KEYS, ids), KEYS))


@pytest.mark.parametrize("name", ["srt", "vtt", "tsv", "json"])
def test_a_written_file_reads_back_unchanged(name: str) -> None:
    segments = [
        Segment(start, start + 1.5, (Reading(text, (1,), -1.0, {"attention": -1.0, "ctc": -1.0}),), (), False)
        for start, text in ((0.5, "GO ON"), (3.25, "STOP & <HERE>"))
    ]
    transcript = Transcript.of("talk.wav", 6.0, segments, 0.0, "en")
    form, records = read(WRITERS[name](transcript, OutputOptions()), f".{name}")
    assert form == {"tsv": "whisper"}.get(name, name)
    found = records[0]["segments"] if name == "json" else records
    assert [(one["offset"], one["duration"], one["text"]) for one in found] == [(0.5, 1.5, "GO ON"), (3.25, 1.5, "STOP & <HERE>")]


@given(st.text(max_size=200), st.sampled_from(["", *sorted({ending for form in FORMATS.values() for ending in form.endings})]))
def test_no_content_is_a_traceback(content: str, ending: str) -> None:
    with contextlib.suppress(FormatProblem, UnclearFormat):
        read(content, ending)


@given(st.text(alphabet="a1 \t|,;()\n:->.<", max_size=60), st.sampled_from(sorted(FORMATS)))
def test_no_format_is_a_traceback(content: str, form: str) -> None:
    with contextlib.suppress(FormatProblem):
        list(read_records(content, form, KEYS))


def test_the_page_names_every_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "text-formats.md").read_text(encoding="utf-8")
    named = [name.strip(" `") for line in page.splitlines() if line.startswith("| `") for name in line.split("|")[1].split(",")]
    assert set(named) == set(FORMATS)


SEGMENTS_READ = [{"offset": 0.4, "duration": 0.7, "text": "GO ON"}, {"offset": 2.0, "duration": 1.5, "text": "STOP"}]
WHISPER_SEGMENTS = [
    {"id": i, "seek": 0, "start": s, "end": e, "text": t, "avg_logprob": -0.1}
    for i, (s, e, t) in enumerate(((0.4, 1.1, " GO ON"), (2.0, 3.5, " STOP")))
]
WHISPER_CPP = {
    "systeminfo": "AVX = 1", "model": {"type": "base"}, "params": {"language": "en"}, "result": {"language": "en"},
    "transcription": [
        {"timestamps": {"from": "00:00:00,400", "to": "00:00:01,100"}, "offsets": {"from": 400, "to": 1100}, "text": " GO ON"},
        {"timestamps": {"from": "00:00:02,000", "to": "00:00:03,500"}, "offsets": {"from": 2000, "to": 3500}, "text": " STOP"},
    ],
}  # fmt: skip
CHUNKS = {"text": " GO ON STOP", "chunks": [{"timestamp": [0.4, 1.1], "text": " GO ON"}, {"timestamp": [2.0, 3.5], "text": " STOP"}]}
JSON_TRANSCRIPTS = {
    "Whisper": {"text": " GO ON STOP", "segments": WHISPER_SEGMENTS, "language": "en"},
    "WhisperX": {
        "segments": [{**one, "words": [{"word": "GO", "start": 0.4, "end": 0.5}]} for one in WHISPER_SEGMENTS],
        "word_segments": [{"word": "GO"}],
    },
    "faster-whisper": WHISPER_SEGMENTS,
    "segments": [{"start": one["start"], "end": one["end"], "text": one["text"]} for one in WHISPER_SEGMENTS],
    "whisper.cpp": WHISPER_CPP,
    "transformers": CHUNKS,
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", JSON_TRANSCRIPTS)
def test_transcripts_as_json_are_segments(name: str, indent: int | None) -> None:
    assert read(json.dumps(JSON_TRANSCRIPTS[name], indent=indent)) == ("json", SEGMENTS_READ)


def test_segments_of_faster_whisper_one_a_line() -> None:
    assert read("\n".join(map(json.dumps, WHISPER_SEGMENTS))) == ("json", SEGMENTS_READ)


def test_numbered_records_without_segments_keep_their_ids() -> None:
    records = [{"id": 1, "start": 0.0, "end": 1.0, "text": "GO"}, {"audio_filepath": "a.wav", "start": 0.0, "end": 1.0, "text": "ON"}]
    assert read(json.dumps(records)) == ("json", records)


def test_chunks_of_transformers() -> None:
    last = {**CHUNKS, "chunks": [CHUNKS["chunks"][0], {"timestamp": [2.0, None], "text": " STOP"}]}  # type: ignore[index]
    assert read(json.dumps(last))[1] == [SEGMENTS_READ[0], {"offset": 2.0, "end": math.inf, "text": "STOP"}]
    words = {"text": " GO ON STOP", "chunks": [{"timestamp": [0.4, 0.6], "text": f" {word}"} for word in ("GO", "ON", "STOP")]}
    assert read(json.dumps(words))[1] == [{"text": "GO ON STOP"}]
    with pytest.raises(FormatProblem, match=r"timestamp is 0\.4, expected a start and an end"):
        read(json.dumps({"chunks": [{"timestamp": 0.4, "text": "GO"}]}))


def test_results_of_espnet() -> None:
    outputs = [
        {"name": "target1[1]", "text": "GO ON", "rec_text": "▁GO▁IN<eos>"},
        {"name": "target1[2]", "text": "GO ON", "rec_text": "GO<eos>"},
    ]
    utts: dict[str, Any] = {
        "a1": {"utt2spk": "anna", "output": outputs},
        "a2": {"output": [{"text": "YES", "rec_text": "N<space>O<eos>"}]},
        "a3": {"output": [{"text": "NO"}]},
    }
    for indent in (None, 4):
        assert read(json.dumps({"utts": utts}, indent=indent)) == (
            "json",
            [
                {"id": "a1", "text": "GO ON", "pred_text": "GO IN", "speaker": "anna"},
                {"id": "a2", "text": "YES", "pred_text": "N O"},
                {"id": "a3", "text": "NO"},
            ],
        )
    with pytest.raises(FormatProblem, match="a1: outputs of several references, expected one speaker"):
        read(json.dumps({"utts": {"a1": {"output": [{"text": "GO"}, {"text": "ON"}]}}}))
    for entry in ({}, [], {"output": []}, {"output": ["GO"]}, None):
        with pytest.raises(FormatProblem, match="a1: no output, expected a list of objects with text and rec_text"):
            read(json.dumps({"utts": {"a1": entry}}))


def test_an_object_of_texts_by_id() -> None:
    expected = [{"id": "a1", "text": "GO"}, {"id": "b.wav", "text": "ON"}]
    assert read('{"a1": "GO",\n "b.wav": "ON"}') == ("json", expected)
    assert read('{"a1": {"text": "GO"}, "b.wav": {"text": "ON"}}') == ("json", expected)
    for content in ('{"text1": "GO", "text2": "ON"}\n' * 2, '{"said": "GO", "heard": "ON"}', '{"text": "GO"}'):
        assert "id" not in read(content)[1][0]


@pytest.mark.parametrize("line", ["{}. GO ON", "{} GO ON", "({}) GO", "utt {} GO ON", "{}) GO", "Line {}: GO"])
@pytest.mark.parametrize("first", [0, 1])
def test_numbered_lines_are_refused(line: str, first: int) -> None:
    lines = [line.format(first + i) for i in range(4)]
    with pytest.raises(FormatProblem, match="its lines are numbered") as caught:
        detect("\n".join(lines), KEYS)
    assert caught.value.line == 1
    assert detect("\n".join([*lines[:3], "STOP"]), KEYS, ()) == "lines"
    assert detect("\n".join(reversed(lines)), KEYS, ()) == "lines"


@pytest.mark.parametrize(
    "speaker", ["Speaker 1: {}", "SPEAKER_00: {}", "[SPEAKER_01] {}", "Unknown Speaker: {}", "Speaker 1  0:03\n{}", "spk1: {}"]
)
def test_speakers_beside_the_words_are_refused(speaker: str) -> None:
    with pytest.raises(FormatProblem, match="a speaker beside the words"):
        detect("\n".join(speaker.format(text) for text in ("go on", "yes", "stop")), KEYS)


def test_speakers_in_sentences_are_words() -> None:
    assert detect("the speaker went on\nspeaker of the house\nspeakers: two\nThe speaker: no\n", KEYS) == "lines"
