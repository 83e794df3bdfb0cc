"""Reports: the JSON holds to its schema, the Markdown shows as tables, and `asr score` writes, prints and exits as it should."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner, Result

from asr.cli import app
from asr.config import ModelFolderConfig
from asr.config_file import dump_config, load_config
from asr.console import out
from asr.report import report, write_report
from asr.report.terminal import matching_notes
from asr.score import evaluate
from asr.score.evaluation import Evaluation
from asr.score.texts import Texts, read_sides

SCHEMA = json.loads((Path(__file__).parents[2] / "asr" / "report" / "report.schema.json").read_text(encoding="utf-8"))


def run(*arguments: object, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, ["score", *map(str, arguments)], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def found() -> Evaluation:
    """Two systems, with every odd case in it."""
    references = ["EVERY ONE GO HOME", "<b>|x|</b> `A` *B*", "", "ONLY HERE", "...", "GO ON"]
    first = ["EVERYONE GO", "<b>|x|</b> `A` B", "UH", None, "UH", "GO ON"]
    second = ["EVERY ONE GO HOME", "X", "", "ONLY", "...", ""]
    details = [{"speaker": f"s{i}", "duration": 1.5 * i, "audio_filepath": f"clips/{i}.wav", "place": "a|b"} for i in range(6)]
    return evaluate(references, first, second, names=["ours", "<theirs>"], details=details, by=["place"], samples=50, title="A & <B>")


def test_the_json_holds_to_its_schema(tmp_path: Path) -> None:
    (path,) = write_report(found(), tmp_path / "r.json")
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"NaN|Infinity", text)
    written = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(written, SCHEMA)
    assert json.loads(json.dumps(report(found(), tmp_path) | {"created": ""})) == written | {"created": ""}
    ours = written["systems"][0]
    assert ours["missing"] == ["4"]
    third = written["utterances"][2]["systems"][0]
    assert (third["rate"], third["errors"], third["alignment"]) == (None, 1, [["i", "", "UH"]])
    assert written["utterances"][3]["systems"][0]["hypothesis"] is None
    assert written["utterances"][0]["groups"] == {"speaker": "s0", "duration": "< 2 s", "length": "1-5 words", "place": "a|b"}


def test_nothing_but_empty_references_is_null() -> None:
    data = report(evaluate([""], ["UH"], [""]))
    jsonschema.validate(json.loads(json.dumps(data, allow_nan=False)), SCHEMA)
    assert data["systems"][0]["words"]["rate"] is None
    assert data["comparisons"][0]["difference"] is None


def test_recordings_are_seen_from_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_report(found(), Path("out/deep/r.json"))
    data = json.loads(Path("out/deep/r.json").read_text(encoding="utf-8"))
    assert data["utterances"][1]["audio"] == "../../clips/1.wav"


def test_the_markdown_is_tables(tmp_path: Path) -> None:
    (path,) = write_report(found(), tmp_path / "r.md")
    text = path.read_text(encoding="utf-8")
    assert r"\<theirs\>" in text
    assert "ours: 1 id without a hypothesis: `4`" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(widths) == 1, table
    assert text.count("<details>") == text.count("</details>")


def test_a_folder_gets_all_four(tmp_path: Path) -> None:
    files = write_report(found(), tmp_path / "report")
    assert [file.name for file in files] == ["report.json", "report.md", "report.html", "report.csv"]
    assert all(file.stat().st_size > 500 for file in files)


def test_reports_of_the_same_texts_are_the_same(tmp_path: Path) -> None:
    one, other = (report(found(), tmp_path) | {"created": ""} for _ in range(2))
    assert one == other


# ---------------------------------------------------------------- the command


@pytest.fixture
def files(tmp_path: Path) -> Path:
    manifest = [{"audio_filepath": f"{i}.wav", "text": "A B C D", "gender": "fm"[i % 2]} for i in range(4)]
    (tmp_path / "ref.json").write_text("\n".join(map(json.dumps, manifest)), encoding="utf-8")
    (tmp_path / "a.trn").write_text("A B C D (0)\nA X C D (1)\nA B C D (2)\nZ (9)\n", encoding="utf-8")
    (tmp_path / "b.tsv").write_text("".join(f"{i}.wav\ta b c d\n" for i in range(4)), encoding="utf-8")
    return tmp_path


def test_one_system_is_printed(files: Path) -> None:
    result = run(files / "ref.json", files / "a.trn", "--by", "gender")
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if "WER" in line)
    assert [cell.strip() for cell in row.split("│")][2:8] == ["31.25 %", "5", "16", "1", "4", "0"]
    assert result.stdout.splitlines()[0] == f"read: {files / 'ref.json'} as json, {files / 'a.trn'} as trn"
    assert "WER, 95 % interval: " in result.stdout
    assert "confusions: B → X 1" in result.stdout
    assert re.search(r"│ f +│ +2 │ +8 │ +0.00 %", result.stdout)
    assert result.stderr.splitlines() == [
        "a: no hypothesis for id 3: their words count as deleted",
        "a: no reference for id 9: they count for nothing",
    ]


def test_two_systems_are_compared(files: Path) -> None:
    result = run(files / "ref.json", files / "a.trn", files / "b.tsv", "--normalizer", "librispeech", "--name", "ours", "--name", "theirs")
    assert result.exit_code == 0
    assert "theirs is ahead of ours by 31.25 points of WER" in result.stdout
    assert "librispeech 2 (" in result.stdout


def test_words_in_front_that_look_like_ids_are_counted(tmp_path: Path) -> None:
    (tmp_path / "ref.txt").write_text("WELL 1984 WAS A YEAR\n2001 WAS ANOTHER\n", encoding="utf-8")
    (tmp_path / "hyp.txt").write_text("1984 WAS A YEAR\n2001 WAS ANOTHER\n", encoding="utf-8")
    result = run(tmp_path / "ref.txt", tmp_path / "hyp.txt")
    row = next(line for line in result.stdout.splitlines() if "WER" in line)
    assert [cell.strip() for cell in row.split("│")][2:5] == ["12.50 %", "1", "8"]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "share", "normalizer"),
    [
        ("A B C D", "a b c d", 100, "librispeech"),
        ("Hello, world", "hello world", 100, "librispeech"),
        ("It’s a “well-known” café.", "it's a well known café", 100, "librispeech"),
        ("GO ON NOW SIR", "go on now or", 75, "librispeech"),
        ("Go on.", "go in", 50, "librispeech"),
        ("Привет, мир", "привет мир", 100, "FILE.yaml with the steps lower and remove_punctuation"),
        ("GO ON", "GO IN", 0, ""),
        ("A b c d e", "a v w x y", 20, ""),
        ("...", "!", 100, "librispeech"),
        ("", "", 0, ""),
    ],
)
def test_errors_that_are_but_spelling_are_noticed(reference: str, hypothesis: str, share: int, normalizer: str) -> None:
    good = "GO ON"
    found = evaluate([reference, good], [hypothesis, good], [reference, good], names=["ours", "theirs"])
    told = f"ours: {share} % of the word errors are only case and punctuation: exclude them with --normalizer {normalizer}"
    assert list(matching_notes(found, "delete")) == ([told] if normalizer else [])


def test_a_normalizer_that_leaves_no_word_fails(tmp_path: Path) -> None:
    (tmp_path / "ref.txt").write_text("привет мир\n\nкак дела\n", encoding="utf-8")
    (tmp_path / "hyp.txt").write_text("привет\n\nкак тела\n", encoding="utf-8")
    sides = tmp_path / "ref.txt", tmp_path / "hyp.txt"
    result = run(*sides, "--normalizer", "librispeech", "--fail-above", "10")
    expected = 'error: normalizer librispeech: leaves no word of any reference ("привет мир"): such texts need another, or none'
    assert (result.exit_code, result.stdout, result.stderr.splitlines()) == (2, "", [expected])
    assert "50.00 %" in run(*sides).stdout
    (tmp_path / "ref.txt").write_text("HELLO\n\nмир\n", encoding="utf-8")
    note = "librispeech leaves no word of the reference of id 3: words recognised there count as inserted"
    result = run(*sides, "--normalizer", "librispeech")
    assert (result.exit_code, result.stderr.splitlines()) == (0, [note])
    (tmp_path / "ref.txt").write_text("\n\n\n", encoding="utf-8")  # silence was tested: whatever is heard is inserted
    assert run(*sides, "--normalizer", "librispeech").exit_code == 0


@pytest.mark.parametrize(("limit", "code"), [("31.3", 0), ("31.2", 1)])
def test_fail_above(limit: str, code: int, files: Path) -> None:
    result = run(files / "ref.json", files / "a.trn", "--fail-above", limit)
    assert result.exit_code == code
    assert ("error: a: WER is 31.25 %, above 31.2 %" in result.stderr) == bool(code)


def test_a_manifest_with_both_sides_needs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "both.json"
    path.write_text(json.dumps({"audio_filepath": "a.wav", "text": "A B", "pred_text": "A"}), encoding="utf-8")
    assert "50.00 %" in run(path).stdout
    assert "50.00 %" in run("-", stdin=path.read_text(encoding="utf-8")).stdout


def test_written_reports_are_named(files: Path) -> None:
    result = run(files / "ref.json", files / "a.trn", "--report", files / "out")
    assert "report written to " in result.stderr
    assert {file.name for file in (files / "out").iterdir()} == {"report.json", "report.md", "report.html", "report.csv"}
    run(files / "ref.json", files / "a.trn", "--report", files / "one.md")
    assert (files / "one.md").read_text(encoding="utf-8").startswith("## Word error rate")


def test_a_closed_output_loses_no_report(files: Path) -> None:
    command = [sys.executable, "-m", "asr", "score", "ref.json", "a.trn", "--report", "out"]
    reader, writer = os.pipe()
    os.close(reader)
    subprocess.run(command, cwd=files, stdout=writer, stderr=subprocess.DEVNULL, check=False, timeout=120)
    os.close(writer)
    assert (files / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ref.json", "nowhere.json"], "nowhere.json: no such file"),
        (["ref.json"], "no hypothesis: expected one of the keys pred_text"),
        (["a.trn"], "a trn file holds one text an utterance"),
        (["ref.json", "ref.json"], "is given as reference and as hypotheses"),
        (["ref.json", "a.trn", "--by", "age"], "--by age: no utterance has this key"),
        (["ref.json", "a.trn", "--normalizer", "x"], 'normalizer "x": expected none'),
        (["ref.json", "a.trn", "--report", "r.pdf"], "r.pdf: expected a folder, or a file that ends in .json, .md, .html, .csv"),
        (["ref.json", "a.trn", "--report", "a.trn"], "a.trn: expected a folder, or a file"),
        (["ref.json", "a.trn", "--missing", "x"], "missing is x, expected delete or skip"),
        (["ref.json", "a.trn", "--hyp-format", "json"], "a.trn:1: not JSON"),
        (["ref.json", "a.trn", "--hyp-key", "words"], "no hypothesis: expected one of the keys words"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], expected: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert expected in line


def test_no_report_takes_the_place_of_what_is_compared(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    (files / "root").mkdir()
    (files / "root" / "report.json").write_bytes((files / "ref.json").read_bytes())
    (files / "link.json").symlink_to("ref.json")
    (files / "twin.json").hardlink_to(files / "ref.json")
    before = (files / "ref.json").read_bytes()
    for reference, report_path in (
        ("ref.json", "ref.json"),
        ("ref.json", files / "root" / ".." / "ref.json"),
        ("ref.json", "link.json"),
        ("link.json", "ref.json"),
        ("ref.json", "twin.json"),
        ("root/report.json", "root"),
    ):
        for command in ((reference, "a.trn"), ("a.trn", reference)):
            result = run(*command, "--report", report_path)
            expected = f"error: --report {report_path}: would be written over {reference}: name another file or folder"
            assert (result.exit_code, result.stderr.splitlines()) == (2, [expected])
    assert (files / "ref.json").read_bytes() == (files / "root" / "report.json").read_bytes() == before


def test_evaluate_ends_in_the_same_report(tiny_folder: Path, tmp_path: Path) -> None:
    speech, rate = soundfile.read(Path(__file__).parents[2] / "examples" / "river.flac")  # of noise no speech is found
    soundfile.write(tmp_path / "a.wav", speech[:rate], rate)
    (tmp_path / "m.json").write_text(json.dumps({"audio_filepath": "a.wav", "text": "low!", "room": "hall"}), encoding="utf-8")
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    bounds = ["decode.doubtful_below=-1e9", "decode.invented_below=-1e9"]  # an untrained CTC head bears out nothing
    (folder / "config.yaml").write_text(dump_config(load_config(ModelFolderConfig, folder / "config.yaml", bounds)), encoding="utf-8")
    command = ["evaluate", "--model", folder, "--manifest", tmp_path / "m.json", "--normalizer", "librispeech"]
    written = [*command, "--by", "room", "--report", tmp_path / "out", "--output", tmp_path / "hyp.json", "--fail-above", "1000"]
    written += ["--title", "Hall <1>", "--hotwords", "LOW", "--set", "segment.longest_seconds=12", "--profile", "fast"]
    result = CliRunner().invoke(app, list(map(str, written)))
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, SCHEMA)
    assert data["title"] == "Hall <1>"
    assert re.fullmatch(
        r"beam 1, CTC weight \S+, LM weight 0, length bonus \S+, (int8|fp32), hotwords LOW, segment.longest_seconds=12",
        data["settings"],
    )
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert f"Search: {data['settings']}" in markdown.replace("\\_", "_")
    assert "\n1 utterance, 1 word of `" in markdown
    assert "Hall <1> · beam " in result.stdout
    assert data["utterances"][0]["audio"] == "../a.wav"
    assert data["utterances"][0]["duration"] == 1.0
    assert data["systems"][0]["groups"]["room"][0]["value"] == "hall"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert '<h1 title="Hall &lt;1&gt;">Hall &lt;1&gt;</h1>' in page
    assert f"Search: {data['settings']}." in page.split("<footer")[1]
    (picture,) = re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", page)
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size[0] == 576
    assert "data:image" not in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")
    again = report(evaluate(*_sides(tmp_path / "hyp.json"), normalizer="librispeech"))
    assert again["systems"][0]["words"] == data["systems"][0]["words"]
    refused = CliRunner().invoke(app, list(map(str, [*command, "--by", "floor"])))
    assert refused.exit_code == 2
    assert "--by floor: no utterance has this key; there are audio_filepath, duration, length, offset, room" in refused.stderr


def _sides(path: Path) -> list[Texts]:
    references, systems = read_sides(path, [])
    return [references, *systems]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
@pytest.mark.parametrize("systems", [1, 2, 5])
def test_no_figure_is_cut_in_a_narrow_window(width: int, systems: int, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", width)
    names = [argument for i in range(systems) for argument in ("--name", f"system [{i}]")]
    hypotheses = [files / f"{i}.trn" for i in range(systems)]
    for path in hypotheses:
        path.write_text("A B C D (0)\nA X C D (1)\nA B C D (2)\nA (3)\n", encoding="utf-8")
    printed = run(files / "ref.json", *hypotheses, *names, "--by", "gender", "--samples", "20").stdout
    tables = "".join(line for line in printed.splitlines(keepends=True) if "│" in line)
    rates = {1: ["25.00 %", "50.00 %", "0.00 %"], 2: ["25.00", "50.00", "50.00 %", "0.00 %"], 5: ["25.00", "50.00", "50.00 %", "0.00 %"]}
    for rate in rates[systems]:
        assert tables.count(rate) >= systems, (rate, tables)
    assert "utterances" in printed
    lines = [line for line in printed.splitlines() if line[:1] in "┏┃┡│└┌├"]
    assert max(map(len, lines)) <= width
