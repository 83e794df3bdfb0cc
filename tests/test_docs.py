"""Commands, options, overrides, links and figures of the documentation."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from asr.cli import app
from asr.config_file import load_recipe
from asr.speech.manifest import read_manifest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / "recipes").rglob("*.md"),
        *(ROOT / folder / "README.md" for folder in ("manifests", "examples", "findings", "asr/pretrained", "asr/pretrained/lm")),
    ]
)
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Every `asr …` that a page tells people to type, as words."""
    lines = [line.split("#")[0] for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(part.split(">")[0]) for line in lines for part in line.split("&&") if part.strip().startswith("asr ")]


def table(page: Path, heading: str) -> list[list[str]]:
    """Cells of the rows of the first table of `page` that is below the line `heading`."""
    below = page.read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1]
    found = re.search(r"^\|.*\n\|[-:| ]+\n((?:\|.*\n)+)", below, re.M)
    assert found, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_the_first_commands_install_and_transcribe(monkeypatch: pytest.MonkeyPatch) -> None:
    """.ci/run types the first two lines of the README's first block."""
    monkeypatch.chdir(ROOT)
    install, transcribe = blocks(ROOT / "README.md", "sh")[0].splitlines()
    assert install == "pip install ."
    (console,) = blocks(ROOT / "README.md", "console")
    assert console.splitlines()[0] == f"$ {transcribe}"
    result = CliRunner().invoke(app, shlex.split(transcribe)[1:])
    assert result.exit_code == 0
    assert result.stdout == console.split("\n", 1)[1]


def test_the_session_has_the_output_of_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session of docs/transcribe.md."""
    monkeypatch.chdir(ROOT)
    (block,) = blocks(DOCS / "transcribe.md", "console")
    listed, written, subtitles = (part.split("\n", 1) for part in block.removeprefix("$ ").split("\n$ "))
    listing = CliRunner().invoke(app, ["transcribe", *map(str, sorted(Path("examples").glob("*.flac")))])
    assert (listed[0], listing.stdout.strip()) == ("asr transcribe examples/*.flac", listed[1].strip())
    words = shlex.split(written[0])[1:]
    assert CliRunner().invoke(app, [str(tmp_path) if word == "out/" else word for word in words]).exit_code == 0
    assert (tmp_path / "window.srt").read_text(encoding="utf-8").strip() == subtitles[1].strip()


# architecture and scorers add a kind of attention and a scorer: tests/model/test_new_kind.py and tests/decode/test_scorers.py run them.
PYTHON_PAGES = [p for p in PAGES if "```python" in p.read_text(encoding="utf-8") and p.stem not in ("architecture", "scorers")]


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.stem)
def test_the_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)  # they write files
    for block in blocks(page, "python"):
        exec(block, {})
    assert "The old man walked slowly" in capsys.readouterr().out


SCORING = [ROOT / "README.md", ROOT / "manifests" / "README.md", DOCS / "tutorials" / "reports.md"]


@pytest.mark.parametrize("page", SCORING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_scoring_example_prints_the_output_of_the_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (command,) = (c for c in commands(page) if c[1] == "score" and c[2].startswith("manifests/"))
    result = CliRunner().invoke(app, [str(tmp_path) if word == "report/" else word for word in command[1:]])
    assert result.exit_code == 0, result.output
    printed = [line for line in page.read_text(encoding="utf-8").splitlines() if "is better than heron by" in line]
    assert all(line in result.stdout for line in printed)
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "report.html", "report.csv"}


@EACH_PAGE
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
    section = (DOCS / "tutorials" / "own-data.md").read_text(encoding="utf-8").split("## Make a manifest, and train")[1]
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


@EACH_PAGE
def test_every_override_is_a_knob(page: Path) -> None:
    for words in commands(page):
        if words[1] == "train":
            overrides = [word for word in words[3:] if not word.startswith("-")]
            # The bundled model stands for the models of earlier commands.
            load_recipe(ROOT / words[2], [re.sub(r"^(train\.start_from)=runs/.*", r"\1=embedded", word) for word in overrides])


@EACH_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@EACH_PAGE
def test_every_program_exists(page: Path) -> None:
    for block in blocks(page, "sh"):
        for program in re.findall(r"\bpython ([a-z_/]+\.py)", block):
            assert (ROOT / program).is_file(), program


def test_every_page_is_on_the_site() -> None:
    shown = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in shown, page


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 180


def test_the_figures_of_the_readme_are_those_of_the_benchmarks() -> None:
    """The README has two rows of the table in docs/benchmarks.md."""
    measured = {row[0]: (row[4], f"{row[1]} × real time") for row in table(DOCS / "benchmarks.md", "## Speed and accuracy")}
    mine, whisper = table(ROOT / "README.md", "## Install")
    assert tuple(mine[1:]) == measured["`asr transcribe`"]
    assert tuple(whisper[1:]) == measured["faster-whisper, tiny.en int8, beam 5"]


def test_every_dependency_has_its_line() -> None:
    listed = re.findall(
        r'^    "([a-z]+)', (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("dependencies = [")[1].split("]")[0], re.M
    )
    used = (DOCS / "install.md").read_text(encoding="utf-8").split("| dependency |")[1]
    assert len(listed) > 10
    for name in listed:
        assert name in used, name


def packages_of_the_map() -> list[str]:
    """First cells of the table of packages in docs/architecture.md."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rows = page.split("<!-- packages:")[1].split("<!-- end of packages -->")[0]
    return re.findall(r"^\| `asr/([^`]+)` \|", rows, re.M)


def test_the_map_of_packages_is_complete() -> None:
    """A new, renamed or removed package or module of asr/ needs its row in docs/architecture.md, between the two comments."""
    mapped = set(packages_of_the_map())
    present = {f"{path.name}/" if path.is_dir() else path.name for path in (ROOT / "asr").iterdir() if path.name != "__pycache__"}
    present = {name for name in present if name.endswith((".py", "/"))}
    assert mapped == present, f"docs/architecture.md: add {sorted(present - mapped)}, remove {sorted(mapped - present)}"


def test_the_map_of_packages_is_in_the_order_of_the_layers() -> None:
    """Packages of one layer may come in any order. `__main__`, `__init__` and folders without modules have no layer."""
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("\nlayers = [\n")[1].split("\n]")[0]
    layers = [line.strip(' ",').split(" | ") for line in contract.splitlines()]
    level = {package: i for i, layer in enumerate(layers) for package in layer}
    packages = [package for package in (name.removesuffix("/").removesuffix(".py") for name in packages_of_the_map()) if package in level]
    assert sorted(packages) == sorted(level)
    assert packages == sorted(packages, key=level.__getitem__)


def test_the_version_stands_once() -> None:
    """pyproject.toml, CITATION.cff and the newest entry of CHANGELOG.md agree."""
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert version
    assert f"\nversion: {version[1]}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) - (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest
    assert newest[1] == version[1]
    assert f"\ndate-released: {newest[2]}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def prose(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / ".ci" / "prose", path], capture_output=True, text=True, timeout=60)


def test_the_prose_linter_reads_pages_and_docstrings(tmp_path: Path) -> None:
    page, module = tmp_path / "page.md", tmp_path / "module.py"
    page.write_text("Good.\n\nThe mean is taken\noff, `taken off`.\n```\ntaken off\n```\n", encoding="utf-8")
    module.write_text('x = "taken off"  # taken off\n\n\ndef f():\n    """One.\n\n    The user is told.\n    """\n', encoding="utf-8")
    found = prose(page)
    assert (found.returncode, found.stdout) == (1, f"{page}:3: 'taken off': subtract\n")
    found = prose(module)
    assert (found.returncode, found.stdout) == (1, f"{module}:7: 'is told': report, print, warn, log or raise\n")
    page.write_text("The mean is subtracted.\n", encoding="utf-8")
    assert prose(page).returncode == 0
