"""Training state: optimizer and averages come back to the bit; damage is told."""

from __future__ import annotations

import copy
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from asr import files
from asr.errors import ModelError
from asr.model.checkpoint import read_tensors, tensor_bytes
from asr.train.state import DamagedState, MovingAverage, Position, load_state, save_state


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


def test_resuming_is_exact(tmp_path: Path) -> None:
    network, averaging, optimizer = fresh()
    advance(network, averaging, optimizer, range(5))
    place = Position(step=5, epoch=1, step_in_epoch=2, seconds=1.5, heard=9.0, best=[(7.5, 4), (8.0, 2)])
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


def alter(state: Path, **changes: object) -> None:
    """Change keys of a checkpoint's place; None removes them."""
    record = json.loads((state / "training.json").read_text(encoding="utf-8")) | changes
    record = {key: value for key, value in record.items() if value is not None}
    (state / "training.json").write_text(json.dumps(record), encoding="utf-8")


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 64
    path.write_bytes(content)


def with_nan(state: Path) -> None:
    """Write NaN into a checkpoint as a version without digests may have."""
    tensors = read_tensors(state / "training.safetensors")
    tensors["network.0.weight"][0, 0] = float("nan")
    (state / "training.safetensors").write_bytes(tensor_bytes(tensors))
    alter(state, sha256=None)


TENSORS, PLACE = "training.safetensors", "training.json"
DAMAGES: dict[str, Callable[[Path], object]] = {
    "no tensors": lambda state: (state / TENSORS).unlink(),
    "empty tensors": lambda state: cut(state / TENSORS, 0),
    "cut tensors": lambda state: cut(state / TENSORS, 100),
    "tensors cut by a byte": lambda state: cut(state / TENSORS, -1),
    "a flipped weight": lambda state: flip(state / TENSORS, -3),
    "a flipped header": lambda state: flip(state / TENSORS, 12),
    "zeros": lambda state: (state / TENSORS).write_bytes(bytes(1000)),
    "NaN": with_nan,
    "no place": lambda state: (state / PLACE).unlink(),
    "an empty place": lambda state: cut(state / PLACE, 0),
    "no UTF-8": lambda state: (state / PLACE).write_bytes(b"\xff\xfe"),
    "deep JSON": lambda state: (state / PLACE).write_text("[" * 100_000, encoding="utf-8"),
    "a list": lambda state: (state / PLACE).write_text("[]", encoding="utf-8"),
    "no keys": lambda state: (state / PLACE).write_text("{}", encoding="utf-8"),
    "another step": lambda state: alter(state, step=7),
    "a word for a step": lambda state: alter(state, step="many", sha256=None),
    "a negative step": lambda state: alter(state, step=-1, sha256=None),
    "endless time": lambda state: alter(state, seconds=float("inf"), sha256=None),
    "best without steps": lambda state: alter(state, best=[[1.0]], sha256=None),
    "a file for a folder": lambda state: (shutil.rmtree(state), state.write_text("x", encoding="utf-8")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_distinguished_from_another_config(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    network, averaging, optimizer = fresh()
    advance(network, averaging, optimizer, range(2))
    save_state(tmp_path / "state", network, averaging.average, optimizer, Position(step=2, best=[(1.0, 2)]))
    damage(tmp_path / "state")
    untouched, averaging, optimizer = fresh()
    with pytest.raises(DamagedState, match=rf"^{tmp_path / 'state'}[^\n]*$"):
        load_state(tmp_path / "state", untouched, averaging.average, optimizer)
    for one, other in zip(untouched.parameters(), fresh()[0].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_of_another_config_is_no_damage(tmp_path: Path) -> None:
    network, averaging, optimizer = fresh()
    save_state(tmp_path / "state", network, averaging.average, optimizer, Position())
    wider = nn.Sequential(nn.Linear(4, 9), nn.LayerNorm(9), nn.Linear(9, 2))
    with pytest.raises(ModelError, match=r"training\.safetensors: .* belong to another config") as caught:
        load_state(tmp_path / "state", wider, wider, torch.optim.AdamW(wider.parameters()))
    assert not isinstance(caught.value, DamagedState)


def test_a_state_of_an_older_version_has_no_digest(tmp_path: Path) -> None:
    network, averaging, optimizer = fresh()
    save_state(tmp_path / "state", network, averaging.average, optimizer, Position(step=3))
    alter(tmp_path / "state", sha256=None, examples=None)
    assert load_state(tmp_path / "state", network, averaging.average, optimizer).step == 3


def test_a_full_disk_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, averaging, optimizer = fresh()
    save_state(tmp_path / "state", network, averaging.average, optimizer, Position(step=1))

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(tmp_path / "state", network, averaging.average, optimizer, Position(step=2))
    assert load_state(tmp_path / "state", network, averaging.average, optimizer).step == 1
    assert [p.name for p in tmp_path.iterdir()] == ["state"]
