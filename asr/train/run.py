"""What runs have in common, be it of a recogniser or of a language model: their devices and precision, their pieces, their seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from asr.config import Config, LMRecipe
from asr.errors import ModelError
from asr.text.tokenizer import Tokenizer
from asr.train.folder import goes_on
from asr.train.state import Place

Made = TypeVar("Made")


def make_accelerator(precision: str) -> Accelerator:
    """Devices, processes and precision. `auto` is bf16 on a GPU that computes in it, fp32 elsewhere."""
    torch.set_float32_matmul_precision("high")  # TF32 on GPUs, as cuDNN's LSTMs have it anyway; of no effect on CPUs
    bf16 = precision == "bf16" or (precision == "auto" and torch.cuda.is_available() and _has_bf16())
    # accelerate keeps the first precision of a process for good, and a process may train one model after another.
    AcceleratorState._reset_state()
    # Told that there is no GPU, accelerate joins several processes by gloo; otherwise each would train alone.
    return Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=not torch.cuda.is_available())


def precision_name(accelerator: Accelerator) -> str:
    """The precision of the matrix products: `bf16`, `fp32`, or `tf32` (fp32 weights, products rounded to 10 bits)."""
    if accelerator.mixed_precision != "no":
        return str(accelerator.mixed_precision)
    on_tensor_cores = accelerator.device.type == "cuda" and torch.cuda.get_device_capability(accelerator.device) >= (8, 0)
    return "tf32" if on_tensor_cores else "fp32"


def computation(accelerator: Accelerator) -> dict[str, str | int]:
    """Precision, device and number of processes of a run: the result depends on them, and `precision: auto` on the machine."""
    on_gpu = accelerator.device.type == "cuda"
    device = torch.cuda.get_device_name(accelerator.device) if on_gpu else accelerator.device.type
    return {"precision": precision_name(accelerator), "device": device, "processes": accelerator.num_processes}


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def run_tokenizer(
    config: Config | LMRecipe, restart: bool, named: Path | None, accelerator: Accelerator, texts: Callable[[], list[str]]
) -> Tokenizer:
    """That of the run that goes on, or the one in the file that is `named`, or one learnt from the training `texts`; for all processes."""

    def serialized() -> bytes:
        own = config.output / "tokenizer.model"
        path = own if not restart and goes_on(config.output) and own.is_file() else named
        return (Tokenizer.load(path) if path else Tokenizer.train(texts(), config.tokenizer)).serialized

    return Tokenizer(from_main(accelerator, serialized))


def check_pieces(place: Place, tokenizer: Tokenizer, run: Path) -> None:
    """Record the pieces of a run in its place. Raises ModelError if its checkpoint is of other pieces: `tokenizer.model` was altered."""
    pieces = hashlib.sha256("\n".join(tokenizer.pieces).encode()).hexdigest()
    if place.pieces not in ("", pieces):
        advice = "put the file back, or begin anew with --restart"
        raise ModelError(f"{run / 'tokenizer.model'}: has not the pieces that the checkpoint was trained with: {advice}")
    place.pieces = pieces


def from_main(accelerator: Accelerator, make: Callable[[], Made]) -> Made:
    """What the main process makes, on every process: what they find on their disks may differ, and they must agree on every step."""
    made = [make() if accelerator.is_main_process else None]
    broadcast_object_list(made)
    return cast(Made, made[0])


def remarks(config: Config | LMRecipe, tokenizer: Tokenizer, named: Path | None, accelerator: Accelerator) -> list[str]:
    """Lines about the precision and the vocabulary of a run that begins; `named` is the file with its pieces, if they are not its own."""
    on = computation(accelerator)
    told = [f"computing in {on['precision']} on {on['device']} (train.precision={config.train.precision})"]
    if named is None and len(tokenizer) < config.tokenizer.vocab_size:
        told.append(f"{len(tokenizer)} pieces, for the training texts bear no more (tokenizer.vocab_size={config.tokenizer.vocab_size})")
    if accelerator.mixed_precision == "bf16" and not _has_bf16():
        told.append("this processor only imitates bf16: train.precision=fp32 is several times as fast")
    return told


def step_seed(*numbers: int) -> int:
    """One seed out of several numbers: (seed, step, process, …). With one for each step there is no random state to save."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
