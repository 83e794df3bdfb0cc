"""One session of a run, between start and stop: its position, time, checkpoints and end."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from asr.errors import AsrError
from asr.train.folder import delete_best_except
from asr.train.learner import Learner
from asr.train.signals import Interruption
from asr.train.state import Position


class Interrupted(AsrError):
    """Training was stopped by a signal. It left a checkpoint."""

    exit_code = 130


class Session:
    """Bookkeeping of the training loops. Call `record_step` after each optimizer step, and `finish_step` when it has been logged.

    Args:
        folder: The run's folder.
        learner: Network and optimizer, for checkpoints.
        position: Updated in place.
        accelerator: The processes.
        interruption: Signals.
        finish: Take no further step.
    """

    def __init__(
        self, folder: Path, learner: Learner, position: Position, accelerator: Accelerator, interruption: Interruption, finish: bool = False
    ):
        self._finish = finish
        self.folder, self.learner, self.position = folder, learner, position
        self.accelerator, self.interruption = accelerator, interruption
        self._last_checkpoint = self._clock = time.monotonic()
        self._stop = self._due = 0.0  # number of processes that want to stop, or to write a checkpoint

    def record_step(self, epoch: int, step: int, steps: int, amount: float, losses: Tensor) -> list[float]:
        """Advance the position by a step and reduce its losses. Step time is averaged over ranks so that every rank computes the same
        remaining time.

        Args:
            epoch: Epoch of the step.
            step: Step within the epoch.
            steps: Steps of the epoch.
            amount: Training data of the step, over all processes (seconds of audio, or tokens).
            losses: (n,) sums of this process.

        Returns:
            The n sums over all processes.
        """
        position, now = self.position, time.monotonic()
        position.step += 1
        elapsed, self._clock = now - self._clock, now
        position.heard += amount
        position.epoch, position.step_in_epoch = (epoch + 1, 0) if step + 1 == steps else (epoch, step + 1)
        # One exchange for the losses and for the requests of all processes.
        due = now - self._last_checkpoint > 60 * self.learner.config.checkpoint_minutes
        requests = torch.tensor([elapsed, self.interruption.requested, due], device=losses.device)
        *sums, elapsed, self._stop, self._due = self.accelerator.reduce(torch.cat([losses, requests.to(losses)]), "sum").tolist()
        position.seconds += elapsed / self.accelerator.num_processes
        return sums

    def finish_step(self, evaluated: bool) -> None:
        """Write a checkpoint after an evaluation or when it is due. Raises Interrupted if a process was asked to stop."""
        is_main = self.accelerator.is_main_process
        if evaluated or self._stop or self._due:
            if is_main:
                self.learner.save(self.folder, self.position)
            self.accelerator.wait_for_everyone()
            self._last_checkpoint = time.monotonic()
        if self._stop:
            raise Interrupted(f"stopped at step {self.position.step}, with a checkpoint")
        if evaluated and is_main:  # no checkpoint needs the other weights any more
            delete_best_except(self.learner.best_steps(self.folder), self.folder)
        self._clock = time.monotonic()  # evaluations and checkpoints do not count as training time

    def finish(self) -> None:
        """End the session after the last step. Raises Interrupted if a process was asked to stop since."""
        if self.accelerator.reduce(torch.tensor(float(self.interruption.requested), device=self.accelerator.device), "sum") > 0:
            raise Interrupted("stopped after the last step, before the model was written")

    def progress(self, epochs: float) -> float:
        """Return the completed fraction of the run after so many epochs, in [0, 1]: the largest of epochs, minutes and steps."""
        config, position = self.learner.config, self.position
        minutes = position.seconds / 60 / config.minutes if config.minutes else 0.0
        steps = position.step / config.steps if config.steps else 0.0
        return min(1.0, max(epochs / config.epochs, minutes, steps))

    @property
    def over(self) -> bool:
        """Whether all epochs, minutes or steps are done, or no further step is wanted."""
        return self._finish or self.progress(self.position.epoch) >= 1
