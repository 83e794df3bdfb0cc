"""The README's commands do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from asr.cli import app
from asr.config_file import load_recipe
from asr.speech.manifest import read_manifest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "recipes").rglob("README.md")), ROOT / "manifests" / "README.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Every `asr …` that a page tells people to type, as words."""
    lines = [line.split("#")[0] for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(part.split(">")[0]) for line in lines for part in line.split("&&") if part.strip().startswith("asr ")]


def test_the_first_command_transcribes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    first = next(c for c in commands(ROOT / "README.md"))
    assert first[:2] == ["asr", "transcribe"]
    result = CliRunner().invoke(app, first[1:])
    assert result.exit_code == 0
    assert "THE OLD MAN WALKED SLOWLY" in result.stdout


def test_the_session_says_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts that are heard, and the subtitles that are written."""
    monkeypatch.chdir(ROOT)
    (block,) = blocks(ROOT / "README.md", "console")
    heard, written, subtitles = (part.split("\n", 1) for part in block.removeprefix("$ ").split("\n$ "))
    listing = CliRunner().invoke(app, ["transcribe", *map(str, sorted(Path("examples").glob("*.flac")))])
    assert (heard[0], listing.stdout.strip()) == ("asr transcribe examples/*.flac", heard[1].strip())
    words = shlex.split(written[0])[1:]
    assert CliRunner().invoke(app, [str(tmp_path) if word == "out/" else word for word in words]).exit_code == 0
    assert (tmp_path / "window.srt").read_text(encoding="utf-8").strip() == subtitles[1].strip()


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks(ROOT / "README.md", "python"):
        exec(block, {})
    assert "THE OLD MAN WALKED SLOWLY" in capsys.readouterr().out


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "manifests" / "README.md"], ids=["README.md", "manifests"])
def test_the_example_of_scoring_says_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (command,) = (c for c in commands(page) if c[1] == "score" and c[2].startswith("manifests/"))
    result = CliRunner().invoke(app, [str(tmp_path) if word == "report/" else word for word in command[1:]])
    assert result.exit_code == 0, result.output
    said = [line for line in (ROOT / "manifests" / "README.md").read_text(encoding="utf-8").splitlines() if "is better than" in line]
    assert said[0] in result.stdout
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "report.html", "report.csv"}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_and_option_exists(page: Path) -> None:
    for words in commands(page):
        names = [w for w in words[1:] if not w.startswith("-")]
        nested = 2 if names[0] in ("manifest", "prepare") else 1
        shown = CliRunner().invoke(app, [*names[:nested], "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, words
        for option in (w for w in words if w.startswith("--")):
            assert option in shown.stdout, words


def test_own_recordings_are_made_ready_to_train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for speaker in range(10):
        folder = tmp_path / "recordings" / f"speaker{speaker}"
        folder.mkdir(parents=True)
        for number in range(3):
            soundfile.write(folder / f"{number}.wav", np.full(8_000, 0.1), 8_000)
            (folder / f"{number}.txt").write_text(f"It’s sentence {'abc'[number]}.\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("### Your own recordings")[1]
    typed = [shlex.split(line, comments=True)[1:] for line in section.split("```")[1].splitlines()[1:]]
    assert [words[:2] for words in typed[:2]] == [["manifest", "from"], ["manifest", "split"]]
    for words in typed[:2]:
        assert CliRunner().invoke(app, words).exit_code == 0
    config = load_recipe(ROOT / typed[2][1], typed[2][2:])
    train, dev = (read_manifest(path, need_text=True) for path in (*config.data.train, *config.data.dev))
    test = read_manifest(Path(typed[3][typed[3].index("--manifest") + 1]))
    assert [len(part) for part in (train, dev, test)] == [24, 3, 3]
    assert len({u.speaker for u in train} | {u.speaker for u in dev} | {u.speaker for u in test}) == 10
    assert {u.text for u in train} == {"IT'S SENTENCE A", "IT'S SENTENCE B", "IT'S SENTENCE C"}
    assert typed[3][2] == f"{config.output}/model"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_override_is_a_knob(page: Path) -> None:
    for words in commands(page):
        if words[1] == "train":
            load_recipe(ROOT / words[2], [w for w in words[3:] if not w.startswith("-")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_dependency_has_its_line() -> None:
    listed = re.findall(
        r'^    "([a-z]+)', (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("dependencies = [")[1].split("]")[0], re.M
    )
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| dependency |")[1]
    assert len(listed) > 10
    for name in listed:
        assert name in table, name
