"""Folders of recordings with texts beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources_support import read, record, write

from asr.errors import UsageError
from asr.prepare.pairs import read_pairs
from asr.speech.manifest import Utterance


def test_pairs_are_found_in_subfolders_in_order(tmp_path: Path) -> None:
    audio = {name: record(tmp_path / name) for name in ("z.wav", "ann/1.flac", "ann/2.WAV", "bob/1.wav", "c/x.y.wav")}
    for name, content in {
        "z.txt": "last\r\n",
        "ann/1.txt": "\ufefftwo\nlines\n",
        "ann/2.lab": "a label",
        "bob/1.TXT": "Notepad".encode("utf-16"),
        "c/x.y.normalized.txt": "as LibriTTS has it",
        "c/x.y.original.txt": "As LibriTTS has it.",
    }.items():
        write(tmp_path / name, content)
    utterances, problems = read(read_pairs(tmp_path))
    assert problems == []
    assert utterances == [
        Utterance("ann/1", audio["ann/1.flac"], "two\nlines\n", source=str(tmp_path / "ann/1.txt")),
        Utterance("ann/2", audio["ann/2.WAV"], "a label", source=str(tmp_path / "ann/2.lab")),
        Utterance("bob/1", audio["bob/1.wav"], "Notepad", source=str(tmp_path / "bob/1.TXT")),
        Utterance("c/x.y", audio["c/x.y.wav"], "as LibriTTS has it", source=str(tmp_path / "c/x.y.normalized.txt")),
        Utterance("z", audio["z.wav"], "last\r\n", source=str(tmp_path / "z.txt")),
    ]


def test_which_of_several_is_taken(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "a.mp3"):
        record(tmp_path / name) if name != "a.mp3" else write(tmp_path / name, "x")
    for name in ("a.normalized.txt", "a.lab", "a.txt"):
        write(tmp_path / name, name)
    (found,), _ = read(read_pairs(tmp_path))
    assert (found.audio_filepath.name, found.text) == ("a.flac", "a.txt")


def test_a_file_without_its_partner_is_reported(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "d.wav"):
        record(tmp_path / name)
    for name, content in {
        "a.txt": "yes",
        "c.txt": "alone",
        "d.txt": b"\xff\xfenot quite"[2:] + b"\xe9",
        "docs/README.txt": "read me",
    }.items():
        write(tmp_path / name, content)
    write(tmp_path / "._a.wav", "of macOS")
    write(tmp_path / ".git/x.txt", "hidden")
    utterances, problems = read(read_pairs(tmp_path))
    assert [u.id for u in utterances] == ["a"]
    assert problems == [
        f"{tmp_path}/b.wav: no text beside it (b.txt or .lab)",
        f"{tmp_path}/c.txt: no recording beside it",
        f"{tmp_path}/d.txt: not UTF-8 text",
    ]


def test_linked_folders_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    record(tmp_path / "there/a.wav")
    write(tmp_path / "there/a.txt", "yes")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "there")
    (tmp_path / "there/circle").symlink_to(tmp_path / "here")
    assert [u.id for u in read(read_pairs(tmp_path / "here"))[0]] == ["link/a"]


@pytest.mark.parametrize(
    ("files", "said"), [((), "holds no recordings"), (("a.txt",), "holds no recordings"), (("a.wav", "b.txt"), "no recording has a text")]
)
def test_a_folder_without_pairs(tmp_path: Path, files: tuple[str, ...], said: str) -> None:
    for name in files:
        write(tmp_path / name, "x")
    with pytest.raises(UsageError, match=f"{tmp_path}: {said}"):
        read_pairs(tmp_path)
