"""Which weights of a run are evaluated, kept and made its model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from asr.config import Config
from asr.model.checkpoint import TrainedModel, load_model, read_tensors
from asr.score.wer import score
from asr.train.evaluation import Evaluation
from asr.train.trainer import Trainer


class Judge:
    """Finds a model's dev WER as it was told beforehand, and remembers the weights that it was shown."""

    def __init__(self, wers: list[int]):
        self.wers = wers  # of the evaluations to come (%): 0, 25, 50, 75 or 100
        self.shown: list[dict[str, Tensor]] = []

    def __call__(self, model: TrainedModel, *_: object) -> Evaluation:
        wrong = ["X"] * (self.wers[len(self.shown)] // 25)
        self.shown.append({name: tensor.clone() for name, tensor in model.network.state_dict().items()})
        return Evaluation(score(["A A A A"], [" ".join([*wrong, "A", "A", "A", "A"][:4])]), evidence=[])


def judged(monkeypatch: pytest.MonkeyPatch, *wers: int) -> Judge:
    judge = Judge(list(wers))
    monkeypatch.setattr("asr.train.trainer.evaluate", judge)
    return judge


def run(config: Config, **train: float) -> Path:
    """A run with a step an epoch and an evaluation after each; returns its folder."""
    changes = {"batch_seconds": 1000, "evaluate_epochs": 1, "warmup_steps": 0} | train
    Trainer(config.model_copy(update={"train": config.train.model_copy(update=changes)})).run()
    return config.output


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_moving_average_is_evaluated_and_kept_and_becomes_the_model(tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judged(monkeypatch, 50, 50)
    folder = run(tone_config, epochs=1)
    state = read_tensors(folder / "states" / "step-00000001" / "training.safetensors")
    average, raw = ({n.removeprefix(p): t for n, t in state.items() if n.startswith(p)} for p in ("average.", "network."))
    assert not same(average, raw)
    assert same(judge.shown[0], average)
    assert same(read_tensors(folder / "best" / "step-00000001" / "model.safetensors"), average)
    assert same(read_tensors(folder / "model" / "model.safetensors"), {name: tensor.half() for name, tensor in average.items()})


@pytest.mark.parametrize("wer_of_the_average", [25, 75])
def test_the_best_weights_are_kept_and_averaged_if_that_is_better(
    tone_config: Config, monkeypatch: pytest.MonkeyPatch, wer_of_the_average: int
) -> None:
    judge = judged(monkeypatch, 50, 25, 75, 25, 50, wer_of_the_average)
    folder = run(tone_config, epochs=4, keep_best=2)
    assert len(judge.shown) == 6  # after each epoch, then the best checkpoint and the average
    assert sorted(path.name for path in (folder / "best").iterdir()) == ["step-00000002", "step-00000004"]
    place = json.loads((folder / "states" / "step-00000004" / "training.json").read_text(encoding="utf-8"))
    assert place["best"] == [[25.0, 4], [25.0, 2]]  # of equals the later one

    model = load_model(folder / "model")
    second, fourth = judge.shown[1], judge.shown[3]
    for name, tensor in model.network.state_dict().items():
        expected = torch.stack([fourth[name], second[name]]).mean(0) if wer_of_the_average < 50 else fourth[name]
        assert torch.equal(tensor, expected.half().float()), name
    assert ("| weights | the average of the best 2 checkpoints |" in model.card) == (wer_of_the_average < 50)
