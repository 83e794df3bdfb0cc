"""Model folders: `model.safetensors`, `config.yaml`, `tokenizer.model` and `README.md` (the model card).

A recogniser's folder may hold a language model in `lm/` and a text restorer in `text/`, folders of the same form, and an n-gram model over
words in `words.safetensors`. Nothing is ever unpickled.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from asr.config import DecodeConfig, LMFolderConfig, ModelFolderConfig, Section
from asr.config_file import described_kind, dump_config, load_config, with_article
from asr.errors import ModelError, UsageError
from asr.files import atomic_folder, recover_folder, write_atomically
from asr.model import words
from asr.model.kinds import build_language_model
from asr.model.las import LAS
from asr.model.lm import LanguageModel
from asr.model.run_folder import WEIGHTS, find_model
from asr.text.tokenizer import Tokenizer

CONFIG, TOKENIZER, CARD = "config.yaml", "tokenizer.model", "README.md"
LM, TEXT, WORDS = "lm", "text", "words.safetensors"  # language model, text restorer and n-grams over words in a recogniser's folder
LM_WEIGHT = 0.5  # of a language model that is given to a recogniser without one

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class TrainedLM:
    """A language model, with its tokenizer, config and card."""

    network: LanguageModel
    tokenizer: Tokenizer
    config: LMFolderConfig
    card: str = ""


@dataclass(frozen=True)
class TrainedModel:
    """A recogniser, with its tokenizer, config, card and language model."""

    network: LAS
    tokenizer: Tokenizer
    config: ModelFolderConfig
    card: str = ""
    lm: TrainedLM | None = None
    """For the search. It has the same vocabulary."""
    words: words.WordNGram | None = None
    """For the search, beside the language model."""

    @property
    def search(self) -> DecodeConfig:
        """The model's own search. The weights of language models that it lacks are 0."""
        lacking = {"lm_weight": self.lm, "words_weight": self.words}
        return self.config.decode.model_copy(update={weight: 0.0 for weight, found in lacking.items() if found is None})

    def with_lm(self, folder: Path | None) -> TrainedModel:
        """Return the model with another language model.

        Args:
            folder: The language model's folder, or None for no language model. Its weight is LM_WEIGHT if the model's search has none.

        Raises:
            UsageError: There is no such folder, or it holds a recogniser.
            ModelError: The folder is damaged, or its vocabulary differs from the recogniser's.
        """
        if folder is None:
            return replace(self, lm=None)
        found = load_lm(folder, self.network.frontend.mean.device)
        if found.tokenizer.pieces != self.tokenizer.pieces:
            raise ModelError(f"{folder}: its pieces are not the recogniser's: train it with tokenizer.model={TOKENIZER} of the recogniser")
        decode = self.config.decode
        decode = decode if decode.lm_weight else decode.model_copy(update={"lm_weight": LM_WEIGHT})
        return replace(self, lm=found, config=self.config.model_copy(update={"decode": decode}))


def save_model(folder: Path, model: TrainedModel, half: bool = False, restorer: Path | None = None) -> None:
    """Write a recogniser's folder with its language model and its text restorer, all of it or nothing.

    Args:
        folder: Created, or replaced.
        model: The recogniser.
        half: Store 16-bit floats.
        restorer: Folder of a text restorer, which is copied.

    Raises:
        OSError: The folder cannot be written. The error names it.
    """
    with atomic_folder(folder) as partial:
        if restorer:
            shutil.copytree(restorer, partial / TEXT)
        write_folder(partial, model.network, model.tokenizer, model.config, model.card, half)
        if (lm := model.lm) is not None:
            (partial / LM).mkdir()
            write_folder(partial / LM, lm.network, lm.tokenizer, lm.config, lm.card, half)
        if model.words:
            save_words(partial / WORDS, model.words)


def save_lm(folder: Path, model: TrainedLM, half: bool = False) -> None:
    """Write a language model's folder, as `save_model` does."""
    with atomic_folder(folder) as partial:
        write_folder(partial, model.network, model.tokenizer, model.config, model.card, half)


def write_folder(folder: Path, network: nn.Module, tokenizer: Tokenizer, config: Section, card: str, half: bool) -> None:
    """Write the files of a model into an existing folder; 16-bit floats if `half`."""
    weights = {name: tensor.half() if half and tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()}
    (folder / WEIGHTS).write_bytes(tensor_bytes(weights))
    (folder / CONFIG).write_text(dump_config(config), encoding="utf-8")
    (folder / TOKENIZER).write_bytes(tokenizer.serialized)
    (folder / CARD).write_text(card, encoding="utf-8")


def load_model(folder: Path, device: torch.device | str = "cpu") -> TrainedModel:
    """Read a recogniser's folder, with its language model if it has one.

    Args:
        folder: The model folder, or a training run's folder (see `find_model`).
        device: Device of the networks.

    Returns:
        The model in float32 and evaluation mode.

    Raises:
        UsageError: There is no such folder, or it holds a language model.
        ModelError: A file is missing or damaged, or does not fit the others.
    """
    folder = find_complete(folder)
    if (kind := described_kind(folder / CONFIG)) != "recogniser":
        advice = "--language-model takes it" if kind == "language_model" else "copy it into a recogniser's folder as text/"
        raise UsageError(f"{folder}: is {with_article(kind)}, not a recogniser: {advice}")
    config = load_config(ModelFolderConfig, folder / CONFIG)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    network = read_network(lambda: LAS(config.model, len(tokenizer)), folder / WEIGHTS)
    found = load_words(folder / WORDS, tokenizer, device) if (folder / WORDS).is_file() else None
    model = TrainedModel(network.to(device).eval(), tokenizer, config, read_card(folder), words=found)
    return model.with_lm(folder / LM) if (folder / LM).is_dir() else model


def load_lm(folder: Path, device: torch.device | str = "cpu") -> TrainedLM:
    """Read a language model's folder (float32, evaluation mode). Raises as `load_model` does."""
    folder = find_complete(folder)
    if (kind := described_kind(folder / CONFIG)) != "language_model":
        takes = "--model takes it" if kind == "recogniser" else "train one with recipes/librispeech/lm.yaml"
        own = f"its language model is {folder / LM}" if (folder / LM / CONFIG).is_file() else takes
        raise UsageError(f"{folder}: is {with_article(kind)}, not a language model: {own}")
    config = load_config(LMFolderConfig, folder / CONFIG)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    network = read_network(lambda: build_language_model(len(tokenizer), config.model), folder / WEIGHTS)
    return TrainedLM(network.to(device).eval(), tokenizer, config, read_card(folder))


def save_words(path: Path, model: words.WordNGram) -> None:
    """Write an n-gram model over words: a safetensors file."""
    write_atomically(path, tensor_bytes(words.to_tensors(model)))


def load_words(path: Path, tokenizer: Tokenizer, device: torch.device | str = "cpu") -> words.WordNGram:
    """Read an n-gram model over words, for a recogniser with this tokenizer. Raises ModelError if the file is missing or damaged."""
    return words.from_tensors(read_tensors(path), tokenizer, path).to(device)


def find_complete(folder: Path) -> Path:
    """Return the model folder that a path names. Raises UsageError or ModelError if there is none with all of its files."""
    recover_folder(folder)
    folder, _ = find_model(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such model folder")
    missing = [name for name in (WEIGHTS, CONFIG, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: incomplete model folder: {' and '.join(missing)} missing")
    return folder


def read_card(folder: Path) -> str:
    """Return the model card of a folder, or an empty text. Raises ModelError if it cannot be read."""
    try:
        return (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else ""
    except UnicodeDecodeError as e:
        raise ModelError(f"{folder / CARD}: not UTF-8 text (byte {e.start}): save it as UTF-8, or remove it") from None
    except OSError as e:
        raise ModelError(f"{folder / CARD}: cannot be read: {e.strerror}") from None


# ---------------------------------------------------------------- weights


class _Unfilled(TorchFunctionMode):
    """A context in which new layers skip the initialisation of their weights, since these are read from a file."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def read_network(build: Callable[[], Network], path: Path) -> Network:
    """Build a network with the weights of a safetensors file.

    The network is built on the meta device, without memory, and its shapes are compared with the file's header, so a config.yaml with
    absurd sizes costs nothing. Raises as `read_tensors` and `load_weights` do.
    """
    with torch.device("meta"), _Unfilled():
        network = build()
    own = network.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            _check_shapes(own, {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()}, path)  # noqa: SIM118
            weights = {name: _checked(file.get_tensor(name), name, path) for name in own}
    except (SafetensorError, OSError) as e:
        raise _damaged(path, e) from None
    network.load_state_dict({name: weight.to(own[name].dtype, copy=True) for name, weight in weights.items()}, assign=True)
    return network


def load_weights(network: nn.Module, weights: dict[str, Tensor], path: Path, parts: Sequence[str] | None = None) -> None:
    """Load weights into a network.

    Args:
        network: Changed in place.
        weights: Tensors by name.
        path: Their file, for errors.
        parts: Names of the attributes of the network to load. None: all.

    Raises:
        ModelError: A tensor is missing, unknown, of another shape, not finite or all zero. The message names the file and the tensor.
    """
    own, weights = ({n: w for n, w in ws.items() if parts is None or n.split(".")[0] in parts} for ws in (network.state_dict(), weights))
    _check_shapes(own, {name: tensor.shape for name, tensor in weights.items()}, path)
    weights = {name: _checked(tensor, name, path) for name, tensor in weights.items()}
    network.load_state_dict(weights, strict=parts is None)  # converts 16-bit floats to the network's own


def _check_shapes(own: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], path: Path) -> None:
    for name in sorted(own.keys() | shapes.keys()):
        if name not in shapes or name not in own:
            raise ModelError(f"{path}: {name} is {'missing' if name in own else 'unknown'}: the weights belong to another config.yaml")
        if own[name].shape != shapes[name]:
            found, expected = tuple(shapes[name]), tuple(own[name].shape)
            raise ModelError(
                f"{path}: {name} has shape {found}, expected {expected}: the weights belong to another config.yaml or tokenizer.model"
            )


def _checked(tensor: Tensor, name: str, path: Path) -> Tensor:
    """Return a tensor after checking its values. Biases and means may be zero, weights may not be all zero."""
    if not tensor.is_floating_point():
        problem = f"is {str(tensor.dtype).removeprefix('torch.')}, expected floats"
    elif not tensor.float().isfinite().all():
        problem = "has values that are not finite"
    elif "weight" in name.rpartition(".")[2] and not tensor.any():
        problem = "is all zeros"
    elif name == "frontend.deviation" and not (tensor > 0).all():
        problem = "has values that are not above 0"
    else:
        return tensor
    raise ModelError(f"{path}: {name} {problem}: copy the model again, or train it again")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises ModelError if it cannot be read or is damaged."""
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as e:
        raise _damaged(path, e) from None


def _damaged(path: Path, e: Exception) -> ModelError:
    return ModelError(f"{path}: damaged or not a safetensors file ({' '.join(str(e).split())}): copy it again, or train it again")


def tensor_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Return tensors in the safetensors format."""
    return safetensors.torch.save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()})
