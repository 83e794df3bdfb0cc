"""Where the time goes, also of a model that lacks a stage."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import ROOT, script


def test_a_model_without_language_model_has_no_rows_of_it(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(tiny_folder), "--rounds", "1", "--steps", "1", "--at-least", "1", "--threads", "1", "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["stages.py", *arguments])
    script(ROOT / "benchmarks" / "stages.py").main()
    transcription, training = capsys.readouterr().out.split("training, ")
    for stage in ("audio", "speech", "features", "listener", "speller", "CTC", "search"):
        assert f" {stage} " in transcription
    assert "LM" not in transcription
    assert " optimizer " in training
