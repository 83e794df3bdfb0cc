"""Formats by name, and files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from transcripts_support import segment, spoken, transcript

from asr.errors import UsageError
from asr.output import FORMATS, OutputOptions, all_written, choose_formats, output_path, write_formats

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


def test_files_are_written_side_by_side(tmp_path: Path) -> None:
    base = tmp_path / "mon" / "talk.v2"
    assert not all_written(base, ["all"])
    written = write_formats(HEARD, base, ["all"])
    assert {path.name for path in written} == {"talk.v2.txt", "talk.v2.srt", "talk.v2.vtt", "talk.v2.tsv", "talk.v2.json"}
    assert sorted(base.parent.iterdir()) == sorted(written)  # and nothing besides
    for form, function in FORMATS.items():
        assert output_path(base, form).read_text(encoding="utf-8") == function(HEARD, OutputOptions())
    assert all_written(base, ["all"])


def test_all_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    write_formats(HEARD, tmp_path / "a", ["txt", "srt"])
    assert all_written(tmp_path / "a", ["srt", "txt"])
    assert not all_written(tmp_path / "a", ["txt,json"])
    (tmp_path / "a.json").mkdir()
    assert not all_written(tmp_path / "a", ["json"])


def test_an_unfinished_file_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power fails just before a file takes its name."""

    def fails(*_: object) -> None:
        raise OSError(5, "no power")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match=r"a\.txt"):
        write_formats(HEARD, tmp_path / "a", ["txt"])
    assert not all_written(tmp_path / "a", ["txt"])
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="doc"):
        write_formats(HEARD, tmp_path / "a", ["txt", "doc"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"nbest": 0}, {"lines": 0}, {"lines": 4}, {"line_characters": 0}])
def test_options_that_cannot_be(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        OutputOptions(**options)
