"""The utterances in the form that the page embeds: compact columns, which `page/data.js` unpacks.

A column that mostly repeats another (texts before normalisation) holds the exceptions only, keyed by row.
"""

from __future__ import annotations

import math
import os.path
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from asr.report.columns import UTTERANCES, Column, result_columns

Row: TypeAlias = Sequence[str]  # of an alignment: kind ("=", "s", "d", "i"), word of the reference, word of the hypothesis

_ALWAYS = {"errors", "words", "rate"}  # columns that the page's own scripts read
_DIGITS = {"count": 0, "rate": 4, "seconds": 3}  # after the point


def pack(summary: dict[str, Any], utterances: Sequence[dict[str, Any]], pictures: Mapping[str, str]) -> dict[str, Any]:
    """Pack the utterances of a report.

    Args:
        summary: The report without its utterances.
        utterances: As in report.json.
        pictures: Attention plots as `data:` addresses, by utterance id.

    Returns:
        What `page/data.js` calls `data`.
    """
    systems = summary["systems"]
    texts = [_reference_words(u) for u in utterances]
    results = result_columns(systems)
    return {
        "systems": [
            {
                "name": system["name"],
                "groups": {key: [_group_point(g) for g in groups] for key, groups in system["groups"].items()},
                **_pack_system(number, utterances, texts, results),
            }
            for number, system in enumerate(systems)
        ],
        "level": next((f"{100 * s['interval']['level']:g}\u00a0%" for s in systems if s.get("interval")), None),
        "ids": [u["id"] for u in utterances],
        "columns": {"results": _describe(results), "utterances": _describe(UTTERANCES)},
        "figures": _pack_figures(UTTERANCES, utterances),
        "words": texts,
        "written": {i: u["reference"] for i, u in enumerate(utterances) if u["reference"] != texts[i]},
        "audio": _pack_paths([u.get("audio") for u in utterances]),
        "attention": {i: pictures[u["id"]] for i, u in enumerate(utterances) if u["id"] in pictures},
        "groups": _pack_groups(systems, utterances),
    }


def pack_alignment(alignment: Iterable[Row], reference: str | None) -> str | list[Row]:
    """Pack an alignment with a known reference into a string.

    `2 ~hat - +uh 1`: two words correct, one replaced by "hat", one deleted, "uh" inserted, one correct. An alignment that this form
    cannot hold (a word with a space in it, another reference) stays a list.
    """
    rows = list(alignment)
    if reference is None or _join(row[1] for row in rows if row[0] != "i") != reference:
        return rows
    packed: list[str] = []
    right = 0
    for kind, expected, heard in rows:
        if kind == "=" and expected == heard:
            right += 1
            continue
        if " " in heard or kind not in "sdi":
            return rows
        if right:
            packed.append(str(right))
            right = 0
        packed.append({"s": "~", "d": "-", "i": "+"}[kind] + heard)
    if right:
        packed.append(str(right))
    return " ".join(packed)


def _pack_system(
    number: int, utterances: Sequence[dict[str, Any]], texts: list[str | None], columns: Iterable[Column[Any]]
) -> dict[str, Any]:
    """The results of one system on every utterance."""
    results = [u["systems"][number] for u in utterances]
    heard = [None if r["hypothesis"] is None else " ".join(row[2] for row in r["alignment"] if row[0] != "d") for r in results]
    return {
        "alignments": [pack_alignment(r["alignment"], text) for r, text in zip(results, texts, strict=True)],
        "figures": _pack_figures(columns, results),
        "missing": [i for i, r in enumerate(results) if r["hypothesis"] is None],
        "written": {i: r["hypothesis"] for i, r in enumerate(results) if r["hypothesis"] != heard[i]},
    }


def _describe(columns: Iterable[Column[Any]]) -> list[dict[str, str]]:
    """What the page needs to know about columns to show them and to sort by them."""
    return [
        {"key": c.key, "heading": c.heading, "format": c.format, "listed": c.listed, "pooled": c.pooled, "explanation": c.explanation}
        for c in columns
    ]


def _pack_figures(columns: Iterable[Column[Any]], holders: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """The figures by column; one that is 0 or unknown everywhere is left out."""
    packed = {c.key: [_rounded(holder.get(c.key), _DIGITS[c.format]) for holder in holders] for c in columns}
    return {key: values for key, values in packed.items() if any(values) or key in _ALWAYS}


def _reference_words(utterance: dict[str, Any]) -> str | None:
    """The reference as it was aligned; None if spaces do not separate its words."""
    alignments = [result["alignment"] for result in utterance["systems"]]
    aligned: list[list[str]] = next((a for a in alignments if a), [])  # the list of a missing hypothesis may be empty
    return _join(row[1] for row in aligned if row[0] != "i")


def _join(words: Iterable[str]) -> str | None:
    """The words joined by spaces; None if splitting would not give them back."""
    listed = list(words)
    text = " ".join(listed)
    return text if text.count(" ") == max(0, len(listed) - 1) and all(listed) else None


def _pack_paths(paths: list[str | None]) -> dict[str, Any]:
    """Paths as their common prefix and the rest of each."""
    prefix = os.path.commonprefix([p for p in paths if p])  # noqa: RUF071  (characters are meant)
    return {"prefix": prefix, "rest": [p[len(prefix) :] if p else None for p in paths] if prefix or any(paths) else []}


def _pack_groups(systems: list[dict[str, Any]], utterances: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each key its values, in the report's order, and of each utterance the index of its value (-1: none)."""
    known = {key: [g["value"] for g in groups] for system in systems for key, groups in system["groups"].items()}
    columns: dict[str, Any] = {}
    for key in dict.fromkeys(["speaker", *known, *(key for u in utterances for key in u.get("groups", {}))]):
        numbers = {str(value): number for number, value in enumerate(known.get(key, []))}
        column = []
        for u in utterances:
            value = u.get("groups", {}).get(key)
            if value is None and key == "speaker":
                value = u.get("speaker")
            column.append(-1 if value is None else numbers.setdefault(str(value), len(numbers)))
        if any(number >= 0 for number in column):
            columns[key] = {"values": list(numbers), "of": column}
    return columns


def _group_point(group: dict[str, Any]) -> dict[str, Any]:
    """The figures of a group that plots show."""
    return {
        "value": str(group["value"]),
        "utterances": group["utterances"],
        "rate": group["words"]["rate"],
        "low": group.get("low"),
        "high": group.get("high"),
    }


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None or not math.isfinite(number) else round(number, digits or None)
