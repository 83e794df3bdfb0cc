"""`asr prepare`: a new corpus is one module and one name, and all corpora print their results alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from asr import prepare
from asr.cli import app
from asr.errors import UsageError
from asr.prepare.prepared import Prepared, Progress, Table, no_progress, write_parts, write_problems
from asr.speech.manifest import Utterance, read_manifest

HELP = """Birds: two hours of names of birds.

Writes all.json. The birds are recorded in a wood, and none of them sings, so that all manifests of this corpus are short
and quiet.

  asr prepare birds --data birds/
"""


def prepare_birds(
    data: Annotated[Path, typer.Option(help="The corpus.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Where to write the manifest.")] = Path("data/birds"),
    loud: Annotated[bool, typer.Option("--loud", help="Use upper case.")] = False,
    progress: Progress = no_progress,
) -> Prepared:
    if not data.is_dir():
        raise UsageError(f"{data}: no such folder")
    with progress("listening", 1):
        texts = [(path, path.stem.upper() if loud else path.stem) for path in sorted(data.glob("*.wav"))]
    problems = [f"{path.name}: no bird" for path, text in texts if text.lower() != "heron"]
    utterances = [Utterance(path.stem, path, text, 1.5, speaker="s") for path, text in texts if text.lower() == "heron"]
    parts = write_parts(output, {"all": utterances})
    return Prepared(
        parts,
        ["all birds are silent"],
        problems,
        len(problems),
        write_problems(output, problems),
        Table("Birds", ("part", "utterances"), [("all", "1")]),
        [f"{parts[0].manifest}: {parts[0].utterances} utterances"],
        "asr train recipes/birds/las.yaml",
    )


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus that `asr prepare` knows: one module, and its name in the list."""
    module = ModuleType("asr.prepare.birds", HELP)
    module.prepare_birds = prepare_birds  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "asr.prepare.birds", module)
    monkeypatch.setattr(prepare, "CORPORA", (*prepare.CORPORA, "birds"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds/heron.wav").touch()
    return tmp_path / "birds"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["prepare", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def test_a_new_corpus_is_a_module_and_a_name(birds: Path) -> None:
    assert "Birds: two hours of names of birds." in run("--help").stdout
    shown = run("birds", "--help").stdout
    assert "\n   asr prepare birds --data birds/" in shown
    assert all(option in shown for option in ("--data", "--output", "[default: data/birds]", "--loud"))
    assert "progress" not in shown
    result = run("birds", "--data", "birds", "--loud")
    assert (result.exit_code, result.stderr) == (0, "all birds are silent\n")
    assert result.stdout.splitlines()[0] == "Birds"
    assert result.stdout.splitlines()[-2:] == ["data/birds/all.json: 1 utterances", "next: asr train recipes/birds/las.yaml"]
    assert [u.text for u in read_manifest(Path("data/birds/all.json"))] == ["HERON"]
    assert [path.name for path in Path("data/birds").iterdir()] == ["all.json"]


def test_its_mistakes_are_one_line(birds: Path) -> None:
    result = run("birds", "--data", "gone")
    assert (result.exit_code, result.stderr) == (2, "error: gone: no such folder\n")


def test_left_out_recordings_are_listed_one_per_line(birds: Path) -> None:
    names = [f"cat{i}\n.wav" for i in range(7)]
    for name in names:
        (birds / name).touch()
    result = run("birds", "--data", "birds")
    lines = result.stderr.splitlines()
    assert result.exit_code == 1
    assert lines[1:6] == [f"left out: cat{i}\\n.wav: no bird" for i in range(5)]
    assert lines[6:] == ["7 left out in all; data/birds/problems.txt lists them"]
    assert Path("data/birds/problems.txt").read_text().splitlines() == [f"cat{i}\\n.wav: no bird" for i in range(7)]
    for name in names:
        (birds / name).unlink()
    assert run("birds", "--data", "birds").exit_code == 0
    assert not Path("data/birds/problems.txt").exists()


def test_a_corpus_without_usable_utterances_is_named(birds: Path) -> None:
    (birds / "heron.wav").rename(birds / "cat.wav")
    result = run("birds", "--data", "birds")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == "error: birds: nothing can be used, data/birds/all.json is not written"


def test_an_unknown_corpus_is_a_usage_error() -> None:
    assert run("birds").exit_code == 2


def test_other_commands_import_no_corpus() -> None:

    code = "import sys, asr.cli; print([m for m in sys.modules if m.startswith('asr.prepare.') or m == 'soundfile'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
