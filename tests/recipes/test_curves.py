"""The picture of a run shows each evaluation where it was made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests_support import recipe_script

STEPS = [{"step": i, "epoch": (i - 1) / 4, "audio_seconds": 3600.0, "attention_loss": 4.0 - 0.1 * i, "ctc_loss": 5.0} for i in range(1, 9)]


def run(folder: Path, evaluations: dict[int, float]) -> Path:
    folder.mkdir()
    records = [{"step": step, "dev_wer": wer} for step, wer in evaluations.items()]
    lines = [json.dumps(r) for r in sorted([*STEPS, *records], key=lambda r: r["step"])]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("evaluations", [{4: 60.0, 8: 50.0}, {0: 70.0, 4: 60.0, 8: 50.0}])  # the second began with another's weights
def test_evaluations_stand_at_the_hours_heard_before_them(tmp_path: Path, evaluations: dict[int, float]) -> None:
    curves = recipe_script("librispeech/curves.py")
    figure = curves.draw([curves.read_curves(run(tmp_path / "run", evaluations))], "hours")
    losses, errors = figure.axes
    np.testing.assert_allclose(losses.lines[0].get_xdata(), np.arange(1, 9))
    np.testing.assert_allclose(errors.lines[0].get_xdata(), list(evaluations))
    np.testing.assert_allclose(errors.lines[0].get_ydata(), list(evaluations.values()))
