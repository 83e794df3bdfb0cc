"""Tables: Common Voice's, LJSpeech's and anybody's; what is quoted, odd, or broken."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_support import read, record, write

from asr.errors import UsageError
from asr.prepare.table import parse_columns, read_table
from asr.speech.manifest import Utterance
from asr.text.formats.cells import rows

COMMON_VOICE = (
    "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale\tsegment\n"
    'c0ffee\ta.wav\t"Well," she said.\t2\t0\ttwenties\tfemale\t\ten\t\n'
    'beef\tb.wav\t"He said ""no""."\t3\t1\t\t\t\ten\t\n'
)


def test_common_voice_finds_its_clips_folder(tmp_path: Path) -> None:
    audio = [record(tmp_path / "clips" / name) for name in ("a.wav", "b.wav")]
    path = write(tmp_path / "train.tsv", COMMON_VOICE)
    listing = read_table(path)
    utterances, problems = read(listing)
    votes = {"up_votes": "2", "down_votes": "0", "age": "twenties", "gender": "female"}
    assert problems == []
    assert utterances == [
        Utterance("a", audio[0], '"Well," she said.', None, 0.0, "c0ffee", "en", votes, f"{path}:2"),
        Utterance("b", audio[1], 'He said "no".', None, 0.0, "beef", "en", {"up_votes": "3", "down_votes": "1"}, f"{path}:3"),
    ]
    assert listing.total == 2
    assert listing.notes() == [
        "columns: audio=path, text=sentence, speaker=client_id, lang=locale",
        f"recordings found in {tmp_path / 'clips'}",
    ]


def test_names_of_old_common_voice_have_no_ending(tmp_path: Path) -> None:
    audio = record(tmp_path / "clips" / "a1.wav")
    (found,), _ = read(read_table(write(tmp_path / "t.tsv", "path\tsentence\na1\thi\n")))
    assert (found.id, found.audio_filepath) == ("a1", audio)


def test_ljspeech_needs_no_header(tmp_path: Path) -> None:
    audio = record(tmp_path / "wavs" / "LJ001-0001.wav")
    table = write(tmp_path / "metadata.csv", "LJ001-0001|Printing, in 1836|Printing, in eighteen thirty-six\nLJ001-0002|x|y\n")
    listing = read_table(table)
    utterances, problems = read(listing)
    assert [(u.id, u.audio_filepath, u.text, u.extra) for u in utterances] == [
        ("LJ001-0001", audio, "Printing, in eighteen thirty-six", {"2": "Printing, in 1836"})
    ]
    assert problems[0].startswith(f"{table}:2: LJ001-0002: no such recording in {tmp_path}, {tmp_path / 'clips'}, ")
    assert listing.notes()[0] == "columns: audio=1, text=3 (no header)"


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "txt"])
def test_the_delimiter_is_found_whatever_the_file_is_called(tmp_path: Path, delimiter: str, ending: str) -> None:
    record(tmp_path / "a.wav")
    table = write(
        tmp_path / f"t.{ending}", delimiter.join(["Speaker", " Transcript", "FILE"]) + "\n" + delimiter.join(["7", "one", "a.wav"])
    )
    (found,), problems = read(read_table(table))
    assert (found.speaker, found.text, problems) == ("7", "one", [])


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    table = write(tmp_path / "t.csv", "clip,said,text,who,start\na.wav,yes,no,ann,0.25\n")
    named = parse_columns(" audio=clip, text=Said,speaker=who,offset=start ")
    (found,), _ = read(read_table(table, named))
    assert (found.id, found.text, found.speaker, found.offset, found.extra) == ("a-0.25", "yes", "ann", 0.25, {})


def test_an_empty_name_leaves_a_role_out(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    table = write(tmp_path / "t.csv", "path,text,duration\na.wav,yes,2400 ms\n")
    assert read(read_table(table))[1] == [f"{table}:2: duration is '2400 ms', expected seconds (a number > 0)"]
    assert read(read_table(table, {"duration": ""}))[0][0].duration is None


def test_numbers_name_the_columns_of_a_table_without_header(tmp_path: Path) -> None:
    record(tmp_path / "x" / "a.wav")
    table = write(tmp_path / "list.txt", "x/a.wav|spk1|good day\n")
    (found,), _ = read(read_table(table, {"audio": "1", "speaker": "2", "text": "3"}))
    assert (found.id, found.speaker, found.text) == ("x/a", "spk1", "good day")


@pytest.mark.parametrize(
    ("content", "named", "said"),
    [
        ("", {}, "the table is empty"),
        ("\n\n", {}, "the table is empty"),
        ("when,text\n", {}, r":1: no column of recordings \(audio_filepath, path, .*\): its columns are when, text: name it with"),
        ("path,words\n", {}, r":1: no column of texts \(text, sentence, transcript, transcription\): its columns are path, words: "),
        ("path,words\n", {"text": "Word"}, 'has no column "Word" for text: its columns are path, words'),
        ("path,text,Path\n", {}, ':1: 2 columns are called "path": rename all but one'),
        ("a.wav|x\n", {"audio": "1", "text": "3"}, "text=3, and .* has the columns 1 to 2"),
        ("path,text\n", {"word": "text"}, "--columns: word is no role of a column: expected audio, text, "),
        (b"PK\x03\x04\0\0\0\0xl/worksheets", {}, "not a text file"),
        pytest.param(
            gzip.compress(b"path,text\n" * 9)[:-12], {}, "the gzip file is damaged or cut short", id="cut"
        ),  # gzip writes the time
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, content: str | bytes, named: dict[str, str], said: str) -> None:
    table = write(tmp_path / "t.csv", content)
    with pytest.raises(UsageError, match=said) as caught:
        read(read_table(table, named))
    assert str(table) in str(caught.value) or "word is no role" in str(caught.value)


def test_columns_are_pairs() -> None:
    with pytest.raises(UsageError, match="'path', expected ROLE=COLUMN"):
        parse_columns("path")


def test_a_broken_row_affects_no_other(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    lines = [
        "path,text,duration,offset",
        'a.wav,"never closed,,',
        "a.wav,two, 0.5,",
        'a.wav,"mid" dle,1,',
        'a.wav,"over',
        'two lines",,',
        "a.wav,one, two,,",
        "a.wav,short",
        ",nothing,,",
        "none.wav,x,,",
        "a.wav,x,-1,",
        "a.wav,x,,inf",
        'a.wav,a 5" disk,,',
        'a.wav,"open at the end,,',
    ]
    table = write(tmp_path / "t.csv", "\r\n".join(lines))
    utterances, problems = read(read_table(table))
    assert [(u.text, u.source.rpartition(":")[2]) for u in utterances] == [("two", "3"), ("over\ntwo lines", "5"), ('a 5" disk', "13")]
    told = [p.removeprefix(f"{table}:") for p in problems]
    assert told[0] == "2: a quotation mark opens and does not close (within a quoted cell it is written twice)"
    assert told[1] == "4: not a row of a table: ',' expected after '\"'"
    assert told[2] == "7: 5 columns, expected 4 as in the first line (a text that holds the delimiter needs quotation marks)"
    assert told[3] == "8: 2 columns, expected 4 as in the first line"
    assert told[4] == "9: names no recording (path is empty)"
    assert told[5].startswith("10: none.wav: no such recording in ")
    assert told[6] == "11: duration is '-1', expected seconds (a number > 0)"
    assert told[7] == "12: offset is 'inf', expected seconds (a number >= 0)"
    assert told[8].startswith("14: a quotation mark opens")
    assert len(told) == 9


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    record(tmp_path / "ü.wav")
    content = end.join(["path\ttext", "ü.wav\tnaïve 東京", ""]).encode(encoding)
    for name, data in (("t.tsv", content), ("t.tsv.gz", gzip.compress(content))):
        (found,), problems = read(read_table(write(tmp_path / name, data)))
        assert (found.id, found.text, problems) == ("ü", "naïve 東京", [])


def test_where_recordings_are_looked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, table_folder, other = tmp_path / "here", tmp_path / "data", tmp_path / "other"
    table = write(table_folder / "t.csv", "path,text\na.wav,x\nsub\\b.wav,y\n")
    record(here / "a.wav")
    record(here / "sub" / "b.wav")
    monkeypatch.chdir(here)
    listing = read_table(table)
    assert [u.audio_filepath for u in read(listing)[0]] == [Path("a.wav"), Path("sub/b.wav")]
    assert listing.notes()[1] == "recordings found in the working directory"
    in_clips = record(table_folder / "clips" / "a.wav")
    assert read(read_table(table))[0][0].audio_filepath == in_clips
    beside = record(table_folder / "a.wav")
    assert read(read_table(table))[0][0].audio_filepath == beside
    assert read(read_table(table, audio_folder=other))[0][0].audio_filepath == beside
    given = record(other / "a.wav")
    listing = read_table(table, audio_folder=other)
    assert read(listing)[0][0].audio_filepath == given
    assert listing.notes()[1] == f"recordings found in {other} (1), the working directory (1)"


def test_where_nothing_is_found_the_option_is_named(tmp_path: Path) -> None:
    listing = read_table(write(tmp_path / "t.csv", "path,text\na.wav,x\n"))
    assert read(listing)[0] == []
    assert listing.notes()[1] == "no recording was found: --audio-folder DIR says where they are"


def test_ids_keep_the_folders_that_tell_recordings_apart(tmp_path: Path) -> None:
    for speaker in ("s1", "s2"):
        record(tmp_path / speaker / "001.wav")
    table = write(tmp_path / "t.csv", f"path,text\ns1/001.wav,a\n{tmp_path}/s2/001.wav,b\n./s1/001.wav,c\n")
    assert [u.id for u in read(read_table(table))[0]] == ["s1/001", "s2/001", "s1/001"]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20)


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from(",;"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
)
def test_a_file_of_the_csv_module_is_read_back(pairs: list[tuple[str, str]], delimiter: str, quoting: int) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(pairs)  # type: ignore[arg-type]
    lines = text.getvalue().removesuffix("\n").split("\n")
    found = [cells for _, cells in rows(enumerate(lines, start=1), delimiter)]
    expected = [list(pair) for pair in pairs if any(cell.strip() for cell in pair)]
    if all(cell.count("\n") < 5 for pair in pairs for cell in pair):  # a row of more than 20 lines is none
        assert found == expected


TSV_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\t"), max_size=20)


@given(st.lists(st.tuples(TSV_CELLS, TSV_CELLS), min_size=1, max_size=6))
def test_tabs_quoted_or_not_give_the_same_words(pairs: list[tuple[str, str]]) -> None:
    """Common Voice writes cells as they are, spreadsheets quote them: but for enclosing quotation marks nothing is lost."""
    quoted = io.StringIO()
    csv.writer(quoted, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(pairs)
    expected = [list(pair) for pair in pairs]
    lines = quoted.getvalue().removesuffix("\n").split("\n")
    assert [cells for _, cells in rows(enumerate(lines, 1), "\t")] == expected
    plain = ["\t".join(pair) for pair in pairs]
    found = [cells for _, cells in rows(enumerate(plain, 1), "\t")]
    for cells, pair in zip(found, (pair for pair in pairs if "\t".join(pair).strip()), strict=True):
        assert [re.sub('"+', "", cell) for cell in cells] == [re.sub('"+', "", cell) for cell in pair]


def test_a_column_names_the_audio_track(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    table = write(tmp_path / "t.csv", "path,text,track\na.wav,yes,2\na.wav,no,\na.wav,so,Song\n")
    (first, second), problems = read(read_table(table))
    assert (first.track, second.track) == (2, None)
    assert problems == [f"{table}:4: track is 'Song', expected the number of an audio track (1 for the first)"]
    assert read(read_table(table, {"track": ""}))[1] == []
