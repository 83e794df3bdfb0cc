"""Processes that load audio while the network learns."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from asr.config import Config
from asr.errors import ConfigError

MOST = 12  # more have nothing to do, unless recordings must be decoded anew in every epoch
SPARED = 4  # cores, for the training process and the system
AHEAD = 2  # batches that each of them has ready (DataLoader's prefetch_factor)
SHARED_MEMORY = Path("/dev/shm")  # batches come through it


def loading_processes(config: Config, slowest: float, processes: int = 1) -> int:
    """`data.workers`, or what it is by default; `slowest` is the smallest speed factor of the augmentation.

    Raises ConfigError where it is asked for more than shared memory can hold batches of: a process that runs out of it is killed.
    """
    asked = config.data.workers
    if asked is None and not torch.cuda.is_available():
        return 0
    if not SHARED_MEMORY.is_dir():  # no Linux: what holds batches there is not known
        return asked or 0
    seconds = min(config.train.batch_seconds / processes, config.train.device_seconds) / slowest
    batch = AHEAD * seconds * config.model.frontend.sample_rate * 4  # bytes
    free = shutil.disk_usage(SHARED_MEMORY).free
    fit = int(0.9 * free / (batch * processes))
    if asked is None:
        return max(0, min(MOST, (len(os.sched_getaffinity(0)) - SPARED) // processes, fit))
    if asked > fit:
        raise ConfigError(
            f"data.workers={asked}: their batches need {asked * processes * batch / 1e9:.1f} GB of shared memory, and {SHARED_MEMORY} has "
            f"{free / 1e9:.1f} free: ask for {fit} workers, or give the container more (--shm-size)"
        )
    return asked
