"""A step of the optimizer: no longer than it may be, with decay where it belongs, and left out where the gradient is not finite."""

from __future__ import annotations

import copy
import errno
from pathlib import Path

import pytest
import torch
from torch import nn

from asr.config import OptimizerConfig, TrainConfig
from asr.errors import AsrError
from asr.train import learner as learners
from asr.train.learner import Learner, learning_rate
from asr.train.state import Position

CONFIG = OptimizerConfig(
    learning_rate=0.01, final_learning_rate=0.01, warmup_steps=0, weight_decay=0.1, gradient_clip=5.0, ema_decay=0.9
)  # fmt: skip


def learner() -> Learner:
    """Of a network of 16 weights, all of them 1, as are those of its average."""
    network = nn.Sequential(nn.LayerNorm(2), nn.Linear(2, 4))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    return Learner(network, copy.deepcopy(network), CONFIG)


def set_gradients(network: nn.Module, gradient: float) -> None:
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, gradient)


def weights(network: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


@pytest.mark.parametrize(("gradient", "norm", "length"), [(1.0, 4.0, 4.0), (10.0, 40.0, 5.0)])
def test_a_long_gradient_is_clipped_and_its_norm_before_that_is_returned(gradient: float, norm: float, length: float) -> None:
    learns = learner()
    learns.optimizer = torch.optim.SGD(learns.network.parameters())  # a step of AdamW does not tell how long the gradient was
    set_gradients(learns.network, gradient)
    assert learns.step(0, 0.0) == pytest.approx(norm)
    assert float((weights(learns.network) - 1).norm()) == pytest.approx(0.01 * length, rel=1e-4)


def test_matrices_decay_and_biases_and_norms_do_not() -> None:
    learns = learner()
    set_gradients(learns.network, 0.0)
    learns.step(0, 0.0)
    for name, parameter in learns.network.named_parameters():
        expected = 1 - 0.01 * 0.1 if name == "1.weight" else 1.0
        torch.testing.assert_close(parameter.detach(), torch.full_like(parameter, expected), msg=name)


def test_the_average_follows_the_weights() -> None:
    learns = learner()
    set_gradients(learns.network, 1.0)
    learns.step(0, 0.0)
    assert (weights(learns.network) < 1).all()
    torch.testing.assert_close(weights(learns.averaging.average), 0.1 * 1 + 0.9 * weights(learns.network))  # 1/10 is kept at first


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_nothing(broken: float) -> None:
    learns = learner()
    set_gradients(learns.network, 1.0)
    gradient = learns.network.get_parameter("1.weight").grad
    assert gradient is not None
    gradient[0, 0] = broken
    assert not torch.isfinite(torch.tensor(learns.step(0, 0.0)))
    assert (weights(learns.network) == 1).all()
    assert (weights(learns.averaging.average) == 1).all()
    assert all(parameter.grad is None for parameter in learns.network.parameters())

    fresh = learner()
    for one in (learns, fresh):
        set_gradients(one.network, 1.0)
        one.step(0, 0.0)
    assert torch.equal(weights(learns.network), weights(fresh.network))  # as if it had never been


SCHEDULE = TrainConfig(learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=100)


@pytest.mark.parametrize(
    ("step", "progress", "expected"),
    [(0, 0.0, 1e-5), (49, 0.0, 5e-4), (99, 0.0, 1e-3), (1000, 0.5, (1e-3 + 1e-5) / 2), (2000, 1.0, 1e-5)],
)
def test_the_learning_rate_hand_worked(step: int, progress: float, expected: float) -> None:
    assert learning_rate(step, progress, SCHEDULE) == pytest.approx(expected)


def test_without_warm_up_the_learning_rate_starts_at_its_maximum() -> None:
    assert learning_rate(0, 0.0, TrainConfig(learning_rate=1e-3, warmup_steps=0)) == pytest.approx(1e-3)


def test_a_full_disk_names_what_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learns = learner()
    learns.save(tmp_path, Position(step=3))
    monkeypatch.setattr(
        learners, "save_state", lambda folder, *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left", str(folder)))
    )
    states = tmp_path / "states"
    expected = (
        f"{states}/step-00000004: checkpoint not written: No space left; {states}/step-00000003 is complete: free some space and run .*"
    )
    with pytest.raises(AsrError, match=expected):
        learns.save(tmp_path, Position(step=4))
