"""The report as data: the dictionary that report.json holds, from which all other forms are rendered.

`report.schema.json` describes every key. Names and meanings stay within a `schema_version`; keys may be added. Rates are fractions
(0.25 is 25 %), durations seconds. A rate is null if the reference is empty and something was inserted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from asr.report.columns import COUNTS, READABLE, RESULTS, SENTENCES, UTTERANCES, figures
from asr.report.readable import figures_of
from asr.score.alignment import Row, align
from asr.score.bootstrap import Interval
from asr.score.evaluation import Evaluation, SystemResult
from asr.score.groups import UNKNOWN, Group
from asr.score.wer import ErrorCounts
from asr.version import version

SCHEMA_VERSION = 1


def report(found: Evaluation, folder: Path | None = None) -> dict[str, Any]:
    """Build the report.

    Args:
        found: The evaluation.
        folder: Where the report will be written; paths of recordings are made relative to it. None leaves them unchanged.

    Returns:
        The dictionary that `report.schema.json` describes.
    """
    return {**summary(found), "utterances": _utterances(found, folder)}


def summary(found: Evaluation) -> dict[str, Any]:
    """Build the report without its utterances."""
    return {
        "schema_version": SCHEMA_VERSION,
        "title": found.title or " / ".join(system.name for system in found.systems),
        "created": found.created.isoformat(timespec="seconds"),
        "tool": {"name": "las-asr", "version": version()},
        "settings": found.settings,
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
                "p_bootstrap_holm": c.p_bootstrap_holm,
                "p_matched_pairs": c.matched_pairs.p,
                "p_matched_pairs_holm": c.p_matched_pairs_holm,
                "segments": c.matched_pairs.segments,
                "z": c.matched_pairs.z,
                "better": c.better,
                "verdict": c.verdict,
                "explanation": c.explanation,
            }
            for c in found.comparisons
        ],
    }


def _interval(one: Interval | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"level": one.level, "low": one.low, "high": one.high, "samples": one.samples, "unit": one.unit}


def _group(group: Group) -> dict[str, Any]:
    return {
        "value": group.value,
        "utterances": group.utterances,
        "words": figures(COUNTS, group.words),
        "low": group.low,
        "high": group.high,
    }


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
        "words": figures(COUNTS, system.words),
        "characters": figures(COUNTS, system.characters),
        "sentences": figures(SENTENCES, system),
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
        **({"readable": figures_of(system.readable)} if system.readable else {}),
    }


def _utterances(found: Evaluation, folder: Path | None) -> list[dict[str, Any]]:
    """Every utterance with the alignments of all systems. Equal rows share one object, so that 100,000 utterances fit into memory."""
    shared: dict[Row, Row] = {}
    utterances = []
    for i, (name, details) in enumerate(zip(found.ids, found.details, strict=True)):
        systems = []
        expected = found.normalized_references[i].split()
        for system, raw, normalized in zip(found.systems, found.hypotheses, found.normalized_hypotheses, strict=True):
            counts = ErrorCounts(*map(int, system.utterance_words[i]))
            rows = [shared.setdefault(row, row) for row in align(expected, normalized[i].split(), found.alignment)]
            more = figures(READABLE, system.readable.utterances[i].tolist()) if system.readable else {}
            systems.append({"hypothesis": raw[i], **figures(RESULTS, counts), **more, "alignment": rows})
        utterances.append(
            {
                "id": name,
                **figures(UTTERANCES, details),
                "speaker": details.get("speaker"),
                "audio": _path(details.get("audio_filepath"), folder),
                "groups": {key: values[i] for key, values in found.labels.items() if values[i] != UNKNOWN},
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
