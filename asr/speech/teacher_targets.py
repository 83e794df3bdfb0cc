"""A teacher's targets for training: rows of bytes at a fixed rate for each utterance.

A folder holds any number of `*.safetensors` files of one kind and width:

    vectors   rows (N, D) uint8 and scale (D,) float32. A target is (row - 128) * scale. The scale makes the summed variance of the D
              dimensions about 1.
    codes     rows (N, D) uint8. A row is D labels of 256 classes, one per code book.

Both have `starts` (U + 1,) int64, the bounds of each utterance's rows. Their metadata are `kind`, `row_seconds` and `ids`, a JSON list of the U
utterance ids. `recipes/librispeech/teacher.py` writes such folders.

Shapes: U utterances, N rows of a file, R rows of an utterance, D bytes per row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from asr.errors import UsageError
from asr.files import write_atomically

Kind = Literal["vectors", "codes"]
CLASSES = 256  # per code book
ZERO = 128  # byte value of 0 in a vector
ENDING = ".safetensors"
SLACK_SECONDS = 0.25  # allowed difference between the length of the rows and of the utterance


class _RowRange(NamedTuple):
    """Rows `first` to `last` (exclusive) of a file."""

    file: int
    first: int
    last: int


class TeacherTargets:
    """The targets in folders, read on demand. Raises UsageError naming a file that is missing, damaged or of another kind."""

    def __init__(self, folders: Sequence[Path]):
        paths = [path for folder in folders for path in _files(folder)]
        self._files = [_open(path) for path in paths]
        self._ranges: dict[str, _RowRange] = {}
        described = [_describe(file, path) for file, path in zip(self._files, paths, strict=True)]
        self.kind, self.row_seconds, self.width = described[0][:3]
        for number, (path, (kind, row_seconds, width, starts, ids)) in enumerate(zip(paths, described, strict=True)):
            if (kind, row_seconds, width) != (self.kind, self.row_seconds, self.width):
                found, expected = f"{width} {kind} every {row_seconds:g} s", f"{self.width} {self.kind} every {self.row_seconds:g} s"
                raise UsageError(f"{path}: holds {found}, and {paths[0]} {expected}: name folders of one teacher in data.teacher")
            self._ranges |= {i: _RowRange(number, a, b) for i, a, b in zip(ids, starts[:-1], starts[1:], strict=True)}
        self.scale = self._scale(paths)

    def _scale(self, paths: Sequence[Path]) -> Tensor | None:
        if self.kind == "codes":
            return None
        scales = [file.get_tensor("scale") for file in self._files]
        for scale, path in zip(scales, paths, strict=True):
            if not torch.equal(scale, scales[0]):
                raise UsageError(f"{path}: its scale differs from that of {paths[0]}: name folders of one teacher in data.teacher")
        return scales[0]

    def __contains__(self, utterance: str) -> bool:
        return utterance in self._ranges

    def __iter__(self) -> Iterator[str]:
        """Ids of the utterances."""
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def seconds(self, utterance: str) -> float:
        """Return the time that an utterance's rows cover (s)."""
        found = self._ranges[utterance]
        return (found.last - found.first) * self.row_seconds

    def drop(self, utterances: Iterable[str]) -> None:
        """Remove the targets of utterances, if there are any."""
        for utterance in utterances:
            self._ranges.pop(utterance, None)

    def rows(self, utterance: str) -> Tensor:
        """Return the rows (R, D) uint8 of an utterance; (0, D) if it has none."""
        found = self._ranges.get(utterance)
        if found is None:
            return torch.zeros(0, self.width, dtype=torch.uint8)
        return cast(Tensor, self._files[found.file].get_slice("rows")[found.first : found.last])


def write_targets(path: Path, kind: Kind, row_seconds: float, rows: Sequence[tuple[str, Tensor]], scale: Tensor | None = None) -> None:
    """Write a file of targets, all of it or nothing.

    Args:
        path: The file.
        kind: Vectors or codes.
        row_seconds: Time between rows (s).
        rows: Id and rows (R, D) uint8 of each utterance.
        scale: (D,) scale of vectors.

    Raises:
        OSError: The file cannot be written. The error names it.
    """
    counts = torch.tensor([0, *(len(r) for _, r in rows)])
    tensors = {"rows": torch.cat([r for _, r in rows]).contiguous(), "starts": counts.cumsum(0)}
    if scale is not None:
        tensors["scale"] = scale.float().contiguous()
    metadata = {"kind": kind, "row_seconds": repr(row_seconds), "ids": json.dumps([i for i, _ in rows])}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of a teacher's targets: recipes/librispeech/teacher.py makes one")
    found = sorted(path for path in folder.glob(f"*{ENDING}") if path.is_file() and not path.name.startswith((".", "basis")))
    if not found:
        raise UsageError(f"{folder}: holds no targets (*{ENDING}): recipes/librispeech/teacher.py makes them")
    return found


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as e:
        raise UsageError(f"{path}: damaged or not a safetensors file ({e}): delete it and make it again") from None


def _describe(file: Any, path: Path) -> tuple[Kind, float, int, list[int], list[str]]:
    """Return the kind, seconds per row, bytes per row, and the bounds (U + 1) and ids (U) of the utterances."""
    metadata = file.metadata() or {}
    try:
        kind, row_seconds, ids = metadata["kind"], float(metadata["row_seconds"]), json.loads(metadata["ids"])
        count, width = file.get_slice("rows").get_shape()
        starts = file.get_tensor("starts").tolist()
        fits = [
            kind in ("vectors", "codes") and width > 0,
            file.get_slice("rows").get_dtype() == "U8",
            math.isfinite(row_seconds) and row_seconds > 0,
            isinstance(ids, list) and all(isinstance(i, str) for i in ids) and len(starts) == len(ids) + 1,
            starts == sorted(starts) and starts[:1] == [0] and starts[-1:] == [count],
            kind != "vectors" or (file.get_tensor("scale").shape == (width,) and bool(file.get_tensor("scale").isfinite().all())),
        ]
    except (KeyError, ValueError, TypeError, SafetensorError) as e:
        raise UsageError(f"{path}: not a file of a teacher's targets ({e}): delete it and make it again") from None
    if not all(fits):
        raise UsageError(f"{path}: not a file of a teacher's targets (its parts do not fit together): delete it and make it again")
    return kind, row_seconds, width, starts, ids
