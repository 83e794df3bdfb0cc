"""`asr transcribe`: the form of its output, the names of its files, and what it does not overwrite."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

from asr.cli import app
from asr.cli.search import TranscriptOptions
from asr.transcribe import Transcriber

SPEECH = Path(__file__).parents[2] / "examples" / "river.flac"
WORDS = "The old man walked slowly down to the river"


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["transcribe", *map(str, arguments), "--profile", "fast"], input=stdin)


@pytest.fixture(scope="module")
def embedded() -> Transcriber:
    return TranscriptOptions(profile="fast", threads=1).transcriber()


@pytest.fixture(autouse=True)
def loaded(embedded: Transcriber, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded model is loaded once for all tests."""
    load = TranscriptOptions.transcriber
    monkeypatch.setattr(TranscriptOptions, "transcriber", lambda self, nbest=1: load(self, nbest) if self.model else embedded)


def problem(result: Result) -> str:
    """The only line of a command that was refused."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    [line] = result.stderr.splitlines()
    return line.removeprefix("error: ")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with recordings, a manifest and hotwords."""
    monkeypatch.chdir(tmp_path)
    for path in ("talk.flac", "one/walk.flac"):
        Path(path).parent.mkdir(exist_ok=True)
        shutil.copy(SPEECH, path)
    Path("m.json").write_text(json.dumps({"audio_filepath": "talk.flac", "id": "m"}) + "\n", encoding="utf-8")
    Path("names.txt").write_text("RIVER\n", encoding="utf-8")
    return tmp_path


# ---------------------------------------------------------------- standard output


@pytest.mark.parametrize(
    ("argument", "label"), [("talk.flac", "talk.flac"), ("one", "one/walk.flac"), ("*.flac", "talk.flac"), ("m.json", "m")]
)
def test_one_line_per_recording_for_any_number(here: Path, argument: str, label: str) -> None:
    [alone] = run(argument).stdout.splitlines()
    assert alone.startswith(f"{label}\t{WORDS}")
    shutil.copy(SPEECH, "other.wav")
    assert run(argument, "other.wav").stdout.splitlines()[0] == alone
    assert run(argument, "--format", "lines").stdout.splitlines() == [alone]
    assert run(argument, "-f", "txt").stdout.splitlines() == [alone.split("\t")[1]]
    assert [json.loads(line)["text"].strip() for line in run(argument, "--json").stdout.splitlines()] == [alone.split("\t")[1]]


def test_standard_input_too(here: Path) -> None:
    assert run("-", stdin=SPEECH.read_bytes()).stdout.startswith(f"-\t{WORDS}")
    assert run("-", "-f", "txt", stdin=SPEECH.read_bytes()).stdout.startswith(WORDS)
    assert run("-", "-", "-f", "srt", stdin=SPEECH.read_bytes()).exit_code == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_as_well(here: Path) -> None:
    """`asr transcribe <(command)`: a shell names the pipe /dev/fd/63."""

    def transcribe(*options: str) -> Result:
        thread = threading.Thread(target=Path("63").write_bytes, args=(SPEECH.read_bytes(),), daemon=True)
        thread.start()
        return run("63", *options)

    os.mkfifo("63")
    assert transcribe().stdout.startswith(f"63\t{WORDS}")
    assert json.loads(transcribe("--json").stdout)["audio_filepath"] == "63"
    assert transcribe("-f", "srt").stdout.startswith("1\n")


def test_an_id_cannot_start_a_line_of_a_message(here: Path) -> None:
    evil = "u\nerror: all is lost\r"
    lines = [{"audio_filepath": name, "id": f"{evil}{name}"} for name in ("talk.flac", "gone.flac")]
    Path("m.json").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    result = run("m.json", "-o", "out")
    shown = "u\\nerror: all is lost\\u000d"
    second, first, last = result.stderr.split("\n")[:3]
    assert first.startswith(f"{shown}talk.flac → out/u_error: all is lost_talk.flac.txt")
    assert second == f"error: {shown}gone.flac: gone.flac: no such file"
    assert last == "1 transcribed, 1 failed"


def test_a_closed_standard_output_is_noticed_before_the_work(here: Path) -> None:
    command = ["sh", "-c", f"exec {sys.executable} -m asr transcribe talk.flac >&-"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: standard output is closed: redirect it to a file, or name a folder with --output-dir")


@pytest.mark.parametrize("name", ["gone.wav", "./gone.wav", "one//gone.wav", "https://localhost/gone.wav"])
def test_an_error_names_a_recording_once_as_it_is_written(here: Path, name: str) -> None:
    result = run(name)
    assert result.stderr.startswith(f"error: {name}: no such file")
    assert result.stderr.count("gone.wav") == 1


def test_a_recording_without_words_has_a_line(here: Path) -> None:
    soundfile.write("silence.wav", [0.0] * 16_000, 16_000)
    assert run("silence.wav").stdout == "silence.wav\t\n"


@pytest.mark.parametrize("arguments", [["one"], ["*.flac"], ["m.json"], ["talk.flac", "one/walk.flac"]])
@pytest.mark.parametrize("form", ["srt", "vtt", "tsv"])
def test_subtitles_are_printed_for_a_recording_named_by_itself(here: Path, arguments: list[str], form: str) -> None:
    """Not for a folder that happens to hold one: with another in it, the command would fail."""
    assert problem(run(*arguments, "-f", form)).startswith(f"--format {form} is printed for a single recording named by itself")


def test_lines_are_not_written_to_files(here: Path) -> None:
    assert problem(run("talk.flac", "-o", "out", "-f", "lines")).startswith("format 'lines' is for standard output alone")


@pytest.mark.parametrize("option", ["--overwrite", "--skip-existing", "--full-names"])
def test_options_about_files_need_a_folder_for_them(here: Path, option: str) -> None:
    assert problem(run("talk.flac", option)) == f"{option} needs --output-dir: name a folder for the files"


# ---------------------------------------------------------------- names of files


def test_a_second_recording_of_a_name_changes_no_other(here: Path) -> None:
    assert run("talk.flac", "-o", "out").exit_code == 0
    shutil.copy(SPEECH, "talk.wav")
    refused = problem(run("talk.flac", "talk.wav", "-o", "out", "--skip-existing"))
    expected = "output files of the same name for talk.flac and talk.wav (talk): add --full-names, which keeps the folders and endings"
    assert refused == f"{expected} of their recordings"
    assert [path.name for path in Path("out").iterdir()] == ["talk.txt"]
    assert run("talk.flac", "talk.wav", "-o", "full", "--full-names").exit_code == 0
    assert sorted(path.name for path in Path("full").iterdir()) == ["talk.flac.txt", "talk.wav.txt"]
    again = run("talk.flac", "talk.wav", "one", "-o", "full", "--full-names", "--skip-existing")
    assert again.stderr.splitlines()[-1] == "1 transcribed, 2 already there"
    assert Path("full/one/walk.flac.txt").read_text(encoding="utf-8").startswith(WORDS)


# ---------------------------------------------------------------- overwriting


OVERWRITTEN = {
    "a manifest": ["m.json", "-o", ".", "-f", "json"],
    "a manifest through a link": ["m.json", "-o", "linked", "-f", "json"],
    "a manifest of a glob": ["*.json", "-o", ".", "-f", "json"],
    "hotwords": ["names.flac", "-o", ".", "--hotwords", "names.txt"],
    "a file of the model": ["talk.flac", "-o", "model", "-f", "json", "--model", "model"],
    "a recording": ["tape.srt", "-o", ".", "-f", "srt"],
    "another recording": ["tape.flac", "tapes.jsonl", "-o", ".", "-f", "srt"],
}


@pytest.mark.parametrize("option", [None, "--overwrite"])
@pytest.mark.parametrize("arguments", OVERWRITTEN.values(), ids=OVERWRITTEN)
def test_an_input_is_never_overwritten(here: Path, arguments: list[str], option: str | None) -> None:
    for name in ("tape", "tape.flac", "tape.srt", "names.flac"):
        shutil.copy(SPEECH, name)
    Path("tapes.jsonl").write_text(json.dumps({"audio_filepath": "tape.srt", "id": "other"}), encoding="utf-8")
    for folder in ("linked", "model"):
        Path(folder).mkdir()
    Path("linked/m.json").symlink_to(here / "m.json")
    Path("model/talk.json").write_text("{}", encoding="utf-8")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    refused = problem(run(*arguments, *([option] if option else [])))
    assert refused.endswith(": would overwrite an input of this command: choose another --output-dir or --format")
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_a_reference_beside_the_recording_stays(here: Path) -> None:
    Path("talk.txt").write_text("the reference", encoding="utf-8")
    assert problem(run("talk.flac", "-o", ".")) == "talk.txt: exists already: --overwrite replaces it, --skip-existing keeps it"
    assert run("talk.flac", "-o", ".", "-f", "txt,srt", "--skip-existing").exit_code == 0  # writes the missing file alone
    assert Path("talk.txt").read_text(encoding="utf-8") == "the reference"
    assert Path("talk.srt").read_text(encoding="utf-8").startswith("1\n")


def test_all_conflicts_are_reported_before_any_work(here: Path) -> None:
    """The model is not even looked for."""
    Path("out").mkdir()
    for i in range(9):
        Path(f"{i}.flac").symlink_to(SPEECH)
        Path(f"out/{i}.srt").touch()
    arguments = [f"{i}.flac" for i in range(9)] + ["-o", "out", "-f", "srt,json", "--model", "not-looked-at"]
    expected = "out/0.srt, out/1.srt, out/2.srt and 6 more: exists already: --overwrite replaces it, --skip-existing keeps it"
    assert problem(run(*arguments)) == expected
    assert "not-looked-at" in problem(run(*arguments, "--overwrite"))
    assert "contradict" in problem(run(*arguments, "--overwrite", "--skip-existing"))
    assert not list(Path("out").glob("*.json"))


def test_the_same_command_again(here: Path) -> None:
    command = ("talk.flac", "one", "-o", "out/deep", "-f", "txt,json")
    assert run(*command).exit_code == 0
    first = {path.name: path.read_text(encoding="utf-8") for path in Path("out/deep").iterdir()}
    assert sorted(first) == ["talk.json", "talk.txt", "walk.json", "walk.txt"]
    Path("out/deep/talk.txt").write_text("mine", encoding="utf-8")
    assert "and 1 more: exists already" in problem(run(*command))
    assert run(*command, "--skip-existing").stderr == "2 already there\n"
    assert Path("out/deep/talk.txt").read_text(encoding="utf-8") == "mine"
    assert run(*command, "--overwrite").exit_code == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in Path("out/deep").iterdir()} == first


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["-o", "out"], " and whole; the same command goes on"),
        (["-o", "out", "--skip-existing"], " and whole; the same command goes on"),
        (["-o", "out", "--overwrite"], " and whole; the same command goes on"),
        ([], ""),
    ],
)
def test_ctrl_c_says_how_to_go_on(here: Path, options: list[str], hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Transcriber, "follow", stop)
    result = run("talk.flac", *options)
    assert (result.exit_code, result.stderr) == (130, f"error: stopped: 0 of 1 are done{hint}\n")
