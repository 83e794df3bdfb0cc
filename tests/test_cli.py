"""The command line: usual commands, and the messages for mistakes.

Whatever is broken ends in one line that names it, never in a traceback; other recordings of the same job go on.
"""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from asr.cli import app
from asr.config import EMBEDDED, LMFolderConfig, LSTMLanguageModelConfig, ModelFolderConfig
from asr.config_file import dump_config, load_config
from asr.model.checkpoint import TrainedLM, save_lm
from asr.model.lstm_lm import LSTMLanguageModel
from asr.speech.manifest import read_manifest
from asr.text.tokenizer import Tokenizer

RATE = 16_000
SPEECH = Path(__file__).parents[1] / "examples" / "river.flac"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def complaints(result: Result) -> list[str]:
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return [line for line in result.stderr.splitlines() if line.startswith("error: ")]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    return path


def test_the_version_is_printed() -> None:
    result = run("--version")
    assert (result.stdout, result.exit_code) == (f"las-asr {version('las-asr')}\n", 0)


def empty(path: Path) -> None:
    path.touch()


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0), RATE)


def text(path: Path) -> None:
    path.write_text("this is not a recording\n" * 20, encoding="utf-8")


def header_alone(path: Path) -> None:
    soundfile.write(path, np.zeros(RATE), RATE, format="FLAC")
    path.write_bytes(path.read_bytes()[:60])


def not_a_number(path: Path) -> None:
    samples = np.zeros(RATE)
    samples[4_000] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def missing(path: Path) -> None:
    pass


BROKEN = {
    empty: "the file is empty",
    no_samples: "holds no sound",
    text: "cannot be decoded",
    header_alone: "holds no sound|cannot be decoded",
    not_a_number: "contains NaN or infinite samples, at 0.25 s",
    missing: "no such file",
}


@pytest.mark.parametrize("breaker", BROKEN, ids=lambda f: f.__name__)
def test_a_broken_recording_affects_no_other(tiny_folder: Path, good: Path, tmp_path: Path, breaker) -> None:
    broken = tmp_path / "broken.wav"
    breaker(broken)
    began = time.monotonic()
    result = run("transcribe", good, broken, "--model", tiny_folder)
    assert time.monotonic() - began < 30
    lines = complaints(result)
    assert result.exit_code == 1
    assert len(lines) == 1
    assert "1 transcribed, 1 failed" in result.stderr
    assert str(broken) in lines[0]
    assert any(reason in lines[0] for reason in BROKEN[breaker].split("|")), lines[0]
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [str(good)]


def test_a_truncated_recording_is_transcribed_to_its_end(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    path.write_bytes(path.read_bytes()[: 44 + RATE])
    result = run("transcribe", "--json", path, "--model", tiny_folder)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["duration"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("samples", [1, 100, 399, 401])
def test_a_moment_of_sound_is_transcribed(tiny_folder: Path, tmp_path: Path, samples: int) -> None:
    soundfile.write(tmp_path / "click.wav", np.full(samples, 0.1), RATE)
    result = run("transcribe", tmp_path / "click.wav", "--model", tiny_folder, "-f", "txt")
    assert result.exit_code == 0
    assert result.stdout == ""


def test_the_wrong_ending_does_not_matter(tmp_path: Path) -> None:
    shutil.copy(SPEECH, tmp_path / "a.mp3")
    plain, renamed = (run("transcribe", p, "-f", "txt").stdout for p in (SPEECH, tmp_path / "a.mp3"))
    assert plain == renamed
    assert "river" in plain


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """The embedded model with a bound that no words can pass."""
    folder = shutil.copytree(EMBEDDED, tmp_path / "strict")
    config = load_config(ModelFolderConfig, folder / "config.yaml", ["decode.invented_below=0", "decode.doubtful_below=-1e9"])
    (folder / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    return folder


def test_speech_that_is_held_back_is_reported(strict: Path, tmp_path: Path) -> None:
    well = run("transcribe", SPEECH, "-f", "txt", "--text", "verbatim")
    assert (well.stderr, well.exit_code) == ("", 0)
    result = run("transcribe", "--model", strict, "--json", SPEECH)
    record = json.loads(result.stdout)
    assert record["segments"] == []
    assert [one["text"] for one in record["held_back"]] == well.stdout.splitlines()
    note = (
        "note: 1 of 1 segments of speech are held back, as the CTC head has no evidence of their words: --json has them under held_back; "
        "decode.invented_below in the model's config.yaml is the bound"
    )
    assert (result.stderr.splitlines(), result.exit_code) == ([note], 0)
    stored = run("transcribe", "--model", strict, SPEECH, SPEECH.with_name("walk.flac"), "-o", tmp_path / "out")
    first, second, total, last = stored.stderr.splitlines()
    assert first.endswith("  1 held back")
    assert second.endswith(" held back")
    assert total == "2 transcribed"
    assert re.match(r"note: (\d) of \1 segments", last)


def test_json_holds_words_and_readings(tmp_path: Path) -> None:
    record = json.loads(run("transcribe", "--json", "--nbest", 2, "--beam-size", 4, SPEECH).stdout)
    [segment] = record["segments"]
    scores = [reading["score"] for reading in segment["nbest"]]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    assert record["text"].split() == [w["word"].strip() for w in segment["words"]]
    assert segment["nbest"][0]["text"].split() == record["verbatim_text"].split() == [w["word"].strip() for w in segment["verbatim_words"]]
    assert record["audio_filepath"] == str(SPEECH)


def test_files_are_written_and_not_made_again(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    for name in ("river", "window"):
        shutil.copy(SPEECH.with_name(f"{name}.flac"), clips)
    (clips / "broken.mp3").write_bytes(b"nothing")
    result = run("transcribe", clips, "-o", out, "-f", "srt,json")
    assert result.exit_code == 1
    assert "2 transcribed, 1 failed" in result.stderr
    assert sorted(p.name for p in out.iterdir()) == ["river.json", "river.srt", "window.json", "window.srt"]
    assert "river" in (out / "river.srt").read_text(encoding="utf-8")
    (out / "river.srt").write_text("mine", encoding="utf-8")
    (out / "window.json").unlink()
    again = run("transcribe", clips, "-o", out, "-f", "srt,json", "--skip-existing")
    assert "1 transcribed, 1 already there, 1 failed" in again.stderr
    assert (out / "river.srt").read_text(encoding="utf-8") == "mine"
    assert (out / "window.json").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-f", "srt,json"], "only one can be printed"),
        (["-f", "pdf"], "pdf"),
        (["--skip-existing"], "--output-dir"),
        (["-f", "srt", SPEECH.with_name("window.flac")], "is printed for a single recording"),
        (["--language-model", "none", "--lm-weight", "0.5"], "no language model"),
        (["--lm-weight", "inf"], "finite"),
        (["--profile", "fast", "--nbest", "3"], "--beam-size"),
        (["-o", SPEECH], "cannot be written to"),
    ],
)
def test_an_unwritable_output_fails_before_any_work(arguments: list[object], expected: str) -> None:
    result = run("transcribe", SPEECH, *arguments)
    assert result.exit_code == 2
    assert expected in complaints(result)[0]


def test_a_channel_is_picked(tmp_path: Path) -> None:
    samples, _ = soundfile.read(SPEECH)
    soundfile.write(tmp_path / "two.wav", np.stack([0.05 * np.random.default_rng(0).standard_normal(len(samples)), samples], axis=1), RATE)
    assert "river" in run("transcribe", tmp_path / "two.wav", "--channel", 2).stdout
    assert run("transcribe", tmp_path / "two.wav", "--channel", 1, "-f", "txt").stdout == ""
    result = run("transcribe", tmp_path / "two.wav", "--channel", 3)
    assert result.exit_code == 1
    assert "has 2 channels, and no channel 3" in complaints(result)[0]


def test_hotwords_come_from_a_file_or_a_list(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("# rivers\nrivver\t3\n", encoding="utf-8")
    many = ",".join(f"name{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10]}" for i in range(60))  # longer than a file's name can be
    for how in ([names], ["rivver,boat", "--hotword-weight", "3"], [f"rivver,{many}", "--hotword-weight", "3"]):
        assert "rivver" in run("transcribe", SPEECH, "--hotwords", *how).stdout
    result = run("transcribe", SPEECH, "--hotwords", tmp_path / "none.txt")
    assert result.exit_code == 2
    assert "none.txt" in complaints(result)[0]


@pytest.mark.parametrize("profile", ["fast", "accurate"])
def test_profiles_understand_too(profile: str) -> None:
    assert "the river" in run("transcribe", SPEECH, "--profile", profile, "--threads", "1").stdout


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml", "tokenizer.model"])
def test_a_missing_model_file_is_named(tiny_folder: Path, good: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    result = run("transcribe", good, "--model", tmp_path / "model")
    assert result.exit_code == 1
    assert complaints(result) == [f"error: {tmp_path}/model: incomplete model folder: {name} missing"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "nowhere"], "nowhere: no such model folder"),
        (["--device", "cuda:7"], "device 'cuda:7' is not there"),
        (["--device", "gpu"], "device 'gpu' is not there"),
        (["--device", "meta"], "device 'meta' is not there, or cannot compute: use auto, cpu, or cuda on a machine with a GPU"),
        (["--device", "hpu"], "device 'hpu' is not there"),
        (["--batch-seconds", "inf"], "--length-bonus and --batch-seconds must be finite numbers"),
    ],
)
def test_wrong_requests_exit_with_2(tiny_folder: Path, good: Path, arguments: list[str], expected: str) -> None:
    result = run("transcribe", good, "--model", tiny_folder, *arguments)
    assert result.exit_code == 2
    (line,) = complaints(result)
    assert expected in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe"],
        ["transcribe", "a.wav", "--beam-size", "0"],
        ["transcribe", "a.wav", "--beam-size", "1000000000"],
        ["transcribe", "a.wav", "--threads", "1000000000"],
        ["train", "a.yaml", "--nothing"],
        ["speak"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}])
def test_text_goes_where_it_is_sent_though_a_terminal_watches(tmp_path: Path, environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    with open(tmp_path / "out", "wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "asr", "transcribe", str(SPEECH), str(SPEECH.with_name("window.flac"))],
            env=ENVIRONMENT | {"TERM": "xterm"} | environment, stdout=out, stderr=theirs,
        )  # fmt: skip
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += (part := os.read(ours, 65536))
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
    assert child.wait(120) == 0
    assert b"transcribing" in seen  # the bar
    lines = (tmp_path / "out").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(SPEECH), str(SPEECH.with_name("window.flac"))]
    assert all(len(line.split("\t")[1]) > 10 for line in lines)


def test_a_closed_output_is_no_traceback(good: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"audio_filepath": str(good)}) + "\n")
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m asr manifest check {manifest} >&-"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", b"\\u00e9\\ud83d\\ude00.wav"), ("utf-8", "é😀.wav".encode())])
def test_names_that_a_terminal_cannot_show_stop_nothing(encoding: str, shown: bytes, tiny_folder: Path, good: Path, tmp_path: Path) -> None:
    shutil.copy(good, tmp_path / "é😀.wav")
    environment = ENVIRONMENT | {"PYTHONIOENCODING": encoding}

    def said(*arguments: object) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "asr", "transcribe", *arguments, "--model", tiny_folder]
        return subprocess.run(list(map(str, command)), env=environment, cwd=tmp_path, capture_output=True)

    done = said("é😀.wav", "good.wav", "gone-é😀.wav")
    assert [line.split(b"\t")[0] for line in done.stdout.splitlines()] == [shown, b"good.wav"]
    assert (done.returncode, b"gone-" + shown in done.stderr, b"Traceback" in done.stderr) == (1, True, False)
    done = said("é😀.wav", "--json")
    assert shown in done.stdout
    assert json.loads(done.stdout)["audio_filepath"] == "é😀.wav"


def test_a_truncated_recording_is_reported(tmp_path: Path) -> None:
    samples, rate = soundfile.read(SPEECH)
    soundfile.write(tmp_path / "a.flac", np.tile(samples, 3), rate)
    (tmp_path / "a.flac").write_bytes((tmp_path / "a.flac").read_bytes()[: round((tmp_path / "a.flac").stat().st_size * 0.6)])
    result = run("transcribe", tmp_path / "a.flac", "--profile", "fast")
    assert result.exit_code == 0
    assert re.search(r"^note: .*a\.flac: breaks off at 0:0\d of 0:1\d$", result.stderr, re.MULTILINE)


def test_a_part_is_written_under_its_recordings_name(tmp_path: Path) -> None:
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"id": "one", "audio_filepath": str(SPEECH), "offset": 0.2, "duration": 2.5}) + "\n")
    record = json.loads(run("transcribe", manifest, "--json", "--profile", "fast").stdout)
    assert record["id"] == "one"
    assert record["audio_filepath"] == str(SPEECH)


def test_errors_name_files_as_the_user_wrote_them(tmp_path: Path) -> None:
    (tmp_path / "bad1.wav").write_text("no sound")
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"id": "1", "audio_filepath": str(tmp_path / "bad1.wav")}) + "\n")
    [line] = complaints(run("transcribe", manifest))
    assert line.startswith(f"error: 1: {tmp_path / 'bad1.wav'}: cannot be decoded")
    piped = CliRunner().invoke(app, ["transcribe", "-"], input=b"no sound")
    [line] = complaints(piped)
    assert line.startswith("error: -: cannot be decoded")


def test_every_bad_line_of_a_manifest_is_reported(tiny_folder: Path, good: Path, tmp_path: Path) -> None:
    lines = [
        '{"audio_filepath": "good.wav", "text": "LOW"}',
        "not json",
        '{"text": "LOW"}',
        '{"audio_filepath": "good.wav", "text": "A", "duration": "abc"}',
    ]
    manifest = tmp_path / "bad.json"
    manifest.write_text("\n".join(lines), encoding="utf-8")
    for command in (["evaluate", "--model", tiny_folder, "--manifest", manifest], ["manifest", "stats", manifest]):
        result = run(*command)
        found = complaints(result)
        assert result.exit_code == 1
        assert len(found) == 3
        assert found[1] == f"error: {manifest}:3: audio_filepath is missing"
        assert found[2] == f'error: {manifest}:4: duration is "abc", expected seconds (a number > 0)'


def test_line_100_is_no_emoji(tmp_path: Path) -> None:
    manifest = tmp_path / "m.json"
    manifest.write_text('{"audio_filepath": "a.wav"}\n' * 99 + "{}\n", encoding="utf-8")
    assert complaints(run("manifest", "stats", manifest)) == [f"error: {manifest}:100: audio_filepath is missing"]


def test_manifest_check_opens_the_audio(good: Path, tmp_path: Path) -> None:
    lines = [
        {"audio_filepath": "good.wav", "id": "a"},
        {"audio_filepath": "gone.wav"},
        {"audio_filepath": "good.wav", "id": "a", "duration": 9.0},
    ]
    manifest = tmp_path / "m.json"
    manifest.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = run("manifest", "check", manifest)
    assert result.exit_code == 1
    for expected in (
        "m.json:2: audio_filepath: ",
        "gone.wav: no such file",
        'm.json:3: id "a" is also that of',
        "m.json:3: duration is 9, and only 1.00 s",
    ):
        assert expected in result.stdout, expected


def test_evaluate_counts_unreadable_recordings_as_deletions(tiny_folder: Path, good: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"nothing")
    lines = [{"audio_filepath": "good.wav", "text": "LOW"}, {"audio_filepath": "broken.wav", "text": "MID HIGH LOW", "duration": 1.0}]
    manifest, hypotheses = tmp_path / "m.json", tmp_path / "out" / "hyp.json"
    manifest.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = run("evaluate", "--model", tiny_folder, "--manifest", manifest, "--output", hypotheses)
    assert result.exit_code == 1
    assert f"{manifest}:2: " in complaints(result)[0]
    written = read_manifest(hypotheses)
    assert [u.extra["pred_text"] == "" for u in written][1]
    assert [u.text for u in written] == ["LOW", "MID HIGH LOW"]
    row = next(line for line in result.stdout.splitlines() if "WER" in line)
    assert int(row.split("│")[6]) >= 3  # deletions


def test_a_full_disk_is_one_line(tiny_folder: Path, good: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "asr", "transcribe", str(good), "--model", str(tiny_folder)]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(command, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "error: No space left on device: free some space and run the same command again"

    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"audio_filepath": "good.wav", "text": "LOW " * 200}), encoding="utf-8")
    (tmp_path / "hyp.json").write_text("before", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "asr",
        "evaluate",
        "--model",
        str(tiny_folder),
        "--manifest",
        str(manifest),
        "--output",
        str(tmp_path / "hyp.json"),
    ]
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))}
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, **limit)  # type: ignore[call-overload]
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: {tmp_path / 'hyp.json'}: File too large"
    assert (tmp_path / "hyp.json").read_text(encoding="utf-8") == "before"
    assert "words (WER)" in done.stdout


def test_a_closed_pipe_loses_no_file(tiny_folder: Path, good: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"audio_filepath": "good.wav", "text": "LOW"}), encoding="utf-8")
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "asr", "evaluate", "--model", tiny_folder, "--manifest", manifest]
    written = ["--output", tmp_path / "hyp.json", "--report", tmp_path / "r.json"]
    done = subprocess.run([*map(str, command + written)], env=ENVIRONMENT, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "pred_text" in read_manifest(tmp_path / "hyp.json")[0].extra
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["systems"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--output", "folder"], "--output folder: is a folder: name a file, such as folder/hypotheses.json"),
        (["--output", "good.wav/hyp.json"], "--output good.wav/hyp.json: cannot be written: Not a directory"),
        (["--report", "good.wav/report.md"], "--report good.wav/report.md: cannot be written: Not a directory"),
        (["--output", "./folder/../m.json"], "--output folder/../m.json: would overwrite an input of this command: name another file"),
        (["--output", "good.wav"], "--output good.wav: would overwrite an input of this command: name another file"),
        (["--output", "names", "--hotwords", "names"], "--output names: would overwrite an input of this command: name another file"),
        (
            ["--report", "names.md", "--hotwords", "names.md"],
            "--report names.md: would be written over names.md: name another file or folder",
        ),
        (["--report", "m.json"], "--report m.json: would be written over m.json: name another file or folder"),
        (
            ["--output", "new.json", "--report", "./new.json"],
            "--report new.json: would be written over new.json: name another file or folder",
        ),
        (
            ["--output", "new/report.json", "--report", "new"],
            "--report new: would be written over new/report.json: name another file or folder",
        ),
        (
            ["--normalizer", "letters.yaml"],
            'normalizer letters: leaves no word of any reference ("LOW"): such texts need another, or none',
        ),
    ],
)
def test_evaluate_looks_at_where_it_shall_write_first(
    arguments: list[str], expected: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for names in ("names", "names.md"):
        (tmp_path / names).write_text("RIVER\n", encoding="utf-8")
    (tmp_path / "letters.yaml").write_text("steps: [{replace: {pattern: '[A-Z]'}}]", encoding="utf-8")
    (tmp_path / "m.json").write_text(json.dumps({"audio_filepath": "good.wav", "text": "LOW"}), encoding="utf-8")
    result = run("evaluate", "--manifest", "m.json", "--model", "not-looked-at-yet", *arguments)
    assert (result.exit_code, complaints(result)) == (2, [f"error: {expected}"])


def test_ctrl_c_leaves_whole_files_and_says_how_to_go_on(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    for i in range(2_000):
        (clips / f"{i:04}.flac").symlink_to(SPEECH)
    command = [sys.executable, "-m", "asr", "transcribe", str(clips), "-o", str(out), "--profile", "fast", "--batch-seconds", "8"]
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # jobs in the background are born deaf to it
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **heed)  # type: ignore[call-overload]
    assert process.stderr is not None
    process.stderr.readline()  # it has begun
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest == b""
    last = err.decode().splitlines()[-1]
    partial = r"(?:, and \S+\.partial\.json has the results so far|, \d+ in part)?"  # recognised, but not yet written
    told = re.fullmatch(rf"error: stopped: (\d+) of 2000 are done and whole{partial}; the same command with --skip-existing goes on", last)
    assert told, last
    done = sorted(out.glob("*.txt"))
    assert {path.suffix for path in out.iterdir()} <= {".txt", ".json"}
    assert len(done) - int(told[1]) in (0, 1)  # it may be stopped between a file and its count
    assert {p.read_text(encoding="utf-8") for p in done} == {done[0].read_text(encoding="utf-8")}
    assert [p.name for p in done] == [f"{i:04}.txt" for i in range(len(done))]


def test_help_teaches_by_example() -> None:
    assert "asr transcribe talk.flac" in run("--help").stdout
    for command in (["transcribe"], ["evaluate"], ["train"], ["info"], ["manifest", "check"], ["manifest", "stats"],
                    ["manifest", "from"], ["manifest", "split"], ["prepare", "an4"]):  # fmt: skip
        shown = run(*command, "--help")
        assert shown.exit_code == 0
        assert f"\n   asr {' '.join(command)}" in shown.stdout, command  # set in: typer forgets it after a single line of prose


def test_help_is_quick() -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "asr", "--help"], env=ENVIRONMENT, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", "import asr.cli, sys; print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
    assert time.monotonic() - began < 10


def test_info_describes_a_model_in_a_few_lines(tiny_folder: Path) -> None:
    shown = run("info", tiny_folder).stdout
    assert len(shown.splitlines()) <= 11
    assert re.search(r"^parameters +[\d.]+ M \(listener", shown, re.MULTILINE)
    assert re.search(r"^language model +none$", shown, re.MULTILINE)
    assert "# A tiny card" not in shown
    assert len(run("info").stdout.splitlines()) == 11
    assert re.search(r"^dev-clean WER +[\d.]+ %", run("info").stdout, re.MULTILINE)


def test_info_prints_the_card_and_the_config(tiny_folder: Path) -> None:
    assert run("info", tiny_folder, "--card").stdout.strip() == (tiny_folder / "README.md").read_text(encoding="utf-8").strip()
    assert "pyramid" in run("info", tiny_folder, "--config").stdout


def test_info_counts_the_language_model_too(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    tokenizer = Tokenizer.load(folder / "tokenizer.model")
    config = LMFolderConfig(kind="language_model", model=LSTMLanguageModelConfig(embedding=100, hidden=150, layers=1))
    save_lm(folder / "lm", TrainedLM(LSTMLanguageModel(len(tokenizer), config.model), tokenizer, config))
    shown = " ".join(run("info", folder).stdout.split())
    v = len(tokenizer)
    assert f"language model {(100 * v + 4 * 150 * (100 + 150 + 2) + 151 * v) / 1e6:.2f} M parameters" in shown
    assert f"{v} tokens" in shown
    size = sum((folder / name).stat().st_size for name in ("config.yaml", "tokenizer.model", "model.safetensors", "README.md"))
    size += sum((folder / "lm" / name).stat().st_size for name in ("config.yaml", "tokenizer.model", "model.safetensors", "README.md"))
    assert f"model, {size / 1e6:.1f} MB" in shown


def test_overrides_need_a_recipe(tmp_path: Path) -> None:
    result = run("train", "train.epochs=5", "seed=2")
    assert result.exit_code == 2
    assert result.stderr.strip() == "error: train.epochs=5: expected a recipe before its overrides: asr train RECIPE train.epochs=5"


def test_info_describes_a_language_model_and_a_run(tiny_folder: Path, tmp_path: Path) -> None:
    shown = run("info", EMBEDDED / "lm").stdout
    assert re.search(r"^kind +language model, 256 tokens$", shown, re.MULTILINE)
    assert re.search(r"^dev perplexity +[\d.]+ per word", shown, re.MULTILINE)
    shutil.copytree(tiny_folder, tmp_path / "run" / "model")
    result = run("info", tmp_path / "run")
    assert f"a training run; using its finished model {tmp_path / 'run' / 'model'}" in " ".join(result.stderr.split())
    assert f"{tmp_path / 'run' / 'model'}," in result.stdout
