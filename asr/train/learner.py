"""A network that learns, with the optimizer that moves its weights and the moving average of them that is evaluated and kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from asr.config import OptimizerConfig
from asr.errors import AsrError, ModelError
from asr.train.run import from_main
from asr.train.schedule import learning_rate
from asr.train.state import DamagedState, MovingAverage, Place, best_steps, load_state, save_state, step_folders

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

    def resume(self, run: Path, accelerator: Accelerator, say: Callable[[str], None]) -> Place | None:
        """Load the newest checkpoint of a run's folder that is whole; None if the run has none yet.

        Rank 0 chooses it. A damaged checkpoint is reported, and set aside under the name `damaged-step-…`. Raises ModelError if all are
        damaged, or if one belongs to another config.
        """
        place = self._load_newest(run, say) if accelerator.is_main_process else None
        step = from_main(accelerator, lambda: place.step if place else None)
        if place is None and step is not None:
            place = self._load(step_folders(run / "states")[step], step)
        return place

    def _load_newest(self, run: Path, say: Callable[[str], None]) -> Place | None:
        folders = step_folders(run / "states")
        damaged: list[DamagedState] = []
        for step, folder in reversed(folders.items()):
            try:
                place = self._load(folder, step)
            except DamagedState as e:
                damaged.append(e)
                continue
            for error, spoilt in zip(damaged, reversed(folders.values()), strict=False):
                aside = spoilt.with_name(f"damaged-{spoilt.name}")
                shutil.rmtree(aside, ignore_errors=True)
                spoilt.rename(aside)
                say(f"{error}: damaged, now {aside.name}: going back to step {step}")
            return place
        if damaged:
            raise ModelError(f"{'; '.join(map(str, damaged))}: no whole checkpoint is left: put one back, or begin anew with --restart")
        return None

    def _load(self, folder: Path, step: int) -> Place:
        place = load_state(folder, self.network, self.averaging.average, self.optimizer)
        if place.step != step:
            raise DamagedState(f"{folder}: is of step {place.step}")
        return place

    def save(self, folder: Path, place: Place) -> None:
        """Write a checkpoint into a run's folder and drop the oldest. Raises AsrError, saying what is left, when it cannot be written."""
        states = folder / "states"
        try:
            save_state(states / f"step-{place.step:08d}", self.network, self.averaging.average, self.optimizer, place)
        except OSError as e:
            kept = list(step_folders(states).values())
            still = f"; {kept[-1]} is whole, and the same command goes on from it" if kept else ""
            raise AsrError(f"{e.filename}: checkpoint not written: {e.strerror}{still}") from None
        for old in list(step_folders(states).values())[:-STATES_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def best_steps(self, run: Path) -> set[int]:
        """Steps whose weights any checkpoint of a run's folder names as the best: the run may have to go back to the one before."""
        return {step for checkpoint in step_folders(run / "states").values() for step in best_steps(checkpoint)}


def _adamw(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Weight matrices decay, biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
