"""What runs have in common, be it of a recogniser or of a language model: their devices, their folder, their pieces, their seeds.

A run's folder holds `config.yaml`, `tokenizer.model`, `log.jsonl`, `tensorboard/`, `states/` to go on from, `best/` to choose
from, and at the end `model/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from asr.config import Config, LMRecipe
from asr.config_file import dump_config, holds_recipe, load_config
from asr.errors import AsrError, ConfigError, UsageError
from asr.files import write_atomically
from asr.model.checkpoint import WEIGHTS
from asr.text.tokenizer import Tokenizer

Made = TypeVar("Made")
FOLDERS, FILES = ("states", "best", "model", "tensorboard"), ("config.yaml", "tokenizer.model", "log.jsonl")  # that a run makes


def make_accelerator(precision: str) -> Accelerator:
    """Devices, processes and precision. `auto` is bf16 where the hardware computes in it, fp32 elsewhere."""
    torch.set_float32_matmul_precision("high")  # TF32 on GPUs, as cuDNN's LSTMs have it anyway; of no effect on CPUs
    bf16 = precision == "bf16" or (precision == "auto" and _has_bf16())
    # accelerate keeps the first precision of a process for good, and a process may train one model after another.
    AcceleratorState._reset_state()
    # Told that there is no GPU, accelerate joins several processes by gloo; otherwise each would train alone.
    return Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=not torch.cuda.is_available())


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def check_folder(config: Config | LMRecipe, restart: bool, may_change: Collection[str]) -> None:
    """Look whether `config.output` can be this run's: new, or with a run in it to go on with or, on request, to delete. Changes nothing.

    Keys (`section.name`) in `may_change` may differ from those of the run that is there. What a run left that never came to a
    checkpoint (one that was stopped at once, say) binds nobody. Raises UsageError when the folder holds a model, or what a run would
    overwrite and none has made, or is to be deleted with what this run starts from, and ConfigError when a run of another config is there.
    """
    folder, record = config.output, config.output / "config.yaml"
    elsewhere = "choose another folder with output=DIR"
    if folder.is_file():
        raise UsageError(f"{folder}: is a file: {elsewhere}")
    if (folder / WEIGHTS).exists():
        raise UsageError(f"{folder}: holds a model, which a run would damage: {elsewhere} (train.start_from={folder} trains it on)")
    found = [name for name in (*FOLDERS, *FILES) if (folder / name).exists()]
    if found and not holds_recipe(record):
        raise UsageError(f"{folder}: holds {', '.join(found)}, and no run's config.yaml that says whose they are: {elsewhere}")
    start = config.train.start_folder
    if restart and start and any(start.resolve().is_relative_to((folder / name).resolve()) for name in FOLDERS):
        raise UsageError(f"{folder}: --restart would delete {start}, which train.start_from names: {elsewhere}")
    if not restart and _goes_on(folder):
        before, now = (c.model_dump(mode="json") for c in (load_config(type(config), record), config))
        changed = [
            f"{section}.{key}" if key else section
            for section in now
            if section not in ("output", "decode")
            for key in (now[section] if isinstance(now[section], dict) else [""])
            if (before[section].get(key) != now[section][key] if key else before[section] != now[section])
        ]
        if changed := [key for key in changed if key not in may_change]:
            raise ConfigError(f"{folder}: holds a run with another {', '.join(changed)}: {elsewhere}, or begin anew with --restart")


def claim_folder(config: Config | LMRecipe, restart: bool, tokenizer: Tokenizer, accelerator: Accelerator) -> None:
    """Make the folder that `check_folder` has passed this run's, for all processes: emptied on request, with its config and its pieces."""
    folder = config.output
    if accelerator.is_main_process:
        if restart:
            for path in (folder / name for name in (*FOLDERS, "log.jsonl")):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        for path in (
            p for kept in ("states", "best") for p in (folder / kept).glob(".step-*")
        ):  # a process that was killed left it half-written
            shutil.rmtree(path)
        write_atomically(folder / "config.yaml", dump_config(config))  # the first of the files, for it says whose the others are
        write_atomically(folder / "tokenizer.model", tokenizer.serialized)
    accelerator.wait_for_everyone()


def run_tokenizer(
    config: Config | LMRecipe, restart: bool, named: Path | None, accelerator: Accelerator, texts: Callable[[], list[str]]
) -> Tokenizer:
    """That of the run that goes on, or the one in the file that is `named`, or one learnt from the training `texts`; for all processes."""

    def serialized() -> bytes:
        own = config.output / "tokenizer.model"
        path = own if not restart and _goes_on(config.output) and own.is_file() else named
        return (Tokenizer.load(path) if path else Tokenizer.train(texts(), config.tokenizer)).serialized

    return Tokenizer(from_main(accelerator, serialized))


def from_main(accelerator: Accelerator, make: Callable[[], Made]) -> Made:
    """What the main process makes, on every process: what they find on their disks may differ, and they must agree on every step."""
    made = [make() if accelerator.is_main_process else None]
    broadcast_object_list(made)
    return cast(Made, made[0])


def remarks(config: Config | LMRecipe, tokenizer: Tokenizer, named: Path | None, accelerator: Accelerator) -> list[str]:
    """What someone who begins a run would want to know of its pieces, of which those in the file that is `named` are not its own, and of its precision."""
    told = []
    if named is None and len(tokenizer) < config.tokenizer.vocab_size:
        told.append(f"{len(tokenizer)} pieces, for the training texts bear no more (tokenizer.vocab_size={config.tokenizer.vocab_size})")
    if accelerator.mixed_precision == "bf16" and not _has_bf16():
        told.append("this processor only imitates bf16: train.precision=fp32 is several times as fast")
    return told


def _goes_on(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from."""
    return any((folder / "states").glob("step-*"))


def best_folder(run: Path, step: int) -> Path:
    """Where a run keeps the weights of a step that did well on dev."""
    return run / "best" / f"step-{step:08d}"


def no_best(run: Path) -> AsrError:
    """What is wrong with a run that is over and has no weights to choose from."""
    return AsrError(
        f"{run / 'best'}: the weights that did well on dev are gone, and no training is left: put them back, or begin anew with --restart"
    )


def drop_all_but(steps: Collection[int], run: Path) -> None:
    """Delete the weights that a run has kept, but for those of `steps`."""
    for folder in (run / "best").glob("step-*"):
        if int(folder.name.removeprefix("step-")) not in steps:
            shutil.rmtree(folder, ignore_errors=True)


def step_seed(*numbers: int) -> int:
    """One seed out of several numbers: (seed, step, process, …). With one for each step there is no random state to save."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
