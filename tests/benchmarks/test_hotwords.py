"""Rare words are those that stand in no text that was seen, be it packed or not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tests_support import ROOT, script


def run(monkeypatch: pytest.MonkeyPatch, model: Path, manifest: Path, *seen: Path) -> None:
    monkeypatch.setattr("sys.argv", ["hotwords.py", "--model", str(model), "--manifest", str(manifest), "--seen", *map(str, seen)])
    script(ROOT / "benchmarks" / "hotwords.py").main()


def test_packed_text_is_read(
    tiny_folder: Path, tones: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain.txt").write_text("LOW\n", encoding="utf-8")
    run(monkeypatch, tiny_folder, tones[1], tmp_path / "plain.txt")
    assert "12 utterances of" in capsys.readouterr().out  # HIGH is rare, and of four letters
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(b"HIGH AND LOW\n"))
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tiny_folder, tones[1], tmp_path / "plain.txt", tmp_path / "packed.txt.gz")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {tones[1]}: no word of it is rare")


def test_a_missing_text_is_one_line(
    tiny_folder: Path, tones: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tiny_folder, tones[1], tmp_path / "none.txt")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.txt'}: no such file (--seen)\n"
