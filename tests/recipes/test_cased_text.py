"""Cased text for the text restorer: what is read, what is left out, and what is held out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import recipe_script

from asr.errors import UsageError

cased_text = recipe_script("text/cased_text.py")


def paragraphs(path: Path, content: str) -> list[str]:
    path.write_text(content, encoding="utf-8")
    return list(cased_text.readable_paragraphs(path))


def test_titles_are_written_in_full_and_numbers_left_out(tmp_path: Path) -> None:
    text = "CHAPTER ONE\n\nMr. Ray and Sen. J. Low came.\nThey had 5 dogs. \u201cSo?\u201d said Zo\u00eb.\n\nLouis XIV. stood (see www.x.org/y). Well."
    found = paragraphs(tmp_path / "a.txt", text)
    assert found == ["Mister Ray and Senator J Low came. \u201cSo?\u201d said Zoe.", "Well."]


def test_markdown_loses_its_signs(tmp_path: Path) -> None:
    text = "---\ntitle: x\n---\n# Head.\n\nWe [met *Bob*](http://x.y/z) there.\n\n```\ncode.\n```\n- One item, too.\n\n| a | b. |"
    assert paragraphs(tmp_path / "a.md", text) == ["We met Bob there.", "One item, too."]


def test_documents_are_held_out_whole_and_copies_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for i in range(40):
        (folder / f"{i}.txt").write_text(
            f"Document {chr(97 + i % 26) * (i // 26 + 1)} begins.\n\n" + "The river ran on. " * 60, encoding="utf-8"
        )
    (folder / "copy.txt").write_bytes((folder / "0.txt").read_bytes())
    (folder / "short.txt").write_text("Too short.", encoding="utf-8")
    cased_text.make([folder], None, tmp_path / "out", held_out=0.3)
    parts = [(tmp_path / f"out.{part}.txt").read_text(encoding="utf-8").strip().split("\n\n") for part in ("train", "dev")]
    assert sum(map(len, parts)) == 40
    assert 4 <= len(parts[1]) <= 20
    assert not {part.split("\n")[0] for part in parts[0]} & {part.split("\n")[0] for part in parts[1]}
    assert f"out.dev.txt: {len(parts[1])} documents" in capsys.readouterr().out


def test_folders_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nope: no such folder"):
        cased_text.make([tmp_path / "nope"], None, tmp_path / "out")
    with pytest.raises(UsageError, match="no document to train on in 0 files"):
        cased_text.make([tmp_path], None, tmp_path / "out")
