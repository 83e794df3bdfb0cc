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
def test_evaluations_are_plotted_at_the_hours_trained_before_them(tmp_path: Path, evaluations: dict[int, float]) -> None:
    curves = recipe_script("librispeech/curves.py")
    figure = curves.draw([curves.read_curves(run(tmp_path / "run", evaluations))], "hours")
    losses, errors = figure.axes
    np.testing.assert_allclose(losses.lines[0].get_xdata(), np.arange(1, 9))
    np.testing.assert_allclose(errors.lines[0].get_xdata(), list(evaluations))
    np.testing.assert_allclose(errors.lines[0].get_ydata(), list(evaluations.values()))


def test_a_picture_is_whole_or_the_one_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curves = recipe_script("librispeech/curves.py")
    folder, picture = run(tmp_path / "run", {4: 60.0}), tmp_path / "curves.svg"
    curves.main([str(folder), "--output", str(picture)])
    before = picture.read_bytes()
    assert before.endswith(b"</svg>\n")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(SystemExit) as stopped:
        curves.main([str(folder), "--output", str(picture)])
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: {picture}: No space left on device")
    assert picture.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.svg", "run"]


@pytest.mark.parametrize("name", ["curves.xyz", "curves"])
def test_a_kind_of_picture_that_there_is_not_is_a_wrong_option(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        recipe_script("librispeech/curves.py").main([str(run(tmp_path / "run", {})), "--output", str(tmp_path / name)])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --output {tmp_path / name}: Format ")
    assert not (tmp_path / name).exists()


def test_a_damaged_log_is_reported_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = run(tmp_path / "run", {}) / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    log.write_text("".join([*lines[:2], '{"step": 3, "epo\n', *lines[3:]]), encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        recipe_script("librispeech/curves.py").main([str(log.parent), "--output", str(tmp_path / "curves.png")])
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {log}:3: damaged (not JSON: ")
