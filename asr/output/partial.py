"""Partial transcripts: the results of an interrupted command for a long recording, for the same command to go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pydantic

from asr.errors import UsageError
from asr.files import write_atomically
from asr.transcript import HeldBack, Segment

FORMAT = "las-asr partial transcript"


class PartialResult(NamedTuple):
    """The result for a segment of speech."""

    start: float
    """seconds from the start of the recording; with the recording it identifies the segment"""
    found: Segment | HeldBack | None


class _Content(pydantic.BaseModel):
    """The file. `job` identifies the recording, the model and the search."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=False)
    format: str
    job: str
    results: list[PartialResult]


def partial_path(base: Path) -> Path:
    """Return `out/talk.partial.json` for the output files `out/talk.…`."""
    return base.with_name(f"{base.name}.partial.json")


def write_partial(base: Path, job: str, results: dict[float, Segment | HeldBack | None]) -> bool:
    """Write the results so far, atomically, unless another file has the name.

    Args:
        base: path of the output files without their endings.
        job: identifies the recording, the model and the search.
        results: by the start of the segment (s).

    Returns:
        Whether it was written.
    """
    path = partial_path(base)
    if path.exists() and not _is_partial(path):
        return False
    content = _Content(format=FORMAT, job=job, results=[PartialResult(start, found) for start, found in sorted(results.items())])
    write_atomically(path, content.model_dump_json())
    return True


def read_partial(base: Path, job: str) -> dict[float, Segment | HeldBack | None]:
    """Read the results of an interrupted command; none if there is no file.

    Raises:
        UsageError: the file is of another recording, model or search, or is damaged.
    """
    path = partial_path(base)
    if not path.is_file() or not _is_partial(path):
        return {}
    try:
        content = _Content.model_validate_json(path.read_bytes())
    except (pydantic.ValidationError, OSError):
        raise UsageError(f"{path}: damaged") from None
    if content.job != job:
        raise UsageError(f"{path}: made from another recording, or with another model or other options")
    return {result.start: result.found for result in content.results}


def remove_partial(base: Path) -> None:
    """Remove the file, after the transcript is written."""
    path = partial_path(base)
    if path.is_file() and _is_partial(path):
        path.unlink(missing_ok=True)


def _is_partial(path: Path) -> bool:
    """Whether a file was written by `write_partial`: a transcript may have the same name."""
    mark = json.dumps({"format": FORMAT}, separators=(",", ":"))[:-1].encode()
    try:
        with open(path, "rb") as file:
            return file.read(len(mark)) == mark
    except OSError:
        return False
