"""Files of texts with ids or times as sources of manifests, and such texts beside recordings."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources_support import read, record, write

from asr.errors import UsageError
from asr.prepare.pairs import read_pairs
from asr.prepare.source import open_source
from asr.score.texts import read_texts
from asr.speech.manifest import Utterance

STM = ";; made up\ntalk A anna 0.00 1.50 <O> go on\ntalk A anna 1.50 2.00 <O> IGNORE_TIME_SEGMENT_IN_SCORING\ntalk A bert 2.00 3.00 yes\n"
SRT = "1\n00:00:00,416 --> 00:00:02,321\nHELLO WORLD\n\n2\n00:00:02,400 --> 00:00:03,000\nFOO BAR\n"
WHISPER = (
    '{"text": " HELLO",\n "segments": [\n {"start": 0.5, "end": 1.5, "text": " HELLO"}, {"start": 2, "end": 2.5, "text": " WORLD"}]}\n'
)
WHISPER_CPP = '{"transcription": [{"offsets": {"from": 500, "to": 1500}, "text": " HELLO"}, {"offsets": {"from": 2000, "to": 2500}, "text": " WORLD"}]}'
CHUNKS = '{"chunks": [{"timestamp": [0.5, 1.5], "text": " HELLO YOU"}, {"timestamp": [2.0, null], "text": " WORLD"}]}'
READABLE = WHISPER.replace('" HELLO"}', '" Hello.", "verbatim_text": " HELLO"}')

Part = tuple[str, float, float | None, str | None]


def parts(utterances: list[Utterance]) -> list[Part]:
    return [(u.id, u.offset, u.duration, u.text) for u in utterances]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.stm", STM, [("talk-A-0.00", 0.0, 1.5, "go on"), ("talk-A-2.00", 2.0, 1.0, "yes")]),
        ("talk.srt", SRT, [("talk-0.42", 0.416, 1.905, "HELLO WORLD"), ("talk-2.40", 2.4, 0.6, "FOO BAR")]),
        ("talk.vtt", "WEBVTT\n\n00:00.500 --> 00:01.500\nHELLO\n", [("talk-0.50", 0.5, 1.0, "HELLO")]),
        ("talk.txt", "0.5\t1.5\thello world\n2.0\t2.5\tfoo\n", [("talk-0.50", 0.5, 1.0, "hello world"), ("talk-2.00", 2.0, 0.5, "foo")]),
        ("talk.json", WHISPER, [("talk-0.50", 0.5, 1.0, "HELLO"), ("talk-2.00", 2.0, 0.5, "WORLD")]),
        ("talk.json", READABLE, [("talk-0.50", 0.5, 1.0, "HELLO"), ("talk-2.00", 2.0, 0.5, "WORLD")]),
        ("metadata.jsonl", '{"file_name": "talk.wav", "text": " Go on.", "verbatim_text": " GO ON"}\n', [("talk", 0.0, None, "GO ON")]),
        ("talk.json", WHISPER_CPP, [("talk-0.50", 0.5, 1.0, "HELLO"), ("talk-2.00", 2.0, 0.5, "WORLD")]),
        ("talk.json", CHUNKS, [("talk-0.50", 0.5, 1.0, "HELLO YOU"), ("talk-2.00", 2.0, None, "WORLD")]),
        ("data.json", '{"utts": {"talk": {"output": [{"text": "go on", "rec_text": "GO<eos>"}]}}}', [("talk", 0.0, None, "go on")]),
        ("talk.tsv", "start\tend\ttext\n500\t1500\tHELLO\n", [("talk-0.50", 0.5, 1.0, "HELLO")]),
        ("x.ctm", "talk 1 0.5 0.2 on\ntalk 1 0.1 0.2 go\n", [("talk", 0.0, None, "go on")]),
        ("x.mlf", '#!MLF!#\n"*/talk.lab"\n0 1000000 go -2.5\n1000000 2000000 on\n.\n', [("talk", 0.0, None, "go on")]),
        ("x.trn", "go on (talk)\n", [("talk", 0.0, None, "go on")]),
        ("x.hyp", "go on (talk -7716)\n", [("talk", 0.0, None, "go on")]),
        ("x.txt", "talk.wav go on\n", [("talk", 0.0, None, "go on")]),
        ("x.tsv", "talk.wav\tgo on\n", [("talk", 0.0, None, "go on")]),
        ("metadata.jsonl", '{"file_name": "talk.wav", "sentence": "go on"}\n', [("talk", 0.0, None, "go on")]),
        ("x.json", '[{"audio": {"path": "talk.wav"}, "transcription": "go on"}]', [("talk", 0.0, None, "go on")]),
    ],
)
def test_segments_and_ids_become_utterances(name: str, content: str, expected: list[Part], tmp_path: Path) -> None:
    audio = record(tmp_path / "wavs" / "talk.wav", 3.0)
    path = write(tmp_path / name, content)
    utterances, problems = read(open_source(path)[1])
    assert (parts(utterances), problems) == (expected, [])
    assert all(u.audio_filepath == audio for u in utterances)
    scored = read_texts(path)  # the same file is read in one way
    assert dict(scored.texts) == {u.id: u.text for u in utterances} or name == "x.ctm"


def test_details_are_kept(tmp_path: Path) -> None:
    audio = record(tmp_path / "a.wav")
    path = write(tmp_path / "m.jsonl", '{"file_name": "a.wav", "text": "go", "speaker_id": 7, "age": 30, "offset": 0.5, "tags": ["x"]}\n')
    [found], problems = read(open_source(path)[1])
    assert found == Utterance("a-0.50", audio, "go", None, 0.5, "7", None, {"age": 30}, f"{path}:1")
    assert problems == []
    path = write(tmp_path / "a.stm", STM.replace("talk", "a"))
    listing = open_source(path)[1]
    assert [u.speaker for u in read(listing)[0]] == ["anna", "bert"]
    assert listing.notes()[-1] == "1 segments that are excluded from scoring are left out"


def test_folders_of_hugging_face_have_metadata(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    write(tmp_path / "metadata.jsonl", '{"file_name": "a.wav", "transcription": "go on"}\n')
    layout, listing = open_source(tmp_path)
    assert (layout, parts(read(listing)[0])) == ("texts", [("a", 0.0, None, "go on")])


def test_a_bad_line_of_json_affects_no_other(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    lines = [
        '{"file_name": "a.wav", "text": "go"}',
        "{",
        '{"file_name": "a.wav", "text": 5}',
        '{"file_name": "a.wav"}',
        '{"text": "x"}',
        "[]",
    ]
    path = write(tmp_path / "m.jsonl", "\n".join(lines))
    utterances, problems = read(open_source(path)[1])
    assert len(utterances) == 1
    assert [problem.removeprefix(f"{path}:") for problem in problems][:3] == [
        "2: not JSON: Expecting property name enclosed in double quotes",
        "3: text is 5, expected a string",
        "4: no text: expected one of the keys text, sentence, transcript, transcription; here are file_name",
    ]
    assert problems[3].startswith(f"{path}:5: m: no such recording")
    assert problems[4] == f"{path}:6: is [], expected a JSON object"


def test_channels_cannot_be_named_in_a_manifest(tmp_path: Path) -> None:
    record(tmp_path / "mono.wav")
    record(tmp_path / "stereo.wav", channels=2)
    path = write(tmp_path / "x.stm", "mono A x 0.0 0.5 go\nmono B x 0.0 0.5 on\nstereo A x 0.0 0.5 yes\n")
    utterances, problems = read(open_source(path)[1])
    assert [u.id for u in utterances] == ["mono-A-0.00"]
    advice = "which a manifest cannot name: write each channel to a file of its own"
    assert problems == [f"{path}:2: is of channel B, {advice}", f"{path}:3: is of channel A, {advice}"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.stm", "talk A anna 0.0 1.5 go\ntalk A 1.5 go\ntalk A b 2.0 2.5 go\n", ":2: not a line of STM"),
        ("x.TextGrid", 'File type = "ooTextFile"\n', ":1: a TextGrid of Praat's, which is not read"),
        ("x.trn", "go on\n", ":1: no id in parentheses at the end"),
        ("x.txt", "hello world\n", ":1: no column of recordings"),
    ],
)
def test_files_that_are_refused(name: str, content: str, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(UsageError) as caught:
        read(open_source(path)[1])
    assert str(caught.value).startswith(f"{path}{problem}")


# ---------------------------------------------------------------- beside recordings


@pytest.mark.parametrize(
    ("ending", "content", "expected"),
    [
        (".TXT", "0 104800 THE OLD MAN\n", [("a1", 0.0, None, "THE OLD MAN")]),
        (".WRD", "2000 3000 she\n3000 4000 had\n", [("a1", 0.0, None, "she had")]),
        (".lab", "0 12300000 hello\n12300000 50000000 world -12.5\n", [("a1", 0.0, None, "hello world")]),
        (
            ".txt",
            "0.416\t1.321\thello world\n1.5\t2.0\tfoo bar\n",
            [("a1-0.42", 0.416, 0.905, "hello world"), ("a1-1.50", 1.5, 0.5, "foo bar")],
        ),
        (".srt", SRT, [("a1-0.42", 0.416, 1.905, "HELLO WORLD"), ("a1-2.40", 2.4, 0.6, "FOO BAR")]),
        (".txt", SRT, [("a1-0.42", 0.416, 1.905, "HELLO WORLD"), ("a1-2.40", 2.4, 0.6, "FOO BAR")]),
        (".stm", STM, [("a1-A-0.00", 0.0, 1.5, "go on"), ("a1-A-2.00", 2.0, 1.0, "yes")]),
        (".txt", "0 1 is the score\n", [("a1", 0.0, None, "0 1 is the score\n")]),
        (".txt", "1984 2001 and 2010\n", [("a1", 0.0, None, "1984 2001 and 2010\n")]),
        (".txt", "B52 came (laughter)\nwell, text\n", [("a1", 0.0, None, "B52 came (laughter)\nwell, text\n")]),
    ],
)
def test_times_beside_recordings_are_no_words(ending: str, content: str, expected: list[Part], tmp_path: Path) -> None:
    record(tmp_path / "a1.wav", 3.0)
    write(tmp_path / f"a1{ending}", content.replace("talk", "a1"))
    utterances, problems = read(read_pairs(tmp_path))
    assert (parts(utterances), problems) == (expected, [])


@pytest.mark.parametrize(
    ("ending", "content", "problem"),
    [
        (".PHN", "0 3050 h#\n", ":1: labels of phones, expected words (TIMIT: .WRD or .TXT)"),
        (".TextGrid", 'File type = "ooTextFile"\n', ":1: a TextGrid of Praat's, which is not read: save its tier of words as text, or convert it to SRT"),
        (".lab", "0 3000000 sil\n3000000 4000000 sh\n4000000 5000000 iy\n5000000 6000000 hh\n6000000 7000000 ae1\n", ':2: "sh": labels of phones, expected words'),
        (".txt", "GO ON (a1)\n", ': the name of the recording ("a1") stands beside the words: remove it'),
        (".txt", "a1 GO ON\n", ': the name of the recording ("a1") stands beside the words: remove it'),
        (".stm", "a1 A x 0.0 1.5 go\nb1 A x 1.5 2.0 on\n", ": is of several recordings, expected the text of a1.wav alone"),
        (".txt", "1.5\t1.5\ta point\n", ":1: a label without length, expected a start and an end"),
    ],
)  # fmt: skip
def test_texts_beside_recordings_that_are_refused(ending: str, content: str, problem: str, tmp_path: Path) -> None:
    record(tmp_path / "a1.wav", 3.0)
    path = write(tmp_path / f"a1{ending}", content)
    assert read(read_pairs(tmp_path)) == ([], [f"{path}{problem}"])
