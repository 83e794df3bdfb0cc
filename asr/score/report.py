"""The report as data: what `report.json` holds, and what `report.md` and `report.html` are made from.

`report.schema.json` beside this file describes every key. Names and meanings stay within a `schema_version`; keys may be added. Rates
are fractions (0.25 is 25 %), durations seconds. A rate is null where the reference has no word and something was inserted.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.errors import UsageError
from asr.files import check_writable, is_same_file, write_atomically
from asr.score.alignment import Row, align
from asr.score.bootstrap import Interval
from asr.score.evaluation import Evaluation, SystemResult
from asr.score.groups import NOT_TOLD, Group
from asr.score.wer import ErrorCounts
from asr.version import version

SCHEMA_VERSION = 1
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
            from asr.score.markdown import as_markdown

            write_atomically(file, as_markdown(data))
        else:
            from asr.score.html import write_html

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


def report(found: Evaluation, folder: Path | None = None) -> dict[str, Any]:
    """The report as a dictionary; recordings by their path as seen from `folder`, where it is given."""
    return {
        "schema_version": SCHEMA_VERSION,
        "title": found.title or " / ".join(system.name for system in found.systems),
        "created": found.created.isoformat(timespec="seconds"),
        "tool": {"name": "las-asr", "version": version()},
        "normalizer": {
            "name": found.normalizer.name,
            "version": found.normalizer.version,
            "hash": found.normalizer.hash,
            "description": found.normalizer.description,
            "examples": [{"before": before, "after": after} for before, after in found.examples],
        },
        "alignment": found.alignment,
        "missing": found.missing,
        "reference": {
            "file": found.reference.file,
            "format": found.reference.form,
            "utterances": len(found.ids),
            "words": found.reference_words,
        },
        "systems": [_system(system) for system in found.systems],
        "comparisons": [
            {
                "a": c.a,
                "b": c.b,
                "difference": c.difference,
                "low": c.low,
                "high": c.high,
                "p_bootstrap": c.p_bootstrap,
                "p_matched_pairs": c.matched_pairs.p,
                "segments": c.matched_pairs.segments,
                "z": c.matched_pairs.z,
                "better": c.better,
                "verdict": c.verdict,
            }
            for c in found.comparisons
        ],
        "utterances": _utterances(found, folder),
    }


def _rate(counts: ErrorCounts) -> float | None:
    return counts.rate if math.isfinite(counts.rate) else None


def _counts(counts: ErrorCounts) -> dict[str, Any]:
    return {
        "rate": _rate(counts),
        "errors": counts.errors,
        "reference_length": counts.reference_length,
        "hits": counts.hits,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
    }


def _interval(one: Interval | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"level": one.level, "low": one.low, "high": one.high, "samples": one.samples, "unit": one.unit}


def _group(group: Group) -> dict[str, Any]:
    return {"value": group.value, "utterances": group.utterances, "words": _counts(group.words), "low": group.low, "high": group.high}


def _pairs(entries: tuple[tuple[str, str, int], ...]) -> list[dict[str, Any]]:
    return [{"reference": reference, "hypothesis": hypothesis, "count": count} for reference, hypothesis, count in entries]


def _system(system: SystemResult) -> dict[str, Any]:
    lists = system.lists
    return {
        "name": system.name,
        "file": system.file,
        "format": system.form,
        "missing": list(system.missing),
        "extra": list(system.extra),
        "words": _counts(system.words),
        "characters": _counts(system.characters),
        "sentences": {"rate": system.sentence_error_rate, "errors": system.sentence_errors, "count": system.utterances},
        "interval": _interval(system.interval),
        "interval_by_speaker": _interval(system.interval_by_speaker),
        "groups": {key: [_group(group) for group in groups] for key, groups in system.groups.items()},
        "confusions": _pairs(lists.confusions),
        "insertions": [{"word": word, "count": count} for word, count in lists.insertions],
        "deletions": [{"word": word, "count": count} for word, count in lists.deletions],
        "low_recall": [{"word": r.word, "count": r.count, "hits": r.hits, "recall": r.recall} for r in lists.low_recall],
        "compounds": {
            "count": lists.compounds.count,
            "errors": lists.compounds.errors,
            "share_of_errors": lists.compounds.share_of_errors,
            "examples": _pairs(lists.compounds.examples),
        },
        "worst": list(system.worst),
    }


def _utterances(found: Evaluation, folder: Path | None) -> list[dict[str, Any]]:
    """Every utterance with the alignment of every system; rows that are alike are one object, so that 100,000 utterances fit."""
    shared: dict[Row, Row] = {}
    utterances = []
    for i, (name, details) in enumerate(zip(found.ids, found.details, strict=True)):
        systems = []
        expected = found.normalized_references[i].split()
        for system, raw, normalized in zip(found.systems, found.hypotheses, found.normalized_hypotheses, strict=True):
            counts = ErrorCounts(*map(int, system.utterance_words[i]))
            rows = [shared.setdefault(row, row) for row in align(expected, normalized[i].split(), found.alignment)]
            systems.append(
                {
                    "hypothesis": raw[i],
                    "errors": counts.errors,
                    "words": counts.reference_length,
                    "rate": _rate(counts),
                    "alignment": rows,
                }
            )
        utterances.append(
            {
                "id": name,
                "duration": details.get("duration"),
                "offset": details.get("offset"),
                "speaker": details.get("speaker"),
                "audio": _path(details.get("audio_filepath"), folder),
                "groups": {key: values[i] for key, values in found.labels.items() if values[i] != NOT_TOLD},
                "reference": found.references[i],
                "systems": systems,
            }
        )
    return utterances


def _path(audio: str | None, folder: Path | None) -> str | None:
    if audio is None or folder is None:
        return audio
    try:
        return Path(os.path.relpath(audio, folder)).as_posix()
    except ValueError:  # Windows: another drive
        return str(Path(audio).resolve())
