"""How many processes load audio."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from asr.config import Config
from asr.errors import ConfigError
from asr.train import device
from asr.train.device import loading_processes

GB = 1e9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """16 cores, a GPU, 8 GB of shared memory."""
    has = SimpleNamespace(cores=16, gpu=True, shared=8 * GB)
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda _: set(range(has.cores)))
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: has.gpu)
    monkeypatch.setattr(device.shutil, "disk_usage", lambda _: SimpleNamespace(free=has.shared))
    return has


def recipe(**data: int) -> Config:
    """Batches of 1,000 s at 16 kHz: 0.128 GB for the two that a process has ready."""
    return Config.model_validate({"data": data, "train": {"batch_seconds": 1000, "device_seconds": 1000}})


def test_by_default_as_many_as_there_are_cores_to_spare(machine: SimpleNamespace) -> None:
    assert loading_processes(recipe(), 1.0) == 12
    assert loading_processes(recipe(), 1.0, processes=2) == 6
    machine.cores = 6
    assert loading_processes(recipe(), 1.0) == 2
    machine.cores = 2
    assert loading_processes(recipe(), 1.0) == 0


def test_no_more_than_shared_memory_holds(machine: SimpleNamespace) -> None:
    machine.shared = 0.5 * GB
    assert loading_processes(recipe(), 1.0) == 3  # 0.45 / 0.128
    assert loading_processes(recipe(), 0.5) == 1  # at half the speed, batches are twice as long
    assert loading_processes(recipe(workers=3), 1.0) == 3
    with pytest.raises(ConfigError, match=r"data.workers=4: .* 0.5 GB of shared memory, .* 0.5 free: ask for 3 workers"):
        loading_processes(recipe(workers=4), 1.0)


def test_none_on_a_cpu_unless_asked_for(machine: SimpleNamespace) -> None:
    machine.gpu = False
    assert loading_processes(recipe(), 1.0) == 0
    assert loading_processes(recipe(workers=2), 1.0) == 2
