"""A teacher's targets: read as they were written, and a file that cannot be used is named in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from asr.errors import UsageError
from asr.speech.teacher_targets import TeacherTargets, write_targets

SCALE = torch.full((3,), 0.5)


def rows(count: int, seed: int = 0, width: int = 3) -> torch.Tensor:
    return torch.randint(256, (count, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_written_targets_read_back_unchanged(tmp_path: Path) -> None:
    written = {"a": rows(5, 1), "b": rows(0, 2), "c": rows(7, 3), "d": rows(1, 4)}
    write_targets(tmp_path / "x" / "1.safetensors", "vectors", 0.04, [("a", written["a"]), ("b", written["b"])], SCALE)
    write_targets(tmp_path / "x" / "2.safetensors", "vectors", 0.04, [("c", written["c"])], SCALE)
    write_targets(tmp_path / "y" / "1.safetensors", "vectors", 0.04, [("d", written["d"])], SCALE)
    (tmp_path / "x" / "basis.safetensors").write_bytes(b"no targets")
    (tmp_path / "x" / ".3.safetensors.1.partial").write_bytes(b"half")
    (tmp_path / "x" / "4.safetensors").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "x" / "5.safetensors")  # to open it would wait for a writer
    targets = TeacherTargets([tmp_path / "x", tmp_path / "y"])
    assert (targets.kind, targets.width, targets.row_seconds, len(targets)) == ("vectors", 3, 0.04, 4)
    assert targets.scale is not None
    assert torch.equal(targets.scale, SCALE)
    for name, expected in written.items():
        assert name in targets
        assert torch.equal(targets.rows(name), expected)
        assert targets.seconds(name) == pytest.approx(0.04 * len(expected))
    assert "e" not in targets
    assert targets.rows("e").shape == (0, 3)
    targets.drop(["a"])
    assert targets.rows("a").shape == (0, 3)


def test_codes_have_no_scale(tmp_path: Path) -> None:
    write_targets(tmp_path / "1.safetensors", "codes", 0.04, [("a", rows(5))])
    targets = TeacherTargets([tmp_path])
    assert targets.kind == "codes"
    assert targets.scale is None


def tensors(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"rows": rows(5), "starts": torch.tensor([0, 5]), "scale": SCALE} | changes


METADATA = {"kind": "vectors", "row_seconds": "0.04", "ids": '["a"]'}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "damaged or not a safetensors file"),
        (b"x" * 100, "damaged or not a safetensors file"),
        (safetensors.torch.save(tensors(), METADATA)[:-3], "damaged or not a safetensors file"),
        (safetensors.torch.save(tensors()), "not a file of a teacher's targets"),
        (safetensors.torch.save({"rows": rows(5)}, METADATA), "not a file of a teacher's targets"),
        (safetensors.torch.save(tensors(rows=rows(5)[:, 0].contiguous()), METADATA), "not a file of a teacher's targets"),
        (safetensors.torch.save(tensors(rows=rows(5).float()), METADATA), "do not fit together"),
        (safetensors.torch.save(tensors(rows=rows(5, width=0), scale=SCALE[:0]), METADATA), "do not fit together"),
        (safetensors.torch.save(tensors(starts=torch.tensor([0, 6])), METADATA), "do not fit together"),
        (safetensors.torch.save(tensors(starts=torch.tensor([0, 3, 5])), METADATA), "do not fit together"),
        (safetensors.torch.save(tensors(starts=torch.zeros(0, dtype=torch.long)), METADATA | {"ids": "[]"}), "do not fit together"),
        (safetensors.torch.save(tensors(starts=torch.tensor(5)), METADATA), "not a file of a teacher's targets"),
        (safetensors.torch.save(tensors(starts=torch.tensor([[0, 5]])), METADATA), "do not fit together"),
        (safetensors.torch.save(tensors(scale=torch.ones(2)), METADATA), "do not fit together"),
        (safetensors.torch.save(tensors(scale=torch.full((3,), float("nan"))), METADATA), "do not fit together"),
        (safetensors.torch.save(tensors(), METADATA | {"kind": "states"}), "do not fit together"),
        (safetensors.torch.save(tensors(), METADATA | {"row_seconds": "0"}), "do not fit together"),
        (safetensors.torch.save(tensors(), METADATA | {"row_seconds": "nan"}), "do not fit together"),
        (safetensors.torch.save(tensors(), METADATA | {"row_seconds": "soon"}), "not a file of a teacher's targets"),
        (safetensors.torch.save(tensors(), METADATA | {"ids": "{"}), "not a file of a teacher's targets"),
        (safetensors.torch.save(tensors(), METADATA | {"ids": "3"}), "do not fit together"),
        (safetensors.torch.save(tensors(), METADATA | {"ids": "[3]"}), "do not fit together"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "1.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=expected) as error:
        TeacherTargets([tmp_path])
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_folder_without_targets_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none: no such folder"):
        TeacherTargets([tmp_path / "none"])
    with pytest.raises(UsageError, match="holds no targets"):
        TeacherTargets([tmp_path])


@pytest.mark.parametrize(
    ("kind", "seconds", "width", "scale"),
    [("codes", 0.04, 3, None), ("vectors", 0.02, 3, SCALE), ("vectors", 0.04, 2, SCALE[:2]), ("vectors", 0.04, 3, 2 * SCALE)],
)
def test_folders_of_two_teachers_are_refused(tmp_path: Path, kind: str, seconds: float, width: int, scale: torch.Tensor | None) -> None:
    write_targets(tmp_path / "one" / "1.safetensors", "vectors", 0.04, [("a", rows(5))], SCALE)
    write_targets(tmp_path / "two" / "1.safetensors", kind, seconds, [("b", rows(5, width=width))], scale)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="name folders of one teacher"):
        TeacherTargets([tmp_path / "one", tmp_path / "two"])
