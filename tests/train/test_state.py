"""Training state: optimizer and averages come back to the bit; damage is told."""

from __future__ import annotations

import copy
import errno
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from asr import files
from asr.errors import ModelError
from asr.train.state import MovingAverage, Place, load_state, save_state


def fresh() -> tuple[nn.Module, MovingAverage, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))
    return network, MovingAverage(network, copy.deepcopy(network), 0.9), torch.optim.AdamW(network.parameters(), lr=0.01)


def advance(network: nn.Module, averaging: MovingAverage, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(step))
        network(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        averaging.update(step)


def test_goes_on_to_the_bit(tmp_path: Path) -> None:
    network, averaging, optimizer = fresh()
    advance(network, averaging, optimizer, range(5))
    place = Place(step=5, epoch=1, step_in_epoch=2, seconds=1.5, heard=9.0, best=[(7.5, 4), (8.0, 2)])
    save_state(tmp_path / "state", network, averaging.average, optimizer, place)
    advance(network, averaging, optimizer, range(5, 9))

    again, averaging_again, optimizer_again = fresh()
    assert load_state(tmp_path / "state", again, averaging_again.average, optimizer_again) == place
    advance(again, averaging_again, optimizer_again, range(5, 9))
    for before, after in ((network, again), (averaging.average, averaging_again.average)):
        for name, tensor in before.state_dict().items():
            assert torch.equal(tensor, after.state_dict()[name]), name


def test_average_is_the_recursion() -> None:
    network, averaging, optimizer = fresh()
    expected = network[0].weight.detach().clone()
    for step in range(30):
        advance(network, averaging, optimizer, range(step, step + 1))
        keep = min(0.9, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * network[0].weight.detach()
    torch.testing.assert_close(averaging.average[0].weight, expected)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    network, averaging, optimizer = fresh()
    save_state(tmp_path / "state", network, averaging.average, optimizer, Place())
    path = tmp_path / "state" / "training.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"training\.safetensors"):
        load_state(tmp_path / "state", network, averaging.average, optimizer)


def test_a_full_disk_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, averaging, optimizer = fresh()
    save_state(tmp_path / "state", network, averaging.average, optimizer, Place(step=1))

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(tmp_path / "state", network, averaging.average, optimizer, Place(step=2))
    assert load_state(tmp_path / "state", network, averaging.average, optimizer).step == 1
    assert [p.name for p in tmp_path.iterdir()] == ["state"]
