"""A run between two stops: where it stands, the time it takes, when it writes a checkpoint, and when it ends early."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from asr.errors import AsrError
from asr.train.learner import Learner
from asr.train.signals import Interruption
from asr.train.state import Place


class Interrupted(AsrError):
    """Training was asked to stop, and has left a checkpoint to go on from."""

    exit_code = 130


class Sitting:
    """What the training loops do around each step: `stepped` right after the optimizer's, `end_step` after logging."""

    def __init__(self, folder: Path, learner: Learner, place: Place, accelerator: Accelerator, interruption: Interruption):
        self.folder, self.learner, self.place = folder, learner, place
        self.accelerator, self.interruption = accelerator, interruption
        self._checkpoint = self._clock = time.monotonic()
        self._stop = self._due = 0.0  # processes that wish to end, and to write a checkpoint

    def stepped(self, epoch: int, step: int, steps: int, heard: float, losses: Tensor) -> list[float]:
        """Move the place on, now that `step` of the `steps` of `epoch` is done. Returns the losses, summed over the processes.

        `heard` is the training data of the whole step (seconds of audio, or tokens), `losses` this process's sums (n,). Step time
        is averaged over ranks (s), so that every rank computes the same remaining time.
        """
        place, now = self.place, time.monotonic()
        place.step += 1
        took, self._clock = now - self._clock, now
        place.heard += heard
        place.epoch, place.step_in_epoch = (epoch + 1, 0) if step + 1 == steps else (epoch, step + 1)
        # One exchange between the processes: their losses, and what any of them wants to do next.
        due = now - self._checkpoint > 60 * self.learner.config.checkpoint_minutes
        wishes = torch.tensor([took, self.interruption.asked, due], device=losses.device)
        *sums, took, self._stop, self._due = self.accelerator.reduce(torch.cat([losses, wishes.to(losses)]), "sum").tolist()
        place.seconds += took / self.accelerator.num_processes
        return sums

    def end(self) -> None:
        """After the last step. Raises Interrupted when the run was asked to stop since."""
        if self.accelerator.reduce(torch.tensor(float(self.interruption.asked), device=self.accelerator.device), "sum") > 0:
            raise Interrupted("stopped after the last step; the same command makes the model")

    def progress(self, epochs: float) -> float:
        """The share of the run that lies behind after so many epochs, in [0, 1]: of its epochs, minutes or steps, whichever is most."""
        config, place = self.learner.config, self.place
        minutes = place.seconds / 60 / config.minutes if config.minutes else 0.0
        steps = place.step / config.steps if config.steps else 0.0
        return min(1.0, max(epochs / config.epochs, minutes, steps))

    @property
    def over(self) -> bool:
        """Whether all epochs are, or all minutes or steps."""
        return self.progress(self.place.epoch) >= 1

    def end_step(self, evaluated: bool) -> None:
        """Write a checkpoint, if there was an evaluation or it is time. Raises Interrupted when the run was asked to stop."""
        if evaluated or self._stop or self._due:
            if self.accelerator.is_main_process:
                self.learner.save(self.folder, self.place)
            self.accelerator.wait_for_everyone()
            self._checkpoint = time.monotonic()
        if self._stop:
            raise Interrupted(f"stopped at step {self.place.step}; the same command goes on from there")
        self._clock = time.monotonic()  # evaluations and checkpoints are no training
