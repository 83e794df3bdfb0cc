"""One optimizer step: the network, its optimizer and learning rate, and the moving average of its weights."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from asr.config import OptimizerConfig
from asr.errors import AsrError, ModelError
from asr.train.device import from_rank_0
from asr.train.state import DamagedState, MovingAverage, Position, best_steps, load_state, save_state, step_folders

KEPT_CHECKPOINTS = 2  # the newest, and the one before in case of damage


class Learner:
    """A network in training, with everything that an optimizer step changes and a checkpoint holds.

    Args:
        network: Trained in place.
        average: Network of the same shape for the moving average of the weights, which is evaluated and kept.
        config: Optimizer and schedule.
    """

    def __init__(self, network: nn.Module, average: nn.Module, config: OptimizerConfig):
        self.network, self.config = network, config
        self.averaging = MovingAverage(network, average, config.ema_decay)
        self.optimizer = _adamw(network, config)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, number: int, progress: float) -> float:
        """Take an optimizer step and clear the gradients. If their norm is not finite, the weights stay unchanged.

        Args:
            number: Number of the step, from 0.
            progress: Completed fraction of the run, in [0, 1].

        Returns:
            The gradient norm before clipping.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(number, progress, self.config)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.averaging.update(number)
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def resume(self, run: Path, accelerator: Accelerator, say: Callable[[str], None]) -> Position | None:
        """Load the newest undamaged checkpoint of a run. Rank 0 chooses it.

        Args:
            run: The run's folder.
            accelerator: The processes.
            say: Prints a line for each damaged checkpoint, which is renamed to `damaged-step-...`.

        Returns:
            The position of the run, or None if it has no checkpoint yet.

        Raises:
            ModelError: All checkpoints are damaged, or one belongs to another config.
        """
        position = self._load_newest(run, say) if accelerator.is_main_process else None
        step = from_rank_0(accelerator, lambda: position.step if position else None)
        if position is None and step is not None:
            position = self._load(step_folders(run / "states")[step], step)
        return position

    def _load_newest(self, run: Path, say: Callable[[str], None]) -> Position | None:
        folders = step_folders(run / "states")
        damaged: list[DamagedState] = []
        for step, folder in reversed(folders.items()):
            try:
                position = self._load(folder, step)
            except DamagedState as e:
                damaged.append(e)
                continue
            for error, broken in zip(damaged, reversed(folders.values()), strict=False):
                renamed = broken.with_name(f"damaged-{broken.name}")
                shutil.rmtree(renamed, ignore_errors=True)
                broken.rename(renamed)
                say(f"{error}: damaged, renamed to {renamed.name}: going back to step {step}")
            return position
        if damaged:
            raise ModelError(
                f"{'; '.join(map(str, damaged))}: no undamaged checkpoint is left: put one back, or start again with --restart"
            )
        return None

    def _load(self, folder: Path, step: int) -> Position:
        position = load_state(folder, self.network, self.averaging.average, self.optimizer)
        if position.step != step:
            raise DamagedState(f"{folder}: is of step {position.step}")
        return position

    def save(self, folder: Path, position: Position) -> None:
        """Write a checkpoint into a run's folder and delete the oldest. Raises AsrError, naming the last one, if it cannot be written."""
        states = folder / "states"
        try:
            save_state(states / f"step-{position.step:08d}", self.network, self.averaging.average, self.optimizer, position)
        except OSError as e:
            kept = list(step_folders(states).values())
            still = f"; {kept[-1]} is complete" if kept else ""
            advice = ": free some space and run the same command again" if e.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise AsrError(f"{e.filename}: checkpoint not written: {e.strerror}{still}{advice}") from None
        for old in list(step_folders(states).values())[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old, ignore_errors=True)

    def best_steps(self, run: Path) -> set[int]:
        """Return the steps whose weights any checkpoint of a run names as the best. The run may fall back to an older checkpoint."""
        return {step for checkpoint in step_folders(run / "states").values() for step in best_steps(checkpoint)}


def _adamw(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW with weight decay for matrices, and none for biases and norms."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def learning_rate(step: int, progress: float, config: OptimizerConfig) -> float:
    """Linear warm-up over `warmup_steps`, times a half cosine from `learning_rate` to `final_learning_rate`.

    A pure function, so a resumed run needs no state for it.

    Args:
        step: Number of the step, from 0.
        progress: Completed fraction of the run, in [0, 1].
        config: Optimizer and schedule.
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    falling = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return warm * (config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * falling)
