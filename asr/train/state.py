"""The state of a training run, as a folder from which it goes on bit for bit.

Random states are not in it: every step seeds its generators from (seed, step, process), so where a run stands is enough.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asr.errors import ModelError
from asr.files import atomic_folder
from asr.model.checkpoint import load_weights, read_tensors, tensor_bytes

TENSORS, PLACE = "training.safetensors", "training.json"


@dataclass
class Place:
    """Where a run stands."""

    step: int = 0  # of the optimizer, over the whole run
    epoch: int = 0
    step_in_epoch: int = 0
    seconds: float = 0.0  # spent training, over all sittings
    heard: float = 0.0  # of training data so far: seconds of audio, or tokens of text
    examples: str = ""  # a digest of what is trained on, where `step_in_epoch` depends on it
    best: list[tuple[float, int]] = field(
        default_factory=list
    )  # (dev WER in percent, or perplexity; step) of the checkpoints kept, best first


class MovingAverage:
    """An exponential moving average of a network's weights; `average` is a network of its own.

    The decay warms up as (1 + n) / (10 + n), so that early averages are not dominated by the random start.
    """

    def __init__(self, network: nn.Module, average: nn.Module, decay: float):
        self.network, self.average, self.decay = network, average.requires_grad_(False).eval(), decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimizer step `step` (from 0)."""
        keep = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - keep)


def save_state(folder: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, place: Place) -> None:
    """Write everything, or nothing. Raises OSError naming the folder."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in network.named_parameters():
        tensors |= {f"optimizer.{key}.{name}": value for key, value in optimizer.state[parameter].items()}
    with atomic_folder(folder) as partial:
        (partial / TENSORS).write_bytes(tensor_bytes(tensors))
        (partial / PLACE).write_text(json.dumps(asdict(place)), encoding="utf-8")


def load_state(folder: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Place:
    """Set all to what `save_state` wrote. Raises ModelError when the folder is damaged or belongs to another config."""
    tensors = read_tensors(folder / TENSORS)
    load_weights(network, _under("network.", tensors), folder / TENSORS)
    load_weights(average, _under("average.", tensors), folder / TENSORS)
    moments = _under("optimizer.", tensors)
    for name, parameter in network.named_parameters():
        state: dict[str, Any] = {}
        for key in ("step", "exp_avg", "exp_avg_sq"):
            if f"{key}.{name}" in moments:
                value = moments[f"{key}.{name}"]
                state[key] = value if key == "step" else value.to(parameter.device)
        optimizer.state[parameter] = state
    try:
        place = Place(**json.loads((folder / PLACE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as e:
        raise ModelError(f"{folder / PLACE}: damaged ({e}): delete {folder} to go on from the checkpoint before") from None
    place.best = [(wer, step) for wer, step in place.best]
    return place


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
