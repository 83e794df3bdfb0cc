"""A model folder: `model.safetensors`, `config.yaml`, `tokenizer.model` and `README.md`, the model card.

Nothing in it is ever unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from asr.config import ModelFolderConfig
from asr.config_file import dump_config, load_config
from asr.errors import ModelError, UsageError
from asr.files import atomic_folder
from asr.model.las import LAS
from asr.text.tokenizer import Tokenizer

WEIGHTS, CONFIG, TOKENIZER, CARD = "model.safetensors", "config.yaml", "tokenizer.model", "README.md"


@dataclass(frozen=True)
class TrainedModel:
    """A network with all that is needed to use it."""

    network: LAS
    tokenizer: Tokenizer
    config: ModelFolderConfig
    card: str = ""


def save_model(folder: Path, model: TrainedModel, half: bool = False) -> None:
    """Write a model folder, all of it or nothing; `half` stores 16-bit floats. Raises OSError naming the folder."""
    weights = {
        name: tensor.half() if half and tensor.is_floating_point() else tensor for name, tensor in model.network.state_dict().items()
    }
    with atomic_folder(folder) as partial:
        (partial / WEIGHTS).write_bytes(tensor_bytes(weights))
        (partial / CONFIG).write_text(dump_config(model.config), encoding="utf-8")
        (partial / TOKENIZER).write_bytes(model.tokenizer.serialized)
        (partial / CARD).write_text(model.card, encoding="utf-8")


def load_model(folder: Path, device: torch.device | str = "cpu") -> TrainedModel:
    """Read a model folder, ready to transcribe (float32, evaluation mode).

    Raises UsageError when there is no such folder, ModelError when a file of it is missing, damaged or does not fit.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such model folder")
    missing = [name for name in (WEIGHTS, CONFIG, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: not a whole model folder: {' and '.join(missing)} missing")
    config = load_config(ModelFolderConfig, folder / CONFIG)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    network = LAS(config.model, len(tokenizer))
    load_weights(network, read_tensors(folder / WEIGHTS), folder / WEIGHTS)
    card = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else ""
    return TrainedModel(network.to(device).eval(), tokenizer, config, card)


def load_weights(network: torch.nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Fill the network; raises ModelError naming `path` and the first tensor that is missing, left over or of another shape."""
    own = network.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        if name not in weights or name not in own:
            raise ModelError(f"{path}: {name} is {'missing' if name in own else 'unknown'}: the weights belong to another config.yaml")
        if own[name].shape != weights[name].shape:
            found, expected = tuple(weights[name].shape), tuple(own[name].shape)
            raise ModelError(
                f"{path}: {name} has shape {found}, expected {expected}: the weights belong to another config.yaml or tokenizer.model"
            )
    network.load_state_dict(weights)  # converts 16-bit floats to the network's own


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file. Raises ModelError when it cannot be read or is damaged."""
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as e:
        raise ModelError(f"{path}: damaged or not a safetensors file ({e}): copy or train it anew") from None


def tensor_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Tensors in the safetensors format."""
    return safetensors.torch.save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()})
