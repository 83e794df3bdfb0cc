"""Formats by name, files that are there whole or not at all, and files that are never replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from transcripts_support import segment, spoken, transcript

from asr.errors import UsageError
from asr.output import FORMATS, PRINTED, OutputOptions, check_targets, choose_formats, output_path, unwritten, write_formats

HEARD = transcript(segment(spoken("GO ON")))


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (["txt"], ["txt"]),
        (["srt,vtt", "json"], ["srt", "vtt", "json"]),
        ([" SRT , .vtt,"], ["srt", "vtt"]),
        (["json", "all"], ["json", "txt", "srt", "vtt", "tsv"]),
        (["srt", "srt"], ["srt"]),
    ],
)
def test_names_of_formats(asked: list[str], chosen: list[str]) -> None:
    assert choose_formats(asked) == chosen


@pytest.mark.parametrize("asked", [["doc"], ["srt,ass"], [], [","]])
def test_an_unknown_format_is_refused_with_the_known_ones(asked: list[str]) -> None:
    with pytest.raises(UsageError, match="txt, srt, vtt, tsv, json"):
        choose_formats(asked)


def test_lines_are_printed_alone() -> None:
    assert choose_formats(["lines"], PRINTED) == ["lines"]
    with pytest.raises(UsageError, match=r"^format 'lines' is for standard output alone: choose of txt, srt, vtt, tsv, json, or all$"):
        choose_formats(["lines"])


def test_files_are_written_side_by_side(tmp_path: Path) -> None:
    base = tmp_path / "mon" / "talk.v2"
    assert unwritten(base, ["all"]) == list(FORMATS)
    written = write_formats(HEARD, base, ["all"])
    assert {path.name for path in written} == {"talk.v2.txt", "talk.v2.srt", "talk.v2.vtt", "talk.v2.tsv", "talk.v2.json"}
    assert sorted(base.parent.iterdir()) == sorted(written)  # and nothing besides
    for form, function in FORMATS.items():
        assert output_path(base, form).read_text(encoding="utf-8") == function(HEARD, OutputOptions())
    assert unwritten(base, ["all"]) == []


def test_unwritten_formats_are_listed(tmp_path: Path) -> None:
    write_formats(HEARD, tmp_path / "a", ["txt", "srt"])
    assert unwritten(tmp_path / "a", ["srt", "txt"]) == []
    assert unwritten(tmp_path / "a", ["txt,json,vtt"]) == ["json", "vtt"]
    (tmp_path / "a.json").mkdir()
    assert unwritten(tmp_path / "a", ["json"]) == ["json"]


def test_an_unfinished_file_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power fails just before a file takes its name."""

    def fails(*_: object) -> None:
        raise OSError(5, "no power")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match=r"a\.txt"):
        write_formats(HEARD, tmp_path / "a", ["txt"])
    assert unwritten(tmp_path / "a", ["txt"]) == ["txt"]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="doc"):
        write_formats(HEARD, tmp_path / "a", ["txt", "doc"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"nbest": 0}, {"lines": 0}, {"lines": 4}, {"line_characters": 0}])
def test_options_that_cannot_be(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        OutputOptions(**options)


# ---------------------------------------------------------------- never over an input, and over other files on request alone


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


def test_existing_files_need_overwrite(here: Path) -> None:
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
