"""Stopped runs: their limits may be raised, and `finish` makes a model of what they have done."""

from __future__ import annotations

import re
import shutil
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
    expected = "another train.learning_rate (0.001; asked for: 0.5), train.batch_seconds (6.0; asked for: 7.0): keep its values, choose another folder"
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


def test_a_run_that_went_on_is_used_as_it_is_now(tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tone_config.output
    Trainer(limited(tone_config, epochs=1)).run()
    assert find_model(run) == (run / "model", f"{run}: a training run; using its finished model {run / 'model'}")
    stop_at(limited(tone_config, epochs=4), 12, monkeypatch)  # after two more evaluations
    best = min((r["dev_wer"], -r["step"]) for r in read_log(run) if "dev_wer" in r)
    found, note = find_model(run)
    assert found == run / "best" / f"step-{-best[1]:08d}"
    state = "a training run, continued after its model of step 5"
    assert note == f"{run}: {state}; using its best checkpoint {found} (dev WER {best[0]:.2f} %)"
    Trainer(limited(tone_config, epochs=4), finish=True).run()
    assert find_model(run)[0] == run / "model"
    shutil.rmtree(run / "states")  # to save space
    assert find_model(run)[0] == run / "model"
    Trainer(limited(tone_config, epochs=1), restart=True)
    assert not (run / "model.json").exists()


def test_a_run_without_its_best_weights_gives_its_model(tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tone_config.output
    Trainer(limited(tone_config, epochs=1)).run()
    stop_at(limited(tone_config, epochs=4), 7, monkeypatch)
    shutil.rmtree(run / "best")
    assert find_model(run) == (
        run / "model",
        f"{run}: a training run without its best checkpoints; using its model of step 5, {run / 'model'}",
    )


def test_nothing_of_a_run_without_checkpoints_is_overwritten(tone_config: Config) -> None:
    run = tone_config.output
    Trainer(limited(tone_config, epochs=1)).run()
    shutil.rmtree(run / "states")
    with pytest.raises(
        UsageError, match=rf"^{run}: holds the model of a run without checkpoints, which cannot resume: choose .* --restart$"
    ):
        Trainer(tone_config)
    assert load_model(run)
    shutil.rmtree(run / "model")
    with pytest.raises(
        UsageError, match=rf"^{run}: .* checkpoints are missing or damaged: name its weights, such as {run}/best/step-00000005$"
    ):
        load_model(run)


def test_finish_deletes_no_weights(tone_config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = tone_config.output
    stop_at(tone_config, 12, monkeypatch)  # two evaluations, and two steps after them
    kept = sorted(path.name for path in (run / "best").iterdir())
    assert len(kept) == 2
    Trainer(limited(tone_config, keep_best=1), finish=True).run()
    assert sorted(path.name for path in (run / "best").iterdir()) == [*kept, "step-00000012"]
    text = capsys.readouterr().err
    assert "the average of" not in text  # of one
    assert "the next evaluation deletes" not in text
    Trainer(limited(tone_config, keep_best=1)).run()
    assert f"train.keep_best=1: the next evaluation deletes 2 or more of the 3 weights in {run / 'best'}\n" in capsys.readouterr().err
    assert len(list((run / "best").iterdir())) == 1


def test_missing_weights_are_reported(tone_config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stop_at(tone_config, 12, monkeypatch)
    gone = tone_config.output / "best" / "step-00000005"
    shutil.rmtree(gone)
    Trainer(tone_config).run()
    assert f"{gone}: missing: these weights are skipped\n" in capsys.readouterr().err


def test_finish_needs_no_limit_beyond_what_is_done(tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(tone_config, 12, monkeypatch)
    assert load_model(Trainer(limited(tone_config, epochs=1, steps=3), finish=True).run())


def test_training_starts_from_the_best_of_a_run(
    tone_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tone_config.output
    stop_at(tone_config, 3, monkeypatch)
    first = limited(tone_config, epochs=1, start_from=run, learning_rate=1e-9, final_learning_rate=0.0)
    second = first.model_copy(update={"output": tmp_path / "second"})
    with pytest.raises(UsageError, match=rf"^{run}: is a training run without an evaluated checkpoint: wait"):
        Trainer(second)
    assert not second.output.exists()
    stop_at(tone_config, 8, monkeypatch)
    best, note = find_model(run)
    assert best == run / "best" / "step-00000005"
    capsys.readouterr()
    Trainer(second).run()
    assert f"train.start_from={note}\n" in capsys.readouterr().err
    before, after = (read_tensors(folder / "model.safetensors") for folder in (best, second.output / "best" / "step-00000000"))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    with pytest.raises(UsageError, match=rf"--restart would delete {best}, which train\.start_from names"):
        Trainer(first, restart=True)


def test_the_tokenizer_of_a_folder_is_used(tone_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(tone_config, 3, monkeypatch)
    run = tone_config.output
    tokenizer = tone_config.tokenizer.model_copy(update={"model": run})
    trainer = Trainer(tone_config.model_copy(update={"output": tmp_path / "second", "tokenizer": tokenizer}))
    assert trainer.tokenizer.serialized == (run / "tokenizer.model").read_bytes()
    empty = tone_config.tokenizer.model_copy(update={"model": tmp_path})
    with pytest.raises(ConfigError, match=rf"^tokenizer\.model={tmp_path}: {tmp_path}/tokenizer\.model: no such file$"):
        Trainer(tone_config.model_copy(update={"output": tmp_path / "third", "tokenizer": empty}))


def test_best_so_far_needs_a_worse_one_before(tone_config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    Trainer(tone_config).run()
    lines = [line for line in capsys.readouterr().err.splitlines() if " · dev WER " in line]
    rates = [r["dev_wer"] for r in read_log(tone_config.output) if "dev_wer" in r]
    assert len(lines) == len(rates) == 3
    for i, line in enumerate(lines):
        assert line.endswith("(best so far)") == (i > 0 and rates[i] < min(rates[:i])), line
