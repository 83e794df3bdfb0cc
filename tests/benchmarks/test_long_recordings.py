"""Times of words, where there are none to check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests_support import ROOT, script

from asr.speech.manifest import Utterance


def test_times_without_a_reference_are_not_checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = script(ROOT / "benchmarks" / "long_recordings.py")
    monkeypatch.setattr(program, "said_words", lambda utterances, kept: {u.id: [] for u in utterances})
    program.print_times([program.Placed(Utterance("a", Path("a.flac"), "ZYZZYVA"), 1.0, np.zeros(16_000, np.float32))], [], None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["first words begin", "last words end", "right words begin", "right words end"]
    assert all(": not checked, " in line for line in lines)
