"""The JSON schema of report.json. Its parts that list figures follow from the table of columns.

Run `python -m asr.report.schema` to update `report.schema.json` after a change of the table; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asr.files import write_atomically
from asr.report.columns import ACCURACIES, COUNTS, MARKS, READABLE, RESULTS, SENTENCES, UTTERANCES, Column

PATH = Path(__file__).with_name("report.schema.json")
NULLABLE = ("duration", "offset")  # keys whose figure may be unknown; so may every rate


def as_schema(column: Column[Any]) -> dict[str, Any]:
    """Schema of one figure."""
    kind = {"rate": "number", "count": "integer", "seconds": "number"}[column.format]
    nullable = column.format == "rate" or column.key in NULLABLE
    return {"type": [kind, "null"] if nullable else kind, "minimum": 0, "description": column.explanation}


def filled(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the figures of the table in place of those that it has."""
    parts = schema["$defs"]
    utterance = parts["utterance"]
    for part, columns, others in (
        (parts["counts"], COUNTS, ()),
        (parts["system"]["properties"]["sentences"], SENTENCES, ()),
        (utterance["properties"]["systems"]["items"], RESULTS, ("hypothesis", "alignment")),
        (utterance, UTTERANCES, ("id", "speaker", "audio", "groups", "reference", "systems")),
    ):
        _fill(part, columns, others)
    results = utterance["properties"]["systems"]["items"]["properties"]
    results |= {column.key: as_schema(column) for column in READABLE}  # optional
    _fill_before(parts["mark"], MARKS)
    _fill_before(parts["accuracy"], ACCURACIES)
    return schema


def _fill_before(part: dict[str, Any], columns: Iterable[Column[Any]]) -> None:
    """Put the figures of an object before the ends of its interval."""
    ends = {key: part["properties"][key] for key in ("low", "high")}
    part["properties"] = {**{column.key: as_schema(column) for column in columns}, **ends}
    part["required"] = list(part["properties"])


def _fill(part: dict[str, Any], columns: Iterable[Column[Any]], others: tuple[str, ...]) -> None:
    """Replace the figures of an object; its other keys keep their schema and stand around the figures, the first one before them."""
    figures = {column.key: as_schema(column) for column in columns}
    kept = {key: part["properties"][key] for key in others}
    part["properties"] = {**dict(list(kept.items())[:1]), **figures, **kept}
    part["required"] = list(part["properties"])


def read_schema() -> dict[str, Any]:
    """Read the schema from its file."""
    return json.loads(PATH.read_text(encoding="utf-8"))


if __name__ == "__main__":
    write_atomically(PATH, json.dumps(filled(read_schema()), indent=2, ensure_ascii=False) + "\n")
