"""Output files never replace an input, and other files on request alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asr.errors import UsageError
from asr.output import check_targets


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with `talk.wav` and `m.json` in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("talk.wav", "m.json"):
        Path(name).write_text(name, encoding="utf-8")
    Path("out").mkdir()
    return tmp_path


def refused(files: list[str], inputs: list[str], overwrite: bool = False) -> str:
    with pytest.raises(UsageError) as caught:
        check_targets([Path(file) for file in files], map(Path, inputs), overwrite)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def symbolic_link(link: Path, file: Path) -> None:
    link.symlink_to(file.resolve())


def hard_link(link: Path, file: Path) -> None:
    try:
        os.link(file, link)
    except OSError:
        pytest.skip("no hard links here")


def folder_link(link: Path, file: Path) -> None:
    link.parent.rmdir()
    link.parent.symlink_to(file.parent.resolve(), target_is_directory=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("connect", [symbolic_link, hard_link, folder_link])
def test_an_input_by_another_name(here: Path, connect, overwrite: bool) -> None:
    connect(Path("out/m.json"), Path("m.json"))
    problem = "would overwrite an input of this command: choose another --output-dir or --format"
    assert refused(["out/m.json"], ["talk.wav", "m.json"], overwrite) == f"out/m.json: {problem}"
    assert refused(["./m.json"], ["talk.wav", str(here / "m.json")], overwrite) == f"m.json: {problem}"


def test_an_input_in_another_case(here: Path) -> None:
    if not Path("M.JSON").exists():
        Path("M.JSON").symlink_to("m.json")  # as it would be where case does not count
    assert "would overwrite an input" in refused(["M.JSON"], ["m.json"], overwrite=True)


def test_existing_files_need_a_word(here: Path) -> None:
    assert refused(["m.json"], ["talk.wav"]) == "m.json: exists already: --overwrite replaces it, --skip-existing keeps it"
    check_targets([Path("m.json"), Path("new/a.txt")], [Path("talk.wav")], overwrite=True)


def test_all_are_named_in_one_line(here: Path) -> None:
    for i in range(12):
        Path(f"out/{i}.txt").touch()
    files = [f"out/{i}.txt" for i in range(12)]
    assert refused(files, []).startswith("out/0.txt, out/1.txt, out/2.txt and 9 more: exists already")
    assert refused(files, files[2:]).startswith("out/2.txt, out/3.txt, out/4.txt and 7 more: would overwrite")


def test_a_folder_in_the_way(here: Path) -> None:
    Path("out/a.txt").mkdir()
    assert refused(["out/a.txt"], [], overwrite=True) == "out/a.txt: is in the way, and not a file: choose another --output-dir"
    assert refused(["out/b.txt", "m.json/a.txt"], []) == "m.json: cannot be written to: Not a directory"


def test_nothing_is_made(here: Path) -> None:
    Path("out/dangling.txt").symlink_to("gone.txt")
    check_targets([Path("new/deep/a.txt"), Path("out/dangling.txt")], [Path("gone.wav"), Path("nul\0.wav")], overwrite=False)
    assert not Path("new").exists()
