"""What runs have in common, be it of a recogniser or of a language model: their folder, their checkpoints, their optimizer.

A run's folder holds `config.yaml`, `tokenizer.model`, `log.jsonl`, `tensorboard/`, `states/` to go on from, `best/` to choose
from, and at the end `model/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from asr.config import Config, LMRecipe, OptimizerConfig
from asr.config_file import dump_config, load_config
from asr.errors import AsrError, ConfigError
from asr.files import write_atomically
from asr.text.tokenizer import Tokenizer
from asr.train.state import MovingAverage, Place, load_state, save_state

STATES_KEPT = 2  # checkpoints to resume from: the newest, and the one before in case of damage


class Interrupted(AsrError):
    """Training was asked to stop, and has left a checkpoint to go on from."""

    exit_code = 130


def make_accelerator(precision: str) -> Accelerator:
    """Devices, processes and precision. `auto` is bf16 where the hardware computes in it, fp32 elsewhere."""
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


def claim_folder(config: Config | LMRecipe, restart: bool, may_change: Collection[str]) -> None:
    """Make `config.output` this run's: new, emptied on request, or with a run of the same config in it.

    Keys (`section.name`) in `may_change` may differ from those of the run that is there. What a run left that never came to a
    checkpoint (a mistyped path, say) binds nobody. Raises ConfigError when a run of another config is there.
    """
    folder, record = config.output, config.output / "config.yaml"
    if restart:
        for name in ("states", "best", "model", "tensorboard"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("config.yaml", "tokenizer.model", "log.jsonl"):
            (folder / name).unlink(missing_ok=True)
    if not any((folder / "states").glob("step-*")):
        (folder / "tokenizer.model").unlink(missing_ok=True)
    elif record.is_file():
        before, now = (c.model_dump(mode="json") for c in (load_config(type(config), record), config))
        changed = [
            f"{section}.{key}" if key else section
            for section in now
            if section not in ("output", "decode")
            for key in (now[section] if isinstance(now[section], dict) else [""])
            if (before[section].get(key) != now[section][key] if key else before[section] != now[section])
        ]
        if changed := [key for key in changed if key not in may_change]:
            raise ConfigError(
                f"{folder}: holds a run with another {', '.join(changed)}: choose another folder with output=DIR, or begin anew with --restart"
            )
    write_atomically(record, dump_config(config))


def claim_tokenizer(config: Config | LMRecipe, named: Path | None, accelerator: Accelerator, texts: Callable[[], list[str]]) -> Tokenizer:
    """The run's own, or the one in the file that is `named`, or one learnt from the training `texts`."""
    path = config.output / "tokenizer.model"
    if accelerator.is_main_process and not path.is_file():
        tokenizer = Tokenizer.load(named) if named else Tokenizer.train(texts(), config.tokenizer)
        write_atomically(path, tokenizer.serialized)
    accelerator.wait_for_everyone()
    return Tokenizer.load(path)


def make_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW; weight matrices decay, biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def resume(folder: Path, network: nn.Module, averaging: MovingAverage, optimizer: torch.optim.Optimizer) -> Place | None:
    """Go back to the newest checkpoint of a run's folder; None where there is none yet."""
    states = sorted((folder / "states").glob("step-*"))
    return load_state(states[-1], network, averaging.average, optimizer) if states else None


def save_checkpoint(folder: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, place: Place) -> None:
    """Write a checkpoint into a run's folder and drop the oldest. Raises AsrError, saying what is left, when it cannot be written."""
    states = folder / "states"
    try:
        save_state(states / f"step-{place.step:08d}", network, average, optimizer, place)
    except OSError as e:
        kept = sorted(states.glob("step-*"))
        still = f"; {kept[-1]} is whole, and the same command goes on from it" if kept else ""
        raise AsrError(f"{e.filename}: checkpoint not written: {e.strerror}{still}") from None
    for old in sorted(states.glob("step-*"))[:-STATES_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def step_seed(*numbers: int) -> int:
    """One seed out of several numbers: (seed, step, process, …). With one for each step there is no random state to save."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
