"""A run's `log.jsonl`: a JSON object for each step, each evaluation and whatever was skipped, in the order of time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.errors import AsrError, UsageError
from asr.json_text import NotJsonError, decode_json


def read_log(run: Path) -> list[dict[str, Any]]:
    """All records in the log of a run's folder, also of a run that is under way.

    Raises UsageError where there is no log, AsrError with the line that is damaged.
    """
    path = run / "log.jsonl"
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}: is {run} the folder of a run?") from None
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):  # the last one, half written
            continue
        try:
            record = decode_json(line, number)
        except (NotJsonError, UnicodeDecodeError) as e:
            raise AsrError(f"{path}:{number}: damaged ({e}): take the line out") from None
        if not isinstance(record, dict):
            raise AsrError(f"{path}:{number}: damaged (no JSON object): take the line out")
        records.append(record)
    return records
