"""What runs have in common, be it of a recogniser or of a language model: their devices, their folder, their pieces, their seeds.

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

from asr.config import Config, LMRecipe
from asr.config_file import dump_config, load_config
from asr.errors import ConfigError
from asr.files import write_atomically
from asr.text.tokenizer import Tokenizer


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


def best_folder(run: Path, step: int) -> Path:
    """Where a run keeps the weights of a step that did well on dev."""
    return run / "best" / f"step-{step:08d}"


def drop_all_but(steps: Collection[int], run: Path) -> None:
    """Delete the weights that a run has kept, but for those of `steps`."""
    for folder in (run / "best").glob("step-*"):
        if int(folder.name.removeprefix("step-")) not in steps:
            shutil.rmtree(folder, ignore_errors=True)


def step_seed(*numbers: int) -> int:
    """One seed out of several numbers: (seed, step, process, …). With one for each step there is no random state to save."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
