"""Formats by name, and files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from transcripts_support import segment, spoken, transcript

from asr.errors import UsageError
from asr.output import FORMATS, PRINTED, OutputOptions, choose_formats, output_path, unwritten, write_formats

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
def test_an_unknown_format_is_told_with_those_there_are(asked: list[str]) -> None:
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


def test_what_is_still_to_write(tmp_path: Path) -> None:
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
