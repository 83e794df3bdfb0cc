"""What a run computes on: processes, devices, precision, memory, and the processes that load its audio."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from asr.config import Config
from asr.errors import AsrError, ConfigError

Made = TypeVar("Made")

MAX_WORKERS = 12  # more have nothing to do, unless recordings must be decoded anew in every epoch
RESERVED_CORES = 4  # for the training process and the system
PREFETCHED = 2  # batches that each loader process keeps ready (DataLoader's prefetch_factor)
SHARED_MEMORY = Path("/dev/shm")  # batches pass through it


def make_accelerator(precision: str) -> Accelerator:
    """Set up devices, processes and precision. `auto` is bf16 on a GPU that supports it, fp32 elsewhere."""
    torch.set_float32_matmul_precision("high")  # TF32 on GPUs, as in cuDNN's LSTMs; no effect on CPUs
    bf16 = precision == "bf16" or (precision == "auto" and torch.cuda.is_available() and has_bf16())
    # accelerate keeps the first precision of a process for good, but a process may train several models.
    AcceleratorState._reset_state()
    # With cpu=True, accelerate joins several processes by gloo. Without a GPU and without it, each would train alone.
    return Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=not torch.cuda.is_available())


def has_bf16() -> bool:
    """Return whether the GPU, or the CPU if there is none, computes in bf16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def precision_name(accelerator: Accelerator) -> str:
    """Return the precision of matrix products: `bf16`, `fp32`, or `tf32` (fp32 weights, products rounded to 10 bits)."""
    if accelerator.mixed_precision != "no":
        return str(accelerator.mixed_precision)
    on_tensor_cores = accelerator.device.type == "cuda" and torch.cuda.get_device_capability(accelerator.device) >= (8, 0)
    return "tf32" if on_tensor_cores else "fp32"


def computation(accelerator: Accelerator) -> dict[str, str | int]:
    """Return the precision, device and number of processes of a run. Results depend on them."""
    on_gpu = accelerator.device.type == "cuda"
    device = torch.cuda.get_device_name(accelerator.device) if on_gpu else accelerator.device.type
    return {"precision": precision_name(accelerator), "device": device, "processes": accelerator.num_processes}


def from_rank_0(accelerator: Accelerator, make: Callable[[], Made]) -> Made:
    """Call `make` on rank 0 and broadcast the result, so that all ranks agree even if their disks differ."""
    made = [make() if accelerator.is_main_process else None]
    broadcast_object_list(made)
    return cast(Made, made[0])


@contextlib.contextmanager
def lost_process() -> Iterator[None]:
    """Turn the error of an exchange with a process that has ended into one line. Raises AsrError."""
    try:
        yield
    except RuntimeError as e:
        if isinstance(e, torch.distributed.DistError) or "/gloo/" in str(e):
            raise AsrError("another process of this run has ended, so this one stops: its error is the reason") from None
        raise


@contextlib.contextmanager
def enough_memory(utterances: int, longest: float) -> Iterator[None]:
    """Turn out-of-memory errors of the GPU into advice.

    Args:
        utterances: Number of utterances in the block's forward pass.
        longest: Length to which they are padded (s).

    Raises:
        AsrError: The GPU has too little memory. The message names the setting that helps.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        advice = (
            f"train.device_seconds={utterances * longest / 2:.0f} takes the same steps in more parts"
            if utterances > 1
            else f"data.max_seconds={longest / 2:.0f} leaves out longer recordings"
        )
        raise AsrError(f"the GPU's memory is too small for {utterances * longest:.0f} s of audio at once: {advice}") from None


def loading_processes(config: Config, slowest: float, processes: int = 1) -> int:
    """Return the number of loader processes: `data.workers`, or its default.

    Args:
        config: The recipe.
        slowest: Smallest factor of speed perturbation.
        processes: Training processes on this machine.

    Raises:
        ConfigError: `data.workers` is more than shared memory has room for. A process that runs out of it would be killed.
    """
    asked = config.data.workers
    if asked is None and not torch.cuda.is_available():
        return 0
    if not SHARED_MEMORY.is_dir():  # not Linux, so nothing is known about its shared memory
        return asked or 0
    seconds = min(config.train.batch_seconds / processes, config.train.device_seconds) / slowest
    batch = PREFETCHED * seconds * config.model.frontend.sample_rate * 4  # bytes
    free = shutil.disk_usage(SHARED_MEMORY).free
    fit = int(0.9 * free / (batch * processes))
    if asked is None:
        return max(0, min(MAX_WORKERS, (len(os.sched_getaffinity(0)) - RESERVED_CORES) // processes, fit))
    if asked > fit:
        raise ConfigError(
            f"data.workers={asked}: their batches need {asked * processes * batch / 1e9:.1f} GB of shared memory, and {SHARED_MEMORY} has "
            f"{free / 1e9:.1f} free: ask for {fit} workers, or give the container more (--shm-size)"
        )
    return asked
