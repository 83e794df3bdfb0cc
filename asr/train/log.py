"""A run's `log.jsonl`: one JSON object per step, evaluation and skipped utterance, in order of time."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.errors import AsrError, UsageError
from asr.files import write_atomically
from asr.json_text import NotJsonError, decode_json

LOG = "log.jsonl"


def read_log(run: Path) -> list[dict[str, Any]]:
    """Return all records in the log of a run's folder. The run may be under way.

    Raises:
        UsageError: There is no log.
        AsrError: A line is damaged. The message names it.
    """
    path = run / LOG
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}: is {run} the folder of a run?") from None
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):  # the last line, partly written
            continue
        try:
            record = decode_json(line, number)
        except (NotJsonError, UnicodeDecodeError) as e:
            raise AsrError(f"{path}:{number}: damaged ({e}): delete the line") from None
        if not isinstance(record, dict):
            raise AsrError(f"{path}:{number}: damaged (no JSON object): delete the line")
        records.append(record)
    return records


def append_log(run: Path, record: dict[str, object]) -> None:
    """Append a record to the log of a run's folder. Raises OSError naming the log."""
    run.mkdir(parents=True, exist_ok=True)
    try:
        with open(run / LOG, "a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")
    except OSError as e:
        raise OSError(e.errno, os.strerror(e.errno or 0), str(run / LOG)) from e


def filter_log(run: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Delete the records that `keep` rejects, and damaged lines (after a power cut or on a full disk)."""
    path = run / LOG
    if path.is_file():
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, AttributeError, TypeError):  # no JSON, no object, or a step that is no number
                if keep(decode_json(line)):
                    kept.append(line + "\n")
        write_atomically(path, "".join(kept))
