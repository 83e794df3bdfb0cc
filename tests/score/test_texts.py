"""Files of references and hypotheses: the same texts in every form, and what is said about bad ones."""

from __future__ import annotations

import contextlib
import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import UsageError
from asr.score.evaluation import evaluate
from asr.score.matching import match, name_systems
from asr.score.texts import Texts, read_sides, read_texts, texts_in_order
from asr.text.formats import FORMATS, detect

TEXTS = {"anna-1": "HELLO WORLD", "anna-2": 'SHE SAID "NO", TWICE', "bob-1": "", "bob-2": "GO"}


def as_manifest(texts: dict[str, str], key: str = "text") -> str:
    return "".join(json.dumps({"audio_filepath": f"clips/{name}.wav", key: text}) + "\n" for name, text in texts.items())


def as_array(texts: dict[str, str]) -> str:
    return json.dumps([{"id": name, "text": text} for name, text in texts.items()], indent=2)


def as_csv(texts: dict[str, str], tmp: Path, delimiter: str = ",") -> str:
    with open(tmp / "t.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f, delimiter=delimiter).writerows([["File", "Transcript"], *((f"{name}.flac", text) for name, text in texts.items())])
    return (tmp / "t.csv").read_text(encoding="utf-8")


def in_every_form(tmp: Path) -> dict[str, tuple[str, str]]:
    """Form and content by a name."""
    return {
        "manifest": ("json", as_manifest(TEXTS)),
        "array": ("json", as_array(TEXTS)),
        "trn": ("trn", "".join(f"{text} ({name})\n" for name, text in TEXTS.items())),
        "kaldi": ("kaldi", "".join(f"{name} {text}\n" for name, text in TEXTS.items())),
        "tsv without header": ("tsv", "".join(f"runs/{name}.wav\t{text}\n" for name, text in TEXTS.items())),
        "tsv with header": ("tsv", "utt_id\tspeaker\ttext\n" + "".join(f"{name}\tx\t{text}\n" for name, text in TEXTS.items())),
        "csv": ("csv", as_csv(TEXTS, tmp)),
        "csv with semicolons": ("csv", as_csv(TEXTS, tmp, ";")),
        "trn with comments": ("trn", ";; heard (late)\n" + "".join(f"{text} ({name})\n;;\n" for name, text in TEXTS.items())),
    }


@pytest.mark.parametrize("windows", [False, True], ids=["unix", "windows"])
def test_every_form_reads_to_the_same(windows: bool, tmp_path: Path) -> None:
    for name, (form, content) in in_every_form(tmp_path).items():
        path = tmp_path / "file.of.any.name"
        data = content.replace("\r\n", "\n")
        path.write_bytes(b"\xef\xbb\xbf" + data.replace("\n", "\r\n").encode() if windows else data.encode())
        for forced in (None, form):
            read = read_texts(path, "reference", forced)
            assert (read.form, dict(read.texts), read.numbered) == (form, TEXTS, False), name


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_every_form_may_be_in_utf_16(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "saved-by-windows"
    for name, (form, content) in in_every_form(tmp_path).items():
        path.write_bytes((content if encoding == "utf-16" else "\ufeff" + content).encode(encoding))
        read = read_texts(path)
        assert (read.form, dict(read.texts)) == (form, TEXTS), name
    path.write_bytes("a\nb\n".encode("utf-16") + b"\x00\xd8")
    with pytest.raises(UsageError, match=r"saved-by-windows:3: not UTF-16 text"):
        read_texts(path)


def test_plain_lines_keep_their_places(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("the first\n\nit was (very) good\n5 of them\n", encoding="utf-8")
    read = read_texts(tmp_path / "r.txt")
    assert read.numbered
    assert list(read.texts.items()) == [("1", "the first"), ("2", ""), ("3", "it was (very) good"), ("4", "5 of them")]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("[noise] hello\n[laughter] yes\n", "lines"),
        ("{ uh / um } hello\n", "lines"),
        ("two of them\ntwo more\n", "lines"),
        ("1 2 3\n4 5 6\n", "lines"),
        ("84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT\n", "kaldi"),
        ("hello, world\nyes, text\n", "lines"),
        ("key, lock and barrel\nthey said\n", "lines"),
        ("well (laughter)\nyes (applause)\nno\n", "lines"),
        ("one more (2)\nhello\nyes (5)\n", "lines"),
        ("hello world (anna-1)\nyes\nno (anna-3)\n", "trn"),
        ("utt_id,heard\na-1,HELLO\n", "csv"),
        ("file;heard\na.wav;HELLO, WORLD\n", "csv"),
        ("id,text\na,b\n", "csv"),
        ('{"text": "broken', "json"),
        ("[\n {}\n]", "json"),
        ("", "lines"),
    ],
)
def test_formats_are_detected_by_content(content: str, form: str) -> None:
    assert detect(content, ["text"]) == form


@pytest.mark.parametrize(
    "ids",
    [
        ["1272-128104-0000"],
        ["an251-fash-b", "cen1-fash-b"],
        ["sw02001-A_000098-001156", "en_4156-A_030185-030248"],
        ["440c0201", "4k0c0301", "4oac0201"],
        ["BAC009S0764W0121"],
        ["p225_001"],
        ["FADG0_SI1279"],
        ["911Mothers_2010W-0001641-0002187", "AaronHuey_2010X-0000006-0000500"],
        ["utt1", "utt2", "utt10"],
    ],
)
def test_ids_of_corpora_are_distinguished_from_words(ids: list[str]) -> None:
    assert detect("".join(f"{name} HELLO WORLD\n" for name in ids), ["text"]) == "kaldi"


EITHER = [
    ["B52", "A4", "H2O"],
    ["1984", "2001"],
    ["2001"],
    ["COVID-19"],
    ["21-YEAR-OLD", "19TH-CENTURY-STYLE"],
    ["4TH", "21ST-CENTURY"],
    ["1272-128104-0000", "1272-128104-0000"],  # an id comes once
    ["1272-128104-0000", "2001"],
]


@pytest.mark.parametrize("first", EITHER, ids=" ".join)
def test_words_that_may_be_ids_are_not_taken_for_them(first: list[str], tmp_path: Path) -> None:
    lines = [f"{word} CAME ON A DAY" for word in first]
    reference, hypothesis = tmp_path / "r.txt", tmp_path / "h.txt"
    reference.write_text("\n".join(lines), encoding="utf-8")
    hypothesis.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_sides(reference, [hypothesis])
    expected = f'its lines may begin with ids or with words ("{first[0]}"): say --ref-format kaldi or --ref-format lines'
    assert str(caught.value) == f"{reference}: {expected}"
    with pytest.raises(UsageError, match="--hyp-format kaldi"):
        read_texts(hypothesis, "hypothesis")
    read, (system,) = read_sides(reference, [hypothesis], ("lines", None))
    assert list(read.texts.values()) == list(system.texts.values()) == lines
    reference.write_text("\n".join(["SO", *lines[1:]]), encoding="utf-8")  # no file of ids
    read, (system,) = read_sides(reference, [hypothesis])
    assert (read.form, list(system.texts.values())) == ("lines", lines)


def test_numbers_in_front_are_ids_where_they_are_the_references(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"id": "1984", "text": "A"}\n{"id": "2001", "text": "B"}\n', encoding="utf-8")
    (tmp_path / "h.txt").write_text("1984 A\n2002 B\n", encoding="utf-8")
    assert read_sides(tmp_path / "r.json", [tmp_path / "h.txt"])[1][0].texts == {"1984": "A", "2002": "B"}
    (tmp_path / "h.txt").write_text("1999 A\n2002 B\n", encoding="utf-8")
    assert read_sides(tmp_path / "r.json", [tmp_path / "h.txt"])[1][0].texts == {"1": "1999 A", "2": "2002 B"}


def test_numbers_of_lines_are_no_ids(tmp_path: Path) -> None:
    for name in "rh":
        (tmp_path / name).write_text("go\n2 men\n", encoding="utf-8")
    (tmp_path / "h").write_text("1 go\n2 men\n", encoding="utf-8")
    assert read_sides(tmp_path / "r", [tmp_path / "h"])[1][0].texts == {"1": "1 go", "2": "2 men"}


def test_ids_on_one_side_alone_are_asked_about(tmp_path: Path) -> None:
    lines, kaldi = tmp_path / "lines.txt", tmp_path / "kaldi.txt"
    lines.write_text("A B\nC\n", encoding="utf-8")
    kaldi.write_text("utt1 A B\nutt2 C\n", encoding="utf-8")
    seem = f'{kaldi}: its lines seem to begin with ids ("utt1"); {lines} has none: say'
    with pytest.raises(UsageError) as caught:
        read_sides(lines, [kaldi])
    assert str(caught.value) == f"{seem} --hyp-format kaldi or --hyp-format lines"
    with pytest.raises(UsageError) as caught:
        read_sides(kaldi, [lines])
    assert str(caught.value) == f"{seem} --ref-format kaldi or --ref-format lines"
    for reference, hypothesis, forms in ((lines, kaldi, (None, "kaldi")), (kaldi, lines, ("kaldi", None))):
        references, systems = read_sides(reference, [hypothesis], forms)
        assert match(references, systems).hypotheses == [["A B", "C"]]
    assert read_sides(lines, [kaldi], (None, "lines"))[1][0].texts["1"] == "utt1 A B"
    assert read_sides(kaldi, [lines], ("lines", None))[0].texts["1"] == "utt1 A B"


def test_ids_of_the_references_tell_ids_in_front_of_words() -> None:
    assert detect("anna hello\nbob yes\n", ["text"]) == "lines"
    assert detect("anna hello\nbob yes\n", ["text"], {"anna", "bob"}) == "kaldi"


def test_one_line_without_its_id_does_not_make_a_trn_plain_lines(tmp_path: Path) -> None:
    reference, hypothesis = tmp_path / "r.json", tmp_path / "h.txt"
    reference.write_text(as_manifest(dict.fromkeys(("anna", "bob", "cy"), "A")), encoding="utf-8")
    hypothesis.write_text(";; ours\nA (anna)\nA\nA (cy)\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"h\.txt:3: no id in parentheses at the end"):
        read_sides(reference, [hypothesis])
    hypothesis.write_text("A\nB (laughs)\nC\n", encoding="utf-8")
    assert read_sides(reference, [hypothesis])[1][0].form == "lines"
    with pytest.raises(UsageError, match=r"h\.trn:1: no id in parentheses"):
        read_texts(hypothesis.rename(tmp_path / "h.trn"))


def test_what_sclite_would_read_in_more_than_one_way_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.trn"
    path.write_text("GO (a-1)\n{ hello / hullo / @ } world (a-2)\nthe (%hesitation) cat (a-3)\n{yes/yeah} (a-4)\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_texts(path)
    alternatives = "sclite's alternatives are not understood: write the text in one reading"
    optional = "sclite's words that may be left out are not understood: write it without the parentheses, or leave it out"
    assert str(caught.value).splitlines() == [
        f"{path}:2: {{ hello / hullo / @ }}: {alternatives}",
        f"{path}:3: (%hesitation): {optional}",
        f"{path}:4: {{yes/yeah}}: {alternatives}",
    ]
    with pytest.raises(UsageError, match=r"r.trn:2: \{ hello / hullo / @ \}: sclite's alternatives"):
        read_texts(path, "hypothesis")
    path.write_text("(laughs) and/or {so} f(x) (a-1)\n", encoding="utf-8")  # whatever a system writes
    assert read_texts(path, "hypothesis").texts == {"a-1": "(laughs) and/or {so} f(x)"}


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_csv_needs_no_header_where_its_ids_are_known(delimiter: str, tmp_path: Path) -> None:
    reference, hypothesis = tmp_path / "r.json", tmp_path / "h.txt"
    reference.write_text(as_manifest(TEXTS), encoding="utf-8")
    rows = as_csv(TEXTS, tmp_path, delimiter).splitlines()[1:]
    for lines in (rows, [row.replace(".flac", "", 1) for row in rows], [*rows[:3], f"new.flac{delimiter}NEW"]):
        hypothesis.write_text("\n".join(lines), encoding="utf-8")
        system = read_sides(reference, [hypothesis])[1][0]
        assert (system.form, list(system.texts.items())[:3]) == ("csv", list(TEXTS.items())[:3])
    named = hypothesis.rename(tmp_path / "h.csv")  # nothing but its name tells, where no reference is there yet
    assert list(read_texts(named).texts) == ["anna-1", "anna-2", "bob-1", "new"]
    named.write_text(f"anna-1{delimiter}HELLO{delimiter} WORLD\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"h.csv:1: 3 columns, expected an id and a text: a text with a {delimiter} in it must be quoted"):
        read_texts(named)


def test_ids_of_the_references_tell_the_column_of_ids(tmp_path: Path) -> None:
    reference, hypothesis = tmp_path / "r.json", tmp_path / "h"
    reference.write_text(as_manifest(TEXTS), encoding="utf-8")
    for content in (
        "Text,By,Clip\nGO,x,bob-2\nHELLO,x,anna-1\n",
        '{"pred_text": "GO", "Clip": "bob-2"}\n{"pred_text": "HELLO", "Clip": "anna-1"}\n',
    ):
        hypothesis.write_text(content, encoding="utf-8")
        assert read_sides(reference, [hypothesis])[1][0].texts == {"bob-2": "GO", "anna-1": "HELLO"}


def test_a_column_that_is_not_known_is_named_by_the_option_to_use(tmp_path: Path) -> None:
    reference, hypothesis = tmp_path / "r.json", tmp_path / "h.csv"
    reference.write_text(as_manifest(TEXTS), encoding="utf-8")
    for header, texts, advice in (
        ("utt_id,ASR", list(TEXTS.items())[:3], "here are utt_id, asr: name it by --hyp-key asr"),
        ("utt_id,ASR", TEXTS.items(), "here are utt_id, asr: name it by --hyp-key asr"),
        ("utt_id,ASR,Beam", TEXTS.items(), "here are utt_id, asr, beam: name it by --hyp-key KEY"),
    ):
        rows = [f'{name},"{text.replace(chr(34), chr(34) * 2)}"{",4" * header.count("Beam")}' for name, text in texts]
        hypothesis.write_text("\n".join([header, *rows]), encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            read_sides(reference, [hypothesis])
        assert str(caught.value).startswith(f"{hypothesis}: no hypothesis: expected one of the keys pred_text, ")
        assert str(caught.value).endswith(advice)
        assert read_sides(reference, [hypothesis], keys=(None, "ASR"))[1][0].texts == dict(texts)


def test_one_table_may_hold_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for header in ("id,reference,hypothesis", "id,ref,hyp", "utt,hyp,text", "id,transcript,prediction"):
        order = ["A B", "A"] if "hyp," not in header else ["A", "A B"]
        path.write_text(f"{header}\n7,{','.join(order)}\n", encoding="utf-8")
        references, (system,) = read_sides(path, [])
        assert (references.texts, system.texts) == ({"7": "A B"}, {"7": "A"}), header
    for header, texts, key in (
        ("id,ref,heard", "7,A B,A", "heard"),
        ("ref,heard", "A B,A", "heard"),
        ("id,ref,heard,by", "7,A,B,C", "KEY"),
    ):
        path.write_text(f"{header}\n{texts}\n", encoding="utf-8")
        shown = header.replace(",", ", ")
        with pytest.raises(UsageError, match=f"hypothesis, hyp, prediction, pred; here are {shown}: name it by --hyp-key {key}$"):
            read_sides(path, [])


def test_one_manifest_may_hold_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"id": 7, "text": "A B", "pred_text": "A", "duration": 1, "speaker": 3}), encoding="utf-8")
    references, (system,) = read_sides(path, [])
    assert (references.texts, system.texts) == ({"7": "A B"}, {"7": "A"})
    assert references.details["7"] == {"id": 7, "duration": 1.0, "speaker": "3"}


def test_kaldi_folders_tell_speakers_and_durations(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("utt1 A\nutt2 B\n", encoding="utf-8")
    (tmp_path / "utt2spk").write_text("utt1 s1\nutt2 s2\n", encoding="utf-8")
    (tmp_path / "utt2dur").write_text("utt1 1.5\nutt2 2\n", encoding="utf-8")
    details = read_texts(tmp_path / "text").details
    assert details == {"utt1": {"speaker": "s1", "duration": 1.5}, "utt2": {"speaker": "s2", "duration": 2.0}}


def test_paths_become_ids_as_in_manifests(tmp_path: Path) -> None:
    records = [{"audio_filepath": "a/x.wav", "text": "A"}, {"audio_filepath": "a/x.wav", "offset": 2.5, "text": "B"}]
    path = tmp_path / "m.json"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    assert list(read_texts(path).texts) == ["x", "x-2.50"]
    path.write_text("\n".join(json.dumps({"audio_filepath": f"{d}/x.wav", "text": "A"}) for d in "ab"), encoding="utf-8")
    assert list(read_texts(path).texts) == ["a/x.wav", "b/x.wav"]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_parts_of_a_recording_are_distinguished_in_tables_too(delimiter: str, tmp_path: Path) -> None:
    rows = [("audio_filepath", "offset", "text"), ("x.wav", "0", "A"), ("x.wav", "2.5", "B"), ("x.wav", "14", "C")]
    (tmp_path / "t").write_text("".join(delimiter.join(row) + "\n" for row in rows), encoding="utf-8")
    read = read_texts(tmp_path / "t")
    assert read.texts == {"x": "A", "x-2.50": "B", "x-14.00": "C"}
    assert [read.details[name]["offset"] for name in read.texts] == [0.0, 2.5, 14.0]
    (tmp_path / "t").write_text(delimiter.join(rows[0]) + "\n" + delimiter.join(("x.wav", "soon", "A")) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match='t:2: offset is "soon", expected seconds'):
        read_texts(tmp_path / "t")


@pytest.mark.parametrize(
    ("content", "form", "expected"),
    [
        ('{"id": "a", "text": "A"}\n{"id": "b", "text": 5}\n', None, ":2: text is 5, expected a string"),
        ('{"id": "a", "text": "A"}\n\n{"id": "a", "text": "B"}\n', None, ':3: id "a" is also that of line 1'),
        ('{"id": "a", "text": "A"}\n{"id": "b"}\n', None, ":2: text is missing"),
        ('{"id": "a", "text": "A"}\n{"text": "B"}\n', None, ":2: no id: expected id or audio_filepath"),
        ('{"id": "a", "text": "A"}\n{"id": "b", "text": "B"\n', None, ":2: not JSON: Expecting ',' delimiter"),
        ('[{"id": "a", "text": "A"},\n{"id": "b" "text": "B"}]', None, ":2: not JSON: Expecting ',' delimiter"),
        ('{"id": "a", "words": "A"}\n', None, ":1: no reference: expected one of the keys text, reference"),
        ('{"id": "a", "text": "A", "duration": "long"}\n', None, ':1: duration is "long", expected seconds (a number)'),
        ('{"id": "a", "text": "\\ud800"}\n', None, ":1: text is not valid Unicode"),
        ('{"id": "a", "text": "A"}\n[1]\n', None, ":2: is [1], expected a JSON object"),
        ("A (x-1)\nB\n", "trn", ":2: no id in parentheses at the end"),
        ("id\ttext\na\tA\nb\tB\tC\n", None, ":3: 3 columns, expected 2 as in the header"),
        ("id,text\na,A\nb\n", None, ":3: 1 columns, expected 2 as in the header"),
        ("a A\n", "fancy", "format fancy: expected one of json, trn, sphinx, kaldi, tsv, csv, bars, stm, ctm, srt, "),
        ("", None, ":1: the file is empty"),
    ],
)
def test_a_bad_line_is_named(content: str, form: str | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_texts(path, "reference", form)
    assert "\n" not in str(caught.value)
    assert expected in str(caught.value)
    assert form == "fancy" or str(caught.value).startswith(f"{path}:")


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"hello\n\xff\xfe\n")
    with pytest.raises(UsageError, match=r"bad:2: not UTF-8 text"):
        read_texts(tmp_path / "bad")
    for missing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match=str(missing)):
            read_texts(missing)


def test_up_to_twenty_bad_lines_are_reported(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"id": "a", "text": "A"}\n' + '{"id": "b"}\n' * 30, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_texts(tmp_path / "m.json")
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "… and 10 lines more"


@given(st.text(max_size=200), st.sampled_from([None, *FORMATS]))
def test_no_content_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: str, form: str | None) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(UsageError):
        read_texts(path, "hypothesis", form)


# ---------------------------------------------------------------- matching


@pytest.mark.parametrize("line", ['{{"id": "{}", "text": "A"}}', "A ({})", "{} A", "clips/{}.wav\tA", "{},A"])
def test_ids_that_look_the_same_are_the_same(line: str, tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "zoé-1") for form in ("NFC", "NFD"))
    for reference, hypothesis in ((composed, apart), (apart, composed)):
        (tmp_path / "r.json").write_text(f'{{"audio_filepath": "{reference}.wav", "text": "A"}}', encoding="utf-8")
        (tmp_path / "h").write_text(line.format(hypothesis), encoding="utf-8")
        references, systems = read_sides(tmp_path / "r.json", [tmp_path / "h"])
        assert match(references, systems).hypotheses == [["A"]]
        assert references.details[composed]["audio_filepath"] == str(tmp_path / f"{reference}.wav")  # a path stays as it is


def test_missing_and_extra_ids_are_reported() -> None:
    references = Texts({"a": "A", "b": "B", "c": "C"})
    systems = [Texts({"a": "A", "z": "Z"}), Texts({"c": "C", "b": None, "a": "A"})]
    found = match(references, systems)
    assert found.ids == ["a", "b", "c"]
    assert found.hypotheses == [["A", None, None], ["A", None, "C"]]
    assert found.missing == [("b", "c"), ("b",)]
    assert found.extra == [("z",), ()]
    skipped = match(references, systems, "skip")
    assert (skipped.ids, skipped.missing) == (["a"], [("b", "c"), ("b",)])


def test_lines_without_ids_must_be_as_many(tmp_path: Path) -> None:
    lines = Texts({"1": "A", "2": "B"}, numbered=True)
    assert match(Texts({"x": "A", "y": "B"}), [lines]).hypotheses == [["A", "B"]]
    assert match(lines, [Texts({"x": "A", "y": "B"})]).ids == ["1", "2"]
    with pytest.raises(UsageError, match="2 here, 3 there"):
        match(Texts(dict.fromkeys("xyz", "A")), [lines])
    with pytest.raises(UsageError, match="line for every line"):
        match(lines, [Texts({"1": "A"}, numbered=True)])


def test_ids_that_have_nothing_in_common_are_refused() -> None:
    with pytest.raises(UsageError, match=r'theirs: no id is one of the references.: here is "1\.wav", there "a"'):
        match(Texts({"a": "A"}), [Texts({"1.wav": "A"}, name="theirs")])
    with pytest.raises(UsageError, match="no utterance is left"):
        match(Texts({"a": "A", "b": "B"}), [Texts({"a": "A"}), Texts({"b": "B"})], "skip")


def test_systems_are_named_by_what_tells_them_apart() -> None:
    assert name_systems(["x/hyp.json"]) == ["hyp"]
    assert name_systems(["x/hyp.json", "y/hyp.json", "w.trn"]) == ["x/hyp", "y/hyp", "w"]
    assert name_systems(["d/h.json", "d/h.trn"]) == ["h.json", "h.trn"]
    assert name_systems(["h.json", "h.json"]) == ["h.json (1)", "h.json (2)"]
    assert name_systems(["a", "b"], ["ours", "theirs"]) == ["ours", "theirs"]
    with pytest.raises(UsageError, match="2 systems"):
        name_systems(["a", "b"], ["ours"])


def test_ids_that_come_again_get_a_number() -> None:
    assert list(texts_in_order(["a", "a", "b"], ["A", "B", "C"]).texts) == ["a", "a (2)", "b"]


@pytest.mark.parametrize("name", ["whisper.cpp", "faster-whisper", "transformers"])
def test_json_of_other_programs_is_scored_by_time(tmp_path: Path, name: str) -> None:
    entries = [(0.4, 1.1, " go in"), (2.0, 3.5, " stop")]
    content: Any = {
        "whisper.cpp": {"transcription": [{"offsets": {"from": round(1000 * a), "to": round(1000 * b)}, "text": t} for a, b, t in entries]},
        "faster-whisper": [{"id": i, "seek": 0, "start": a, "end": b, "text": t} for i, (a, b, t) in enumerate(entries)],
        "transformers": {"chunks": [{"timestamp": [a, b if a < 2 else None], "text": t} for a, b, t in entries]},
    }[name]
    (tmp_path / "talk.json").write_text(json.dumps(content))
    (tmp_path / "talk.stm").write_text("talk A s 0.4 1.1 go on\ntalk A s 2.0 3.5 stop\n")
    for reference, hypothesis in (("talk.stm", "talk.json"), ("talk.json", "talk.stm")):
        references, [system] = read_sides(tmp_path / reference, [tmp_path / hypothesis])
        found = evaluate(references, system, samples=0)
        assert (found.systems[0].words.errors, found.reference_words, found.note) == (1, 3, "")


def test_espnet_scores_are_one_file_of_both_sides(tmp_path: Path) -> None:
    utts = {"a1": {"output": [{"text": "GO ON", "rec_text": "GO IN<eos>"}]}, "a2": {"output": [{"text": "YES", "rec_text": "YES<eos>"}]}}
    (tmp_path / "data.json").write_text(json.dumps({"utts": utts}, indent=1))
    references, [system] = read_sides(tmp_path / "data.json", [])
    assert evaluate(references, system, samples=0).systems[0].words.errors == 1
