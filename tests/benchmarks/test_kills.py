"""What the program that kills and stops trainings takes for a fault, and for a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests_support import ROOT, script

from asr.config_file import load_recipe
from asr.speech.manifest import read_manifest

kills = script(ROOT / "benchmarks" / "kills.py")


@pytest.mark.parametrize(
    ("code", "sent", "lines", "begun", "over", "fault"),
    [
        (-9, "SIGKILL", [], True, False, ""),
        (0, "SIGKILL", [], True, False, ""),
        (130, "SIGKILL", [], True, False, "exit code 130"),
        (130, "SIGINT", ["stopped at step 3"], True, False, ""),
        (-15, "SIGTERM", [], True, False, "exit code -15"),
        (-15, "SIGTERM", [], True, True, ""),
        (-15, "SIGTERM", [], False, False, ""),
        (-15, "SIGINT twice", [], True, False, ""),
        (-11, "SIGINT twice", [], True, True, "exit code -11"),
        (1, "SIGINT", ["Traceback (most recent call last):"], True, False, "a traceback"),
    ],
)
def test_faults(code: int, sent: str, lines: list[str], begun: bool, over: bool, fault: str) -> None:
    assert kills.check_end(code, sent, lines, begun, over) == fault


def test_the_recipe_and_its_recordings_can_be_used(tmp_path: Path) -> None:
    config = load_recipe(kills.write_recipe(tmp_path, epochs=3, workers=1))
    assert config.train.precision == "fp32"
    assert len(read_manifest(config.data.train[0], need_text=True)) == 48


def test_a_run_is_known_by_all_but_its_times(tmp_path: Path) -> None:
    def write(seconds: float, loss: float) -> None:
        state = tmp_path / "states" / "step-00000002"
        state.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model").mkdir(exist_ok=True)
        place = {"step": 2, "epoch": 0, "step_in_epoch": 2, "seconds": seconds, "heard": 1.0, "examples": "", "best": []}
        (state / "training.json").write_text(json.dumps(place), encoding="utf-8")
        (tmp_path / "log.jsonl").write_text(json.dumps({"step": 2, "loss": loss, "seconds": seconds}) + "\n", encoding="utf-8")
        for name in ("states/step-00000002/training.safetensors", "tokenizer.model", "model/config.yaml"):
            (tmp_path / name).write_bytes(b"x")

    write(1.0, 0.5)
    first = kills.fingerprint(tmp_path)
    write(2.0, 0.5)
    assert kills.fingerprint(tmp_path) == first
    write(2.0, 0.6)
    assert kills.fingerprint(tmp_path) != first
