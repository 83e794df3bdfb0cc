"""A network that learns, with the optimizer that moves its weights and the moving average of them that is evaluated and kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import nn

from asr.config import OptimizerConfig
from asr.errors import AsrError
from asr.train.schedule import learning_rate
from asr.train.state import MovingAverage, Place, load_state, save_state

STATES_KEPT = 2  # checkpoints to resume from: the newest, and the one before in case of damage


class Learner:
    """What a step of the optimizer changes, and a checkpoint holds."""

    def __init__(self, network: nn.Module, average: nn.Module, config: OptimizerConfig):
        self.network, self.config = network, config
        self.averaging = MovingAverage(network, average, config.ema_decay)
        self.optimizer = _adamw(network, config)

    @property
    def learning_rate(self) -> float:
        """of the last step"""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, number: int, progress: float) -> float:
        """Take step `number` (from 0) along the gradients and forget them; returns their norm, as it was before it was clipped.

        `progress` is the share of the run that lies behind, in [0, 1]. Where the norm is not finite the weights stay as they are.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(number, progress, self.config)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.averaging.update(number)
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def resume(self, folder: Path) -> Place | None:
        """Go back to the newest checkpoint of a run's folder; None where there is none yet. Raises what `load_state` raises."""
        states = sorted((folder / "states").glob("step-*"))
        return load_state(states[-1], self.network, self.averaging.average, self.optimizer) if states else None

    def save(self, folder: Path, place: Place) -> None:
        """Write a checkpoint into a run's folder and drop the oldest. Raises AsrError, saying what is left, when it cannot be written."""
        states = folder / "states"
        try:
            save_state(states / f"step-{place.step:08d}", self.network, self.averaging.average, self.optimizer, place)
        except OSError as e:
            kept = sorted(states.glob("step-*"))
            still = f"; {kept[-1]} is whole, and the same command goes on from it" if kept else ""
            raise AsrError(f"{e.filename}: checkpoint not written: {e.strerror}{still}") from None
        for old in sorted(states.glob("step-*"))[:-STATES_KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def _adamw(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Weight matrices decay, biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
