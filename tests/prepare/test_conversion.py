"""From any source to a manifest, by the library and by the command line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sources_support import RATE, record, write
from typer.testing import CliRunner, Result

from asr.cli import app
from asr.errors import UsageError
from asr.prepare.conversion import convert, speaker_namer
from asr.prepare.source import open_source
from asr.speech.checking import check_manifest
from asr.speech.manifest import Utterance, read_manifest


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["manifest", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A table of two speakers with three good recordings, and six rows that cannot be used."""
    folder = tmp_path / "mine"
    for name, seconds in (("a", 1.0), ("b", 2.5), ("c", 0.5)):
        record(folder / f"{name}.wav", seconds)
    write(folder / "noise.wav", "no recording")
    rows = ["path,text,speaker,room", "a.wav,“Hello” World!,ann,1", "b.wav,on  and\ton,bob,2", "c.wav,42nd street,ann,", "noise.wav,x,bob,",
            "a.wav,again,ann,", "gone.wav,x,,", "b.wav,,bob,", "b.wav,?!,bob,", "c.wav,x"]  # fmt: skip
    write(folder / "list.csv", "\n".join(rows))
    return folder


def test_the_manifest_holds_the_usable_recordings(corpus: Path, tmp_path: Path) -> None:
    result = run("from", corpus / "list.csv", "--output", corpus / "all.json")
    assert read_manifest(corpus / "all.json") == [
        Utterance("a", corpus / "a.wav", "“Hello” World!", 1.0, 0.0, "ann", None, {"room": "1"}, f"{corpus}/all.json:1"),
        Utterance("b", corpus / "b.wav", "on and on", 2.5, 0.0, "bob", None, {"room": "2"}, f"{corpus}/all.json:2"),
        Utterance("c", corpus / "c.wav", "42nd street", 0.5, 0.0, "ann", None, {}, f"{corpus}/all.json:3"),
    ]
    assert json.loads((corpus / "all.json").read_text().splitlines()[0])["audio_filepath"] == "a.wav"
    told = [line.replace(f"{corpus}/", "") for line in (corpus / "all.problems.txt").read_text().splitlines()]
    assert told[0].startswith("list.csv:5: noise.wav: cannot be decoded: ")
    assert told[1] == "list.csv:6: the id a is there a second time"
    assert told[2].startswith("list.csv:7: gone.wav: no such recording in ")
    assert told[3] == "list.csv:8: b has no text"
    assert told[4] == "list.csv:9: the id b is there a second time"
    assert told[5] == "list.csv:10: 2 columns, expected 4 as in the first line"
    assert len(told) == 6
    assert result.exit_code == 1
    shown = result.stderr.splitlines()
    assert shown[0] == f"read as table; columns: audio=path, text=text, speaker=speaker; recordings found in {corpus}"
    assert [line.replace(f"{corpus}/", "") for line in shown[1:6]] == [f"left out: {line}" for line in told[:5]]
    assert shown[6] == f"6 left out in all; {corpus}/all.problems.txt lists them"
    table = dict(line.strip("│ ").split("│") for line in result.stdout.splitlines() if line.startswith("│"))
    assert {key.strip(): value.strip() for key, value in table.items()} == {
        "utterances": "3", "hours": "0.00", "speakers": "2", "words": "7", "different characters": str(len(set("“Hello” World!on and on42nd street")))
    }  # fmt: skip
    assert result.stdout.splitlines()[-1] == f"next: asr manifest split {corpus}/all.json --by utterance"


def test_a_clean_source_leaves_no_list_of_problems(corpus: Path) -> None:
    run("from", corpus / "list.csv", "--output", corpus / "all.json")
    write(corpus / "list.csv", "\n".join((corpus / "list.csv").read_text().splitlines()[:3]))
    result = run("from", corpus / "list.csv", "--output", corpus / "all.json")
    assert result.exit_code == 0
    assert not (corpus / "all.problems.txt").exists()
    assert check_manifest(corpus / "all.json").problems == []


def test_texts_are_normalised_and_dropped_digits_are_reported(corpus: Path, tmp_path: Path) -> None:
    result = run("from", corpus / "list.csv", "--output", tmp_path / "n.json", "--normalize", "librispeech")
    assert [u.text for u in read_manifest(tmp_path / "n.json")] == ["HELLO WORLD", "ON AND ON", "ND STREET"]
    assert "warning: 1 texts lost digits to the normaliser, and so lack spoken words: spell numbers out first" in result.stderr
    assert f"{corpus}/list.csv:9: b has no text once it is normalised ('?!')" in (tmp_path / "n.problems.txt").read_text()


def test_texts_are_composed(tmp_path: Path) -> None:
    """An é is one character to learn, whether it was typed on a Mac or elsewhere."""
    for name, form in (("mac", "NFD"), ("other", "NFC")):
        record(tmp_path / "pairs" / f"{name}.wav")
        write(tmp_path / "pairs" / f"{name}.txt", unicodedata.normalize(form, "übermäßig née"))
    assert run("from", tmp_path / "pairs", "--output", tmp_path / "m.json").exit_code == 0
    assert [u.text for u in read_manifest(tmp_path / "m.json")] == [unicodedata.normalize("NFC", "übermäßig née")] * 2


def test_durations_of_the_source_are_kept_and_must_be_there(tmp_path: Path) -> None:
    record(tmp_path / "a.wav", 2.0)
    write(
        tmp_path / "t.csv",
        "id,path,text,offset,duration\n1,a.wav,x,0.5,1.25\n2,a.wav,y,1.5,\n3,a.wav,z,1,1.2\n4,a.wav,z,2.0,\n5,a.wav,z,1,1.05\n",
    )
    result = run("from", tmp_path / "t.csv", "--output", tmp_path / "m.json")
    assert [(u.id, u.offset, u.duration) for u in read_manifest(tmp_path / "m.json")] == [
        ("1", 0.5, 1.25),
        ("2", 1.5, 0.5),
        ("5", 1.0, 1.05),
    ]
    assert f"{tmp_path}/t.csv:4: duration is 1.2, and only 1.00 s of the recording are left there" in result.stderr
    assert f"{tmp_path}/t.csv:5: offset is 2, and the recording is 2.00 s long" in result.stderr
    assert check_manifest(tmp_path / "m.json").problems == []


@pytest.mark.parametrize(
    ("rule", "speakers"),
    [
        ("folder", ["ann", "bob"]),
        (r"/(\w)\w+/\d", ["a", "b"]),
        (r"b\w+(?=/\d)", [None, "bob"]),
        (r"(b\w+)?/\d", [None, "bob"]),
        (r"pairs/(b?)", [None, "b"]),
    ],
)
def test_speakers_come_from_paths(tmp_path: Path, rule: str, speakers: list[str | None]) -> None:
    for name in ("ann/1", "bob/2"):
        record(tmp_path / "pairs" / f"{name}.wav")
        write(tmp_path / "pairs" / f"{name}.txt", name)
    result = run("from", tmp_path / "pairs", "--output", tmp_path / "m.json", "--speaker-from", rule)
    assert result.exit_code == 0
    assert [u.speaker for u in read_manifest(tmp_path / "m.json")] == speakers
    warning = f"warning: --speaker-from {rule!r} finds no speaker in 1 of 2 paths, such as {tmp_path}/pairs/ann/1.wav\n"
    assert (warning in result.stderr) == (None in speakers)
    assert ("warning" in result.stderr) == (None in speakers)


def test_an_expression_that_finds_no_speaker_at_all_is_a_mistake(tmp_path: Path) -> None:
    record(tmp_path / "pairs" / "1.wav")
    write(tmp_path / "pairs" / "1.txt", "one")
    result = run("from", tmp_path / "pairs", "--output", tmp_path / "m.json", "--speaker-from", r"/(p\d+)_")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        rf"error: --speaker-from '/(p\\d+)_': finds no speaker in any of 1 paths, such as {tmp_path}/pairs/1.wav: {tmp_path}/m.json is not written"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pairs"]


def test_a_recording_in_the_working_directory_gets_its_folder_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ann").mkdir()
    monkeypatch.chdir(tmp_path / "ann")
    assert speaker_namer("folder")(Path("1.wav")) == "ann"


def layouts(tmp_path: Path) -> dict[str, Path]:
    audio = record(tmp_path / "x" / "u1.wav")
    scp, text = write(tmp_path / "kaldi/wav.scp", f"u1 {audio}\n"), write(tmp_path / "kaldi/text", "u1 good day\n")
    assert scp.parent == text.parent
    source = {"sources": [{"type": "file", "channels": [0], "source": str(audio)}]}
    cut = {"id": "c", "start": 0, "channel": 0, "supervisions": [{"id": "u1", "duration": 1, "text": "good day"}], "recording": source}
    record(tmp_path / "lj/wavs/u1.wav")
    record(tmp_path / "pairs/u1.wav")
    write(tmp_path / "pairs/u1.txt", "good day")
    write(tmp_path / "lj/metadata.csv", "u1|Good day|good day\n")
    return {
        "kaldi": scp.parent,
        "lhotse": write(tmp_path / "cuts.jsonl.gz", gzip.compress(json.dumps(cut).encode())),
        "table": write(tmp_path / "t.tsv", f"audio\tid\ttext\n{audio}\tu1\tgood day\n"),
        "LJSpeech": tmp_path / "lj",
        "pairs": tmp_path / "pairs",
    }


@pytest.mark.parametrize("layout", ["kaldi", "lhotse", "table", "LJSpeech", "pairs"])
@pytest.mark.parametrize("told", [True, False])
def test_layouts_are_recognised(tmp_path: Path, layout: str, told: bool) -> None:
    source = layouts(tmp_path)[layout]
    more = ["--format", layout] if told and layout != "LJSpeech" else []
    result = run("from", source, "--output", tmp_path / "out/m.json", *more)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"read as {'table' if layout == 'LJSpeech' else layout}")
    assert [(u.id, u.text, u.duration) for u in read_manifest(tmp_path / "out/m.json")] == [("u1", "good day", 1.0)]


@pytest.mark.parametrize(
    ("make", "more", "said"),
    [
        (lambda p: p / "gone", [], "{p}/gone: no such file or folder"),
        (lambda p: record(p / "a.wav"), [], "{p}/a.wav: is a recording: give a folder, a table or a cut set"),
        (lambda p: write(p / "k/wav.scp", "a b"), [], "{p}/k/wav.scp: is a file of a Kaldi data folder: give the folder, {p}/k"),
        (lambda p: write(p / "k/wav.scp", "a b").parent, [], "{p}/k: no text, which a Kaldi data folder for training has"),
        (lambda p: write(p / "cv/b.tsv", "").parent, [], "{p}/cv: holds tables: give one of b.tsv, or --format pairs for recordings with"),
        (lambda p: write(p / "t.csv", "path,text"), ["--format", "pairs"], "{p}/t.csv: is a file, expected a folder (format pairs)"),
        (lambda p: record(p / "a/a.wav").parent, ["--format", "table"], "{p}/a: is a folder, expected a text file"),
        (lambda p: record(p / "a/a.wav").parent, ["--format", "lhotse"], "{p}/a: is a folder, expected a text file"),
        (lambda p: record(p / "a/a.wav").parent, ["--columns", "audio=x"], "--columns: {p}/a is no table (format pairs)"),
        (lambda p: record(p / "a/a.wav").parent, ["--audio-folder", "/"], "--audio-folder: a folder of pairs has its recordings beside"),
        (lambda p: write(p / "t.csv", "path,text"), ["--audio-folder", "gone"], "--audio-folder gone: no such folder"),
        (lambda p: write(p / "t.csv", "path,text"), ["--normalize", "upper"], 'normalizer "upper": expected none, librispeech, '),
        (
            lambda p: write(p / "t.csv", "path,text"),
            ["--speaker-from", "("],
            "--speaker-from '(': neither `folder` nor a regular expression",
        ),
        (lambda p: write(p / "m.json", '{"audio_filepath": "a.wav"}'), [], "{p}/m.json: is a manifest already: asr manifest check"),
        (lambda p: write(p / "out.json", "{}"), [], "--output {p}/out.json: would overwrite an input of this command: name another file"),
        (
            lambda p: write(p / "out.json/t.csv", "path,text"),
            [],
            "--output {p}/out.json: is a folder: name a file, such as {p}/out.json/all.json",
        ),
    ],
)
def test_requests_that_are_wrong(tmp_path: Path, make: object, more: list[str], said: str) -> None:
    source = make(tmp_path)  # type: ignore[operator]
    result = run("from", source, "--output", tmp_path / "out.json", *more)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: " + said.replace("{p}", str(tmp_path)))
    assert not (tmp_path / "out.problems.txt").exists()


def test_where_nothing_can_be_used_the_manifest_before_stays(tmp_path: Path) -> None:
    write(tmp_path / "m.json", "before")
    for content, problems in (("path,text\ngone.wav,x\n", 1), ("path,text\n", 0)):
        result = run("from", write(tmp_path / "t.csv", content), "--output", tmp_path / "m.json")
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1] == f"error: {tmp_path}/t.csv: nothing can be used, {tmp_path}/m.json is not written"
        assert (tmp_path / "m.json").read_text() == "before"
        assert (tmp_path / "m.problems.txt").exists() == bool(problems)
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_bytes_that_are_no_text_cost_their_line(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    write(tmp_path / "t.csv", b"id,path,text\n1,a.wav,caf\xe9\n2,a.wav,caf\xc3\xa9\n\xff,a.wav,x\n")
    assert run("from", tmp_path / "t.csv", "--output", tmp_path / "m.json").exit_code == 1
    assert [u.text for u in read_manifest(tmp_path / "m.json")] == ["café"]
    assert (tmp_path / "m.problems.txt").read_text() == f"{tmp_path}/t.csv:2: not UTF-8 text\n{tmp_path}/t.csv:4: not UTF-8 text\n"


def test_a_source_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    rows = "".join(f"{i},a.wav,word{i}\n" for i in range(5000))
    write(tmp_path / "t.csv.gz", gzip.compress(f"id,path,text\n{rows}".encode())[:-100])
    result = run("from", tmp_path / "t.csv.gz", "--output", tmp_path / "m.json")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path}/t.csv.gz: the gzip file is damaged or cut short")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "t.csv.gz"]


def test_progress_counts_every_item(corpus: Path) -> None:
    told: list[object] = []

    @contextmanager
    def progress(what: str, total: int) -> Iterator[object]:
        told.append((what, total))
        yield told.append

    convert(open_source(corpus / "list.csv")[1], corpus / "m.json", progress=progress)  # type: ignore[arg-type]
    assert told == [("looking at recordings", 9), *[1] * 9]


def test_a_bad_rule_for_speakers_is_found_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="unterminated"):
        speaker_namer("[")


MEMORY = """
import sys
from pathlib import Path
from asr.prepare.conversion import convert
from asr.prepare.source import open_source
def peak():  # kB; not getrusage's, which begins with the most that the parent had
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
convert(open_source(Path(sys.argv[3]))[1], Path(sys.argv[2]))
before = peak()
done = convert(open_source(Path(sys.argv[1]))[1], Path(sys.argv[2]))
print(done.parts[0].utterances, (peak() - before) // 1024)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="the most memory held is read from /proc/self/status, which Linux alone has"
)
def test_memory_does_not_hold_the_table(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    small = write(tmp_path / "small.csv", "path,text\na.wav,words\n")
    with open(tmp_path / "t.csv", "w") as f:
        f.write("id,path,text,note\n")
        f.writelines(f"{i},a.wav,words,{'x' * 8000}\n" for i in range(5_000))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / "t.csv", tmp_path / "m.json", small], capture_output=True, text=True, check=True
    )
    utterances, megabytes = map(int, done.stdout.split())
    assert utterances == 5_000
    assert (tmp_path / "m.json").stat().st_size > 40_000_000
    assert megabytes < 30  # held, the table would be 40 more


@pytest.mark.parametrize("name", ["pairs/a.txt", "pairs/a.wav", "list"])
def test_no_file_of_the_source_is_overwritten(tmp_path: Path, name: str) -> None:
    record(tmp_path / "pairs/a.wav")
    write(tmp_path / "pairs/a.txt", "a text")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    result = run("from", tmp_path / "pairs", "--output", tmp_path / name)
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: --output {tmp_path / name}: expected a file name that ends in .json or .jsonl\n",
    )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_problem_is_one_line_whatever_the_id(tmp_path: Path) -> None:
    for name in ("a", "b"):
        record(tmp_path / f"{name}.wav")
    write(tmp_path / "t.csv", 'id,path,text\n"u\nerror: lost",a.wav,x\n"u\nerror: lost",b.wav,x\n')
    result = run("from", tmp_path / "t.csv", "--output", tmp_path / "m.json")
    [problem] = (tmp_path / "m.problems.txt").read_text().splitlines()
    assert problem.endswith("the id u\\nerror: lost is there a second time")
    assert f"left out: {problem}" in result.stderr.splitlines()
    assert not any(line.startswith("error") for line in result.stderr.splitlines())
