"""A teacher's targets as a second loss: a linear head predicts them from the states of one listener layer.

Dense targets help a small corpus (Guo et al. 2022, arXiv 2211.00508). The head is used in training only: checkpoints hold it, model folders
do not.

Shapes: B utterances, T' states of the layer, H their size, K real states with targets, R rows of targets, W bytes per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from asr.config import Config
from asr.errors import ConfigError
from asr.model.block import real_frames
from asr.model.las import LAS
from asr.speech.batches import Example, TeacherRows
from asr.speech.teacher_targets import CLASSES, SLACK_SECONDS, ZERO, TeacherTargets

DEVIATION = 28.0  # bytes per unit of the head's output, so that it starts at the targets' order of magnitude


class StudentLosses(NamedTuple):
    """Losses summed over the batch: those of the network, and the distance to the teacher."""

    total: Tensor
    attention: Tensor
    ctc: Tensor
    distance: Tensor  # () over states with targets, in units of the targets' variance or in nats per code book


class Student(nn.Module):
    """A network, and the head that predicts a teacher's targets from its states. `forward` adds the distance to the network's losses.

    Args:
        network: The recogniser.
        targets: The teacher's targets.
        layer: Listener layer, from 1. None: the last.
    """

    def __init__(self, network: LAS, targets: TeacherTargets, layer: int | None):
        super().__init__()
        self.network = network
        listener = network.config.listener
        self.layer = (layer or len(listener.reductions)) - 1
        self.state_seconds = listener.reductions[self.layer] * network.config.frontend.hop_ms / 1000
        self.row_seconds = targets.row_seconds
        self.head = nn.Linear(network.listener.layout.size, targets.width * (1 if targets.kind == "vectors" else CLASSES))
        self.scale: Tensor | None
        self.register_buffer("scale", targets.scale, persistent=False)

    def forward(self, teacher: TeacherRows, *inputs: Any) -> StudentLosses:
        """Compute the losses from the targets of a batch and the arguments of `LAS.forward`."""
        outputs: list[tuple[Tensor, Tensor]] = []

        def keep(layer: nn.Module, arguments: Any, output: tuple[Tensor, Tensor]) -> None:
            outputs.append(output)

        hook = self.network.listener.layers[self.layer].register_forward_hook(keep)
        try:
            losses = self.network(*inputs)
        finally:
            hook.remove()
        return StudentLosses(losses.total, losses.attention, losses.ctc, self.distance(*outputs[0], teacher))

    def distance(self, states: Tensor, lengths: Tensor, teacher: TeacherRows) -> Tensor:
        """Return the distance of states (B, T', H) with lengths (B,) to the rows at their time, summed."""
        place = rows_of_states(states.shape[1], self.state_seconds / self.row_seconds, teacher)
        known = real_frames(lengths, states.shape[1]) & (place >= 0)
        predicted = self.head(states[known]).float()  # (K, W) or (K, W * CLASSES)
        utterance = torch.arange(len(states), device=states.device)[:, None].expand_as(place)
        rows = teacher.rows[utterance[known], place[known]]  # (K, W)
        if self.scale is not None:
            return ((predicted * DEVIATION - (rows.float() - ZERO)) * self.scale).square().sum()
        nats = nn.functional.cross_entropy(predicted.reshape(-1, CLASSES), rows.reshape(-1).long(), reduction="sum")
        return nats / rows.shape[1]


def rows_of_states(states: int, rows_per_state: float, teacher: TeacherRows) -> Tensor:
    """Return the row (B, T') at the middle of each state, -1 for utterances without targets.

    Speed perturbation by a factor s shortens an utterance to 1 / s, so a state spans s times as many rows.
    """
    middles = (torch.arange(states, device=teacher.speeds.device) + 0.5) * rows_per_state
    return (middles * teacher.speeds[:, None]).long().minimum(teacher.counts[:, None] - 1)


def recogniser(network: nn.Module) -> LAS:
    """Return the recogniser of a student, or the recogniser itself."""
    inner = network.network if isinstance(network, Student) else network
    assert isinstance(inner, LAS)
    return inner


def read_targets(config: Config) -> TeacherTargets | None:
    """Return the targets of a run, or None if they have no weight. Raises UsageError naming a file that cannot be used."""
    return TeacherTargets(config.data.teacher) if config.train.teacher_weight else None


def check_targets(targets: TeacherTargets, examples: Sequence[Example], folders: Sequence[Path]) -> str:
    """Drop targets whose length differs from their utterance's. Returns a line for the log. Raises ConfigError if none is left."""
    found = [e for e in examples if e.utterance.id in targets]
    targets.drop([e.utterance.id for e in found if abs(targets.seconds(e.utterance.id) - e.seconds) > SLACK_SECONDS])
    kept = sum(e.utterance.id in targets for e in found)
    if not kept:
        why = "differ in length from their utterances" if found else "have the ids of other utterances"
        raise ConfigError(f"data.teacher: the targets in {', '.join(map(str, folders))} {why}: make them for the manifests of data.train")
    dropped = f"; {len(found) - kept} skipped, since their length differs from the utterance's" if kept < len(found) else ""
    return f"a teacher's targets for {kept} of {len(examples)} utterances ({targets.width} {targets.kind}){dropped}"
