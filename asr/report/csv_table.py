"""The utterances as a CSV table, one in a row, for spreadsheets.

The first columns are the utterance's (id, speaker, figures, recording, groups, reference). Then come each system's hypothesis and figures;
of several systems the headings begin with the system's name. Rates are fractions. Texts are as read, but one that a spreadsheet would run
as a formula (it begins with =, +, - or @) has an apostrophe in front, which the readers of `asr.text.formats` remove.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from asr.report.columns import UTTERANCES, result_columns
from asr.text.formats.cells import FORMULA

_OWN = ("speaker", *(column.key for column in UTTERANCES))  # groups that are columns of their own


def as_csv(report: dict[str, Any]) -> bytes:
    """Render the utterances of the report as CSV (RFC 4180), in UTF-8 with the byte order mark that spreadsheets expect."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    keys = list(dict.fromkeys(key for system in report["systems"] for key in system["groups"] if key not in _OWN))
    figures = [column.key for column in result_columns(report["systems"])]
    writer.writerow(map(_harmless, _headings([system["name"] for system in report["systems"]], keys, figures)))
    for utterance in report["utterances"]:
        writer.writerow(map(_harmless, _row(utterance, keys, figures)))
    return text.getvalue().encode("utf-8-sig", "replace")


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def _headings(systems: list[str], keys: list[str], figures: list[str]) -> Iterator[str]:
    yield from ("id", "speaker", *(column.key for column in UTTERANCES), "audio", *keys, "reference")
    for system in systems:
        prefix = f"{system}: " if len(systems) > 1 else ""
        yield from (f"{prefix}{name}" for name in ("hypothesis", *figures))


def _row(utterance: dict[str, Any], keys: list[str], figures: list[str]) -> Iterator[Any]:
    """Cells of an utterance; what is unknown is empty."""
    yield from (utterance["id"], utterance["speaker"], *(utterance[column.key] for column in UTTERANCES), utterance["audio"])
    yield from (utterance["groups"].get(key) for key in keys)
    yield utterance["reference"]
    for result in utterance["systems"]:
        yield result["hypothesis"]
        yield from (result.get(key) for key in figures)
