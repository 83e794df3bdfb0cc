"""The state of a training run, as a folder from which it goes on bit for bit.

Random states are not in it: every step seeds its generators from (seed, step, process), so where a run stands is enough.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import safetensors.torch
import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from asr.errors import ModelError
from asr.files import atomic_folder
from asr.json_text import decode_json
from asr.model.checkpoint import load_weights, tensor_bytes

TENSORS, PLACE = "training.safetensors", "training.json"
DIGEST = "sha256"  # key in PLACE, of both files
_STEP = re.compile("step-([0-9]{8,})")
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)  # other errors, such as a missing permission, are no damage
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DamagedState(ModelError):
    """A checkpoint that is incomplete or altered, as opposed to one of another config."""


@dataclass
class Place:
    """Where a run stands."""

    step: Count = 0  # of the optimizer, over the whole run
    epoch: Count = 0
    step_in_epoch: Count = 0
    seconds: Amount = 0.0  # spent training, over all sittings
    heard: Amount = 0.0  # training data so far: seconds of audio, or tokens of text
    examples: str = ""  # a digest of the training data, where `step_in_epoch` depends on them
    pieces: str = ""  # a digest of the tokenizer's pieces, which the weights are of
    best: list[tuple[float, Count]] = field(default_factory=list)  # (dev WER in percent, or perplexity; step) of the kept, best first


_PLACE = TypeAdapter(Place)


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
    content, record = tensor_bytes(tensors), asdict(place)
    with atomic_folder(folder) as partial:
        (partial / TENSORS).write_bytes(content)
        (partial / PLACE).write_text(json.dumps(record | {DIGEST: _digest(content, record)}), encoding="utf-8")


def load_state(folder: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Place:
    """Set all to the values that `save_state` wrote.

    Raises:
        DamagedState: A file of the folder is missing, incomplete or altered, or holds NaN. Nothing has been set.
        OSError: A file may not be read.
        ModelError: The checkpoint is whole, but belongs to a network of another config or vocabulary.
    """
    tensors, place = _read(folder)
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
    return place


def step_folders(folder: Path) -> dict[int, Path]:
    """The folders named `step-00000123` in a folder, by their steps, in order. Other names are not looked at."""
    named = ((_STEP.fullmatch(path.name), path) for path in folder.glob("step-*"))
    return dict(sorted((int(match[1]), path) for match, path in named if match and path.is_dir()))


def best_steps(checkpoint: Path) -> set[int]:
    """Steps whose weights a checkpoint names as the best; none if it is damaged."""
    try:
        return {step for _, step in _read_place(checkpoint)[1].best}
    except DamagedState:
        return set()


def _read(folder: Path) -> tuple[dict[str, Tensor], Place]:
    """Tensors and place of a checkpoint. Raises DamagedState."""
    record, place = _read_place(folder)
    try:
        content = (folder / TENSORS).read_bytes()
        digest = record.pop(DIGEST, None)  # checkpoints of older versions have none
        if digest is not None and digest != _digest(content, record):
            raise DamagedState(f"{folder}: {TENSORS} or {PLACE} is not as it was written")
        tensors = safetensors.torch.load(content)
    except _GONE as e:
        raise DamagedState(f"{folder / TENSORS}: {e.strerror}") from None
    except SafetensorError as e:
        raise DamagedState(f"{folder / TENSORS}: {e}") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise DamagedState(f"{folder / TENSORS}: {name} holds values that are not finite")
    return tensors, place


def _read_place(folder: Path) -> tuple[dict[str, Any], Place]:
    """`training.json` as it is, and as a place. Raises DamagedState."""
    path = folder / PLACE
    try:
        record = decode_json(path.read_bytes())
        if not isinstance(record, dict) or not {field.name for field in fields(Place)} - {"examples", "pieces"} <= record.keys():
            raise DamagedState(f"{path}: not the place of a run")
        place = _PLACE.validate_python({key: value for key, value in record.items() if key != DIGEST}, strict=False)
    except _GONE as e:
        raise DamagedState(f"{path}: {e.strerror}") from None
    except ValidationError as e:
        key, message = ".".join(map(str, e.errors()[0]["loc"])), e.errors()[0]["msg"]
        raise DamagedState(f"{path}: {key}: {message}") from None
    except ValueError as e:  # no JSON, or not UTF-8
        raise DamagedState(f"{path}: {e}") from None
    return record, place


def _digest(content: bytes, record: dict[str, Any]) -> str:
    """Of both files of a checkpoint."""
    return hashlib.sha256(content + json.dumps(record, sort_keys=True).encode()).hexdigest()


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
