"""Transcripts: names that users of other recognisers know, and files in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transcripts_support import segment, spoken, transcript

from asr.errors import UsageError

SAID = transcript(segment(spoken("SHE WALKED DOWN TO THE RIVER WITH MISTER OLDANBY")))


def test_names_follow_whisper() -> None:
    [found] = SAID.segments
    assert [word.word for word in found.words] == SAID.text.split()
    assert found.tokens == found.readings[0].tokens == (3, 4)
    assert found.avg_logprob == found.readings[0].average_log_probability == -0.5


@pytest.mark.parametrize("form", ["txt", "srt", "vtt", "tsv", "json"])
def test_every_format_is_written(form: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"walk.{form.upper()}"
    assert SAID.write(path) == path
    assert path.read_text(encoding="utf-8") == getattr(SAID, f"to_{form}")()


def test_options_of_a_format(tmp_path: Path) -> None:
    written = SAID.write(tmp_path / "a.vtt", word_times=True).read_text(encoding="utf-8")
    assert written == SAID.to_vtt(word_times=True)
    assert "SHE <00:00:00.250>WALKED" in written
    lines = SAID.write(tmp_path / "a.srt", line_characters=20).read_text(encoding="utf-8").splitlines()
    assert max(map(len, [line for line in lines if "-->" not in line])) <= 20
    assert SAID.to_json(nbest=3) != SAID.to_json()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"highlight_words": True},
            "option highlight_words is unknown: choose of nbest, word_times, line_characters, lines, mark_doubtful",
        ),
        ({"line_characters": "20"}, "line_characters is '20', expected an integer"),
        ({"word_times": 1}, "word_times is 1, expected True or False"),
        ({"lines": 0}, "0 lines in a subtitle: choose 1 to 3"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        SAID.write(tmp_path / "a.srt", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["walk.doc", "walk", "walk.all", "walk.srt,vtt"])
def test_an_ending_of_no_format_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name}: the ending names no format: choose of .txt, .srt, .vtt, .tsv, .json$"):
        SAID.write(tmp_path / name)
