"""A training run's folder where a model's folder is expected: its finished model, or else its best checkpoint so far."""

from __future__ import annotations

import re
from pathlib import Path

from asr.errors import UsageError
from asr.json_text import decode_json

WEIGHTS = "model.safetensors"


def find_model(folder: Path) -> tuple[Path, str]:
    """Return the model folder that a path names.

    Args:
        folder: A model folder, or the folder of a run of `asr train`.

    Returns:
        The model folder, and a line about the choice. The line is empty if the path itself is the model folder. A path that is neither
        is returned unchanged.

    Raises:
        UsageError: The folder is a run without an evaluated checkpoint.
    """
    if (folder / WEIGHTS).is_file():
        return folder, ""
    if (folder / "model" / WEIGHTS).is_file():
        return folder / "model", f"{folder}: a training run; using its finished model {folder / 'model'}"
    if not any((folder / name).exists() for name in ("states", "log.jsonl")):
        return folder, ""
    for step, figure in _best(folder):
        weights = folder / "best" / f"step-{step:08d}"
        if (weights / WEIGHTS).is_file():
            return weights, f"{folder}: an unfinished training run; using its best checkpoint {weights} (dev figure {figure:.2f})"
    advice = "wait for its first evaluation, or make its model with `asr train RECIPE --finish`"
    raise UsageError(f"{folder}: is a training run without an evaluated checkpoint: {advice}")


def _best(run: Path) -> list[tuple[int, float]]:
    """Return steps and dev figures of the best weights, best first, as the newest readable checkpoint names them."""
    folders = [path for path in (run / "states").glob("step-*") if re.fullmatch("step-[0-9]{8,}", path.name)]
    for checkpoint in sorted(folders, key=lambda path: int(path.name[5:]), reverse=True):
        try:
            best = decode_json((checkpoint / "training.json").read_bytes())["best"]
            return [(int(step), float(figure)) for figure, step in best]
        except (OSError, ValueError, TypeError, KeyError):  # damaged: the one before is as good
            continue
    return []
