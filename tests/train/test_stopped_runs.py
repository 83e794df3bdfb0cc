"""Stopped runs: their limits may be raised, and `finish` makes a model of what they have done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from asr.config import Config
from asr.errors import ConfigError, UsageError
from asr.model.checkpoint import load_model, read_tensors
from asr.model.run_folder import find_model
from asr.train import session as sessions
from asr.train.learner import learning_rate
from asr.train.log import read_log
from asr.train.session import Interrupted
from asr.train.trainer import Trainer


def limited(config: Config, **limits: Any) -> Config:
    return config.model_copy(update={"train": config.train.model_copy(update=limits)})


def stop_at(config: Config, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train up to a step, and stop as Ctrl-C does."""
    record_step = sessions.Session.record_step

    def interrupted(self: sessions.Session, *arguments: Any) -> list[float]:
        self.interruption.requested = self.position.step + 1 >= step
        return record_step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(sessions.Session, "record_step", interrupted)
        with pytest.raises(Interrupted, match=f"stopped at step {step}"):
            Trainer(config).run()


def test_a_finished_run_goes_on_to_a_raised_limit(tone_config: Config) -> None:
    Trainer(limited(tone_config, epochs=1)).run()
    before = [r for r in read_log(tone_config.output) if "learning_rate" in r]
    Trainer(limited(tone_config, epochs=3)).run()
    records = [r for r in read_log(tone_config.output) if "learning_rate" in r]
    assert records[: len(before)] == before
    assert len(records) == 3 * len(before)
    for record in records[len(before) :]:  # the schedule of the new limit, from the next step on
        expected = learning_rate(record["step"] - 1, record["epoch"] / 3, limited(tone_config, epochs=3).train)
        assert record["learning_rate"] == pytest.approx(expected, abs=1e-5)


def test_a_limit_that_is_not_reached_changes_nothing(tone_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming with equal limits is exact, and so is adding a limit beyond the end."""
    whole = tone_config.model_copy(update={"output": tmp_path / "whole"})
    Trainer(whole).run()
    stop_at(tone_config, 5, monkeypatch)
    stop_at(tone_config, 8, monkeypatch)
    Trainer(limited(tone_config, minutes=1e6)).run()
    one, other = (read_tensors(config.output / "model" / "model.safetensors") for config in (whole, tone_config))
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_limits_below_what_is_done_are_refused(tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(tone_config, 6, monkeypatch)
    with pytest.raises(
        ConfigError, match=r"train\.steps=6 is not above the 6 steps that the run has done \(its limit: null\): choose more"
    ):
        Trainer(limited(tone_config, steps=6))
    Trainer(limited(tone_config, steps=7)).run()
    assert max(r["step"] for r in read_log(tone_config.output)) == 7


def test_a_refusal_names_both_values(tone_config: Config) -> None:
    Trainer(limited(tone_config, epochs=1)).run()
    other = limited(tone_config, epochs=1, learning_rate=0.5, batch_seconds=7.0)
    expected = "another train.learning_rate (0.001; asked for: 0.5), train.batch_seconds (6.0; asked for: 7.0): choose another folder"
    with pytest.raises(ConfigError, match=re.escape(expected)):
        Trainer(other)


def test_finish_makes_a_model_without_training(tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--finish needs a run with a checkpoint, and there is none"):
        Trainer(tone_config, finish=True)
    stop_at(limited(tone_config, evaluate_epochs=3), 5, monkeypatch)  # before the first evaluation
    with pytest.raises(UsageError, match="without an evaluated checkpoint"):
        find_model(tone_config.output)
    config = limited(tone_config, evaluate_epochs=3)
    folder = Trainer(config, finish=True).run()
    assert load_model(folder).card
    assert max(r["step"] for r in read_log(tone_config.output)) == 5
    Trainer(config).run()  # the run itself goes on
    assert max(r["step"] for r in read_log(tone_config.output)) > 5
    with pytest.raises(UsageError, match="--restart deletes the run that --finish needs"):
        Trainer(config, restart=True, finish=True)


def test_best_so_far_needs_a_worse_one_before(tone_config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    Trainer(tone_config).run()
    lines = [line for line in capsys.readouterr().err.splitlines() if " · dev WER " in line]
    rates = [r["dev_wer"] for r in read_log(tone_config.output) if "dev_wer" in r]
    assert len(lines) == len(rates) == 3
    for i, line in enumerate(lines):
        assert line.endswith("(best so far)") == (i > 0 and rates[i] < min(rates[:i])), line
