"""Atomic writing: all or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.files import atomic_file, atomic_folder, write_atomically


def test_replaces_a_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "a.txt", "one")
    write_atomically(tmp_path / "deep" / "a.txt", b"two")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"two"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_failure_leaves_the_file_before(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "a.txt", "\ud800")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_written_piece_by_piece_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "f") as f:
        f.write(b"one")
        assert not (tmp_path / "f").exists()
        f.write(b" two")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "f") as f:
        f.write(b"three")
        raise RuntimeError
    assert (tmp_path / "f").read_bytes() == b"one two"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_an_error_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"), atomic_file(tmp_path / "f"):
        (tmp_path / "missing").read_bytes()
    with pytest.raises(OSError, match=r"No space left on device: '.*/f'"), atomic_file(tmp_path / "f"):
        raise OSError(28, "No space left on device")


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "f") as partial:
        (partial / "a").write_text("one", encoding="utf-8")
        assert not (tmp_path / "f").exists()
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "f") as partial:
        (partial / "a").write_text("two", encoding="utf-8")
        raise RuntimeError
    assert (tmp_path / "f" / "a").read_text(encoding="utf-8") == "one"
    with atomic_folder(tmp_path / "f") as partial:
        (partial / "b").mkdir()
        (partial / "b" / "c").write_text("three", encoding="utf-8")
    assert [str(p.relative_to(tmp_path)) for p in (tmp_path / "f").rglob("*")] == ["f/b", "f/b/c"]
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_the_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", "text")
