"""The files of a report: report.json, report.md, report.html and their paths."""

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

FORMS = (".json", ".md", ".html")


def write_report(found: Evaluation, path: Path, pictures: Mapping[str, str] | None = None) -> list[Path]:
    """Write report.json, report.md and report.html into a folder, or one of them as FILE.json, FILE.md or FILE.html.

    pictures: for the page, `data:` addresses of where a model looked, by the utterance's id.

    Returns the files written. Raises UsageError for another ending, OSError with the file's name.
    """
    check_report_path(path)
    files = _files(path)
    data = report(found, files[0].parent)
    for file in files:
        if file.suffix.lower() == ".json":
            write_atomically(file, as_json(data))
        elif file.suffix.lower() == ".md":
            from asr.report.markdown import as_markdown

            write_atomically(file, as_markdown(data))
        else:
            from asr.report.html import write_html

            write_html(data, file, pictures)
    return files


def check_report_path(path: Path | None, others: Sequence[Path] = ()) -> None:
    """Raises UsageError where `path` is neither a folder nor a file of a form that can be written, or nothing can be written there, or
    a file of the report would take the place of one of the `others`, which the command reads or writes too.
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
    """The report as JSON, an utterance a line, so that reports can be told apart line by line."""
    head = json.dumps({**data, "utterances": []}, ensure_ascii=False, allow_nan=False, indent=1).removesuffix("[]\n}")
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    lines = (encode(utterance).encode("utf-8", "replace") for utterance in data["utterances"])
    return head.encode("utf-8", "replace") + b"[\n" + b",\n".join(lines) + b"\n]}\n"
