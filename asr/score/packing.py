"""The utterances as the report's page takes them: compact columns, of which `report_data.js` is the other half.

A column of texts that nearly always equal something else (what was written before normalisation) holds only the exceptions, keyed by the
row. 30,000 utterances of two systems come to some 9 MB.
"""

from __future__ import annotations

import math
import os.path
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Sequence[str]  # one column of an alignment: what happened ("=", "s", "d", "i"), reference word, hypothesis word


def pack(summary: dict[str, Any], utterances: Sequence[dict[str, Any]], pictures: Mapping[str, str]) -> dict[str, Any]:
    """Columns of the utterances of a report; `summary` is the report without them."""
    systems = summary["systems"]
    texts = [_reference_words(u) for u in utterances]
    return {
        "systems": [
            {
                "name": system["name"],
                "groups": {key: [_group_point(g) for g in groups] for key, groups in system["groups"].items()},
                **_pack_system(number, utterances, texts),
            }
            for number, system in enumerate(systems)
        ],
        "ids": [u["id"] for u in utterances],
        "durations": [_rounded(u.get("duration"), 3) for u in utterances],
        "offsets": {i: u["offset"] for i, u in enumerate(utterances) if u.get("offset")},
        "words": texts,
        "written": {i: u["reference"] for i, u in enumerate(utterances) if u["reference"] != texts[i]},
        "audio": _pack_paths([u.get("audio") for u in utterances]),
        "attention": {i: pictures[u["id"]] for i, u in enumerate(utterances) if u["id"] in pictures},
        "groups": _pack_groups(systems, utterances),
    }


def pack_alignment(alignment: Iterable[Row], reference: str | None) -> str | list[Row]:
    """An alignment as words apart by one space, given the reference's words: `2 ~hat - +uh 1` means that two words are right, one
    was heard as "hat", one left out, "uh" put in, and one word is right.

    An alignment that cannot be written so (a word with a space in it, another reference) stays a list.
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


def _pack_system(number: int, utterances: Sequence[dict[str, Any]], texts: list[str | None]) -> dict[str, Any]:
    """One system's side of every utterance."""
    results = [u["systems"][number] for u in utterances]
    heard = [None if r["hypothesis"] is None else " ".join(row[2] for row in r["alignment"] if row[0] != "d") for r in results]
    return {
        "alignments": [pack_alignment(r["alignment"], text) for r, text in zip(results, texts, strict=True)],
        "errors": [r["errors"] for r in results],
        "lengths": [r["words"] for r in results],
        "rates": [_rounded(r["rate"], 4) for r in results],
        "missing": [i for i, r in enumerate(results) if r["hypothesis"] is None],
        "written": {i: r["hypothesis"] for i, r in enumerate(results) if r["hypothesis"] != heard[i]},
    }


def _reference_words(utterance: dict[str, Any]) -> str | None:
    """The reference as it was aligned, or None where its words cannot be told apart by spaces."""
    alignments = [result["alignment"] for result in utterance["systems"]]
    aligned: list[list[str]] = next((a for a in alignments if a), [])  # a missing hypothesis may have none
    return _join(row[1] for row in aligned if row[0] != "i")


def _join(words: Iterable[str]) -> str | None:
    """The words with a space between, or None where that could not be undone."""
    listed = list(words)
    text = " ".join(listed)
    return text if text.count(" ") == max(0, len(listed) - 1) and all(listed) else None


def _pack_paths(paths: list[str | None]) -> dict[str, Any]:
    """Paths without the beginning that they share."""
    prefix = os.path.commonprefix([p for p in paths if p])  # noqa: RUF071  (characters are meant)
    return {"prefix": prefix, "rest": [p[len(prefix) :] if p else None for p in paths] if prefix or any(paths) else []}


def _pack_groups(systems: list[dict[str, Any]], utterances: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each key, its values in the report's order, and the number of the value that each utterance has (-1: none)."""
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
    """What a plot shows of a group."""
    return {
        "value": str(group["value"]),
        "utterances": group["utterances"],
        "rate": group["words"]["rate"],
        "low": group.get("low"),
        "high": group.get("high"),
    }


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None or not math.isfinite(number) else round(number, digits)
