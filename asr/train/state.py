"""Checkpoints of a training run, from which it resumes bit for bit.

They hold no random states: every step seeds its generators from (seed, step, process), so the position of the run is enough.
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

TENSORS, POSITION = "training.safetensors", "training.json"
DIGEST = "sha256"  # key in POSITION, of both files
_STEP = re.compile("step-([0-9]{8,})")
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)  # other errors, such as a missing permission, are no damage
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DamagedState(ModelError):
    """A checkpoint that is incomplete or altered, as opposed to one of another config."""


@dataclass
class Position:
    """The position of a run: its progress, and its best weights so far."""

    step: Count = 0  # optimizer steps of the whole run
    epoch: Count = 0
    step_in_epoch: Count = 0
    seconds: Amount = 0.0  # training time over all sessions (s)
    heard: Amount = 0.0  # training data so far (seconds of audio, or tokens of text)
    examples: str = ""  # digest of the training data, on which the meaning of `step_in_epoch` depends
    pieces: str = ""  # digest of the vocabulary
    best: list[tuple[float, Count]] = field(
        default_factory=list
    )  # (dev WER in percent or perplexity, step) of the kept weights, best first


_POSITION = TypeAdapter(Position)


class MovingAverage:
    """Exponential moving average of a network's weights, kept in the network `average`.

    The decay warms up as (1 + n) / (10 + n), so that the random start does not dominate early averages. torch's AveragedModel is not
    used: it renames all tensors and adds a counter to the checkpoint.
    """

    def __init__(self, network: nn.Module, average: nn.Module, decay: float):
        self.network, self.average, self.decay = network, average.requires_grad_(False).eval(), decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Include the weights after optimizer step `step` (from 0)."""
        keep = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - keep)


def save_state(folder: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, position: Position) -> None:
    """Write a checkpoint, all of it or nothing. Raises OSError naming the folder."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in network.named_parameters():
        tensors |= {f"optimizer.{key}.{name}": value for key, value in optimizer.state[parameter].items()}
    content, record = tensor_bytes(tensors), asdict(position)
    with atomic_folder(folder) as partial:
        (partial / TENSORS).write_bytes(content)
        (partial / POSITION).write_text(json.dumps(record | {DIGEST: _digest(content, record)}), encoding="utf-8")


def load_state(folder: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
    """Load the checkpoint that `save_state` wrote into a folder.

    Raises:
        DamagedState: A file of the folder is missing, incomplete or altered, or holds NaN. Nothing has been set.
        OSError: A file may not be read.
        ModelError: The checkpoint is whole, but belongs to a network of another config or vocabulary.
    """
    tensors, position = _read(folder)
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
    return position


def step_folders(folder: Path) -> dict[int, Path]:
    """Return the folders named like `step-00000123` in a folder, by step in ascending order. Other names are ignored."""
    named = ((_STEP.fullmatch(path.name), path) for path in folder.glob("step-*"))
    return dict(sorted((int(match[1]), path) for match, path in named if match and path.is_dir()))


def best_steps(checkpoint: Path) -> set[int]:
    """Return the steps whose weights a checkpoint names as the best; none if it is damaged."""
    try:
        return {step for _, step in _read_position(checkpoint)[1].best}
    except DamagedState:
        return set()


def last_position(run: Path) -> Position | None:
    """Return the position of a run's newest checkpoint whose position can be read, or None if there is none."""
    for checkpoint in reversed(step_folders(run / "states").values()):
        try:
            return _read_position(checkpoint)[1]
        except DamagedState:
            continue
    return None


def _read(folder: Path) -> tuple[dict[str, Tensor], Position]:
    """Read the tensors and position of a checkpoint. Raises DamagedState."""
    record, position = _read_position(folder)
    try:
        content = (folder / TENSORS).read_bytes()
        digest = record.pop(DIGEST, None)  # checkpoints of older versions have none
        if digest is not None and digest != _digest(content, record):
            raise DamagedState(f"{folder}: {TENSORS} or {POSITION} differs from what was written")
        tensors = safetensors.torch.load(content)
    except _MISSING as e:
        raise DamagedState(f"{folder / TENSORS}: {e.strerror}") from None
    except SafetensorError as e:
        raise DamagedState(f"{folder / TENSORS}: {e}") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise DamagedState(f"{folder / TENSORS}: {name} holds values that are not finite")
    return tensors, position


def _read_position(folder: Path) -> tuple[dict[str, Any], Position]:
    """Read `training.json`, as it is and as a position. Raises DamagedState."""
    path = folder / POSITION
    try:
        record = decode_json(path.read_bytes())
        if not isinstance(record, dict) or not {field.name for field in fields(Position)} - {"examples", "pieces"} <= record.keys():
            raise DamagedState(f"{path}: not the position of a run")
        position = _POSITION.validate_python({key: value for key, value in record.items() if key != DIGEST}, strict=False)
    except _MISSING as e:
        raise DamagedState(f"{path}: {e.strerror}") from None
    except ValidationError as e:
        key, message = ".".join(map(str, e.errors()[0]["loc"])), e.errors()[0]["msg"]
        raise DamagedState(f"{path}: {key}: {message}") from None
    except ValueError as e:  # no JSON, or not UTF-8
        raise DamagedState(f"{path}: {e}") from None
    return record, position


def _digest(content: bytes, record: dict[str, Any]) -> str:
    """Digest of both files of a checkpoint."""
    return hashlib.sha256(content + json.dumps(record, sort_keys=True).encode()).hexdigest()


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
