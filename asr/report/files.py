"""The files of a report and their paths."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.errors import UsageError
from asr.files import check_writable, is_same_file, write_atomically
from asr.report.data import report
from asr.score.evaluation import Evaluation

FORMS = (".json", ".md", ".html", ".csv")


def write_report(found: Evaluation, path: Path, pictures: Mapping[str, str] | None = None) -> list[Path]:
    """Write an evaluation as report.json, report.md, report.html and report.csv into a folder, or as one file of these forms.

    Args:
        found: The evaluation.
        path: The folder; or a file that ends in .json, .md, .html or .csv.
        pictures: Attention plots for the page, as `data:` addresses by utterance id.

    Returns:
        The files written.

    Raises:
        UsageError: The path has another ending.
        OSError: A file cannot be written; its name is in the error.
    """
    check_report_path(path)
    files = _files(path)
    data = report(found, files[0].parent)
    for file in files:
        write_atomically(file, _render(data, file.suffix.lower(), pictures))
    return files


def _render(data: dict[str, Any], form: str, pictures: Mapping[str, str] | None) -> str | bytes:
    """The content of a file. Renderers are imported where they are needed: the page's template engine takes time to load."""
    if form == ".json":
        return as_json(data)
    if form == ".md":
        from asr.report.markdown import as_markdown

        return as_markdown(data).encode("utf-8", "replace")
    if form == ".csv":
        from asr.report.csv_table import as_csv

        return as_csv(data)
    from asr.report.html import render_html

    return render_html(data, pictures)


def check_report_path(path: Path | None, others: Sequence[Path] = ()) -> None:
    """Check where a report shall be written, before hours of work.

    Args:
        path: The folder or file; None for no report.
        others: Files that the command reads or writes.

    Raises:
        UsageError: The path is neither a folder nor a file of a known form, cannot be written, or would replace one of `others`.
    """
    if path is None:
        return
    if path.suffix and not _is_one_file(path) and not path.is_dir():
        raise UsageError(f"--report {path}: expected a folder, or a file that ends in {', '.join(FORMS)}")
    if path.is_file() and not _is_one_file(path):
        raise UsageError(f"--report {path}: is a file, expected a folder, or a file that ends in {', '.join(FORMS)}")
    try:
        check_writable(_files(path)[0])
    except OSError as e:
        raise UsageError(f"--report {path}: cannot be written: {e.strerror}") from None
    for file, other in itertools.product(_files(path), others):
        if is_same_file(file, other):
            raise UsageError(f"--report {path}: would be written over {other}: name another file or folder")


def writes_page(path: Path) -> bool:
    """Whether `write_report` writes an HTML page there."""
    return path.suffix.lower() == ".html" or not _is_one_file(path)


def _files(path: Path) -> list[Path]:
    return [path] if _is_one_file(path) else [path / f"report{form}" for form in FORMS]


def _is_one_file(path: Path) -> bool:
    return path.suffix.lower() in FORMS and not path.is_dir()


def as_json(data: dict[str, Any]) -> bytes:
    """Encode the report as JSON with one utterance a line, so that reports can be compared by line."""
    head = json.dumps({**data, "utterances": []}, ensure_ascii=False, allow_nan=False, indent=1).removesuffix("[]\n}")
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    lines = (encode(utterance).encode("utf-8", "replace") for utterance in data["utterances"])
    return head.encode("utf-8", "replace") + b"[\n" + b",\n".join(lines) + b"\n]}\n"
