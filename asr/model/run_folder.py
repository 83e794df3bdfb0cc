"""A training run's folder where a model's folder is expected: its finished model, or else its best checkpoint so far."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from asr.errors import UsageError
from asr.files import write_atomically
from asr.json_text import decode_json
from asr.yaml_text import NotYamlError, read_yaml

WEIGHTS = "model.safetensors"
RECORD = "model.json"
"""File of a run that records the step of its finished model, since the run may go on."""


class Progress(NamedTuple):
    """The newest readable checkpoint of a run."""

    step: int
    best: list[tuple[int, float]]
    """Step and dev figure of each of the best weights, best first."""


def find_model(folder: Path) -> tuple[Path, str]:
    """Return the model folder that a path names.

    Args:
        folder: A model folder, or the folder of a run of `asr train`. Of a run, the finished model is returned, or the best checkpoint if the
            run has no model or has gone on since.

    Returns:
        The model folder, and a line about the choice. The line is empty if the path itself is the model folder. A path that is neither
        is returned unchanged.

    Raises:
        UsageError: The folder is a run without an evaluated checkpoint.
    """
    if (folder / WEIGHTS).is_file():
        return folder, ""
    model = folder / "model"
    has_model = (model / WEIGHTS).is_file()
    if not has_model and not any((folder / name).exists() for name in ("states", "log.jsonl")):
        return folder, ""
    finished, progress = _finished_step(folder), _progress(folder)
    if has_model and (finished is None or progress.step <= finished):
        return model, f"{folder}: a training run; using its finished model {model}"
    for step, figure in progress.best:
        weights = folder / "best" / f"step-{step:08d}"
        if (weights / WEIGHTS).is_file():
            state = f"a training run, continued after its model of step {finished}" if has_model else "an unfinished training run"
            return weights, f"{folder}: {state}; using its best checkpoint {weights} ({_in_words(figure, folder)})"
    if has_model:
        return model, f"{folder}: a training run without its best checkpoints; using its model of step {finished}, {model}"
    advice = "wait for its first evaluation, or make its model with `asr train RECIPE --finish`"
    if not progress.best and (kept := sorted(path.parent for path in (folder / "best").glob(f"step-*/{WEIGHTS}"))):
        raise UsageError(f"{folder}: is a training run whose checkpoints are missing or damaged: name its weights, such as {kept[-1]}")
    raise UsageError(f"{folder}: is a training run without an evaluated checkpoint: {advice}")


def record_model(run: Path, step: int) -> None:
    """Record that the finished model of a run has been written after a step."""
    write_atomically(run / RECORD, json.dumps({"step": step}) + "\n")


def _finished_step(run: Path) -> int | None:
    """Return the step that `record_model` recorded, or None if there is no readable record."""
    step = _read(run / RECORD).get("step")
    return step if isinstance(step, int) else None


def _progress(run: Path) -> Progress:
    """Return the progress of a run from its newest readable checkpoint. Without a checkpoint it is at step 0."""
    folders = [path for path in (run / "states").glob("step-*") if re.fullmatch("step-[0-9]{8,}", path.name)]
    for checkpoint in sorted(folders, key=lambda path: int(path.name[5:]), reverse=True):
        try:
            best = [(int(step), float(figure)) for figure, step in _read(checkpoint / "training.json")["best"]]
        except (ValueError, TypeError, KeyError):  # damaged: use the one before
            continue
        return Progress(int(checkpoint.name[5:]), best)
    return Progress(0, [])


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, or an empty one if it cannot be read."""
    try:
        found = decode_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _in_words(figure: float, run: Path) -> str:
    """Describe the dev figure of a checkpoint. Its measure depends on the kind of the run's model."""
    try:
        config, _ = read_yaml(run / "config.yaml")
    except (OSError, UnicodeDecodeError, NotYamlError):
        config = None
    kind = config.get("kind", "recogniser") if isinstance(config, dict) else ""
    words = {
        "recogniser": f"dev WER {figure:.2f} %",
        "language_model": f"dev perplexity {figure:.1f}",
        "text_restorer": f"dev error {figure:.2f} %",
    }
    return words.get(kind, f"dev figure {figure:.2f}")
