"""The report as one HTML file that opens from disk, without network or server.

The template `page/page.html.j2` renders the small parts (summary, lists, tables). The utterances are embedded as compact JSON, from which
the scripts in `page/` draw the plots and the list of utterances.

The page is safe with any text: the template escapes everything, the JSON holds no `<`, the scripts set text and never HTML, and a content
security policy allows the page's own scripts only and no address but files beside it.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from json import JSONEncoder
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from asr.report.columns import page_rows, show
from asr.report.conclusion import conclusion
from asr.report.data import SCHEMA_VERSION
from asr.report.packing import pack
from asr.report.readable import rows as readable_rows

SCRIPTS = ("theme/theme.js", "page/data.js", "page/plots.js", "page/choice.js", "page/alignment.js", "page/list.js")
"""in this order; the first goes into the head"""
STYLES = ("theme/theme.css", "page/page.css")
TABLE_ROWS = 1000  # of a key with more groups, the largest; a table of every recording would make the page slow
_STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)  # round numbers for the end of a scale, times a power of ten

_HERE = Path(__file__).parent
_NO_BREAK = re.compile(r"(?<=\d) (?=%)|(?<=\bp) (?=[<=])|(?<=[<=]) (?=\d)")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def render_html(report: dict[str, Any], pictures: Mapping[str, str] | None = None) -> str:
    """Render the report as the source of a web page.

    Args:
        report: The dictionary that report.json holds. Paths of recordings are absolute, or relative to the page's folder.
        pictures: Attention plots as `data:` addresses, by utterance id.

    Raises:
        ValueError: The report has another `schema_version`.
    """
    if report.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"schema_version: {report.get('schema_version')!r}, but this page shows version {SCHEMA_VERSION}")
    utterances = report["utterances"]
    summary = _clean({key: value for key, value in report.items() if key != "utterances"})
    data = _encode(pack(summary, utterances, pictures or {}))
    scripts = [Markup(_asset(name)) for name in SCRIPTS]
    style = Markup("".join(map(_asset, STYLES)))
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=summary,
            conclusion=conclusion(summary),
            ordered=list(_ordered(summary)),
            no_intervals=[_no_interval(system) for system in summary["systems"]],
            figure_rows=list(_figure_rows(summary["systems"])),
            readable_rows=list(readable_rows(summary["systems"])),
            scale_end=_scale_end(summary["systems"]),
            group_tables=list(_group_tables(summary["systems"])),
            worst=_worst(summary["systems"], utterances),
            data=Markup(data),
            scripts=scripts,
            style=style,
            policy=_policy(scripts, style),
        )
    )
    return _LONE_SURROGATE.sub("\ufffd", page)


def _clean(value: Any) -> Any:
    """Replace what JSON and UTF-8 cannot hold: infinite numbers by None, lone surrogates by the replacement character."""
    if isinstance(value, dict):
        return {_clean(key): _clean(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def _encode(data: dict[str, Any]) -> str:
    """JSON for a script element: without `<`, nothing in it can end the element or open a comment."""
    return JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(data).replace("<", "\\u003c")


# ---------------------------------------------------------------- data for the template


def _figure_rows(systems: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of the table of figures: label, explanation and, for each system, the figure and its share of the whole."""
    for unit, column, label in page_rows():
        cells = []
        for of_unit in (system[unit.key] for system in systems):
            value, whole = of_unit[column.key], of_unit.get(column.out_of)
            cells.append({"text": show(value, column.format), "share": value / whole if value is not None and whole else None})
        yield {"key": column.key, "label": label, "explanation": column.explanation, "cells": cells}


def _ordered(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The comparisons with the system that is ahead first: the systems' numbers, and the difference in points with its interval."""
    numbers = {system["name"]: number for number, system in enumerate(summary["systems"])}
    for c in summary["comparisons"]:
        a_is_ahead = (c["difference"] or 0) <= 0
        first, second = (c["a"], c["b"]) if a_is_ahead else (c["b"], c["a"])
        low, high = (c["low"], c["high"]) if not a_is_ahead or c["low"] is None else (-c["high"], -c["low"])
        points = {"points": _points(abs(c["difference"] or 0)), "points_low": _points(low), "points_high": _points(high)}
        yield {**c, "first": numbers[first], "second": numbers[second], **points}


def _points(difference: float | None) -> str:
    """Points of error rate, with a proper minus sign."""
    return "–" if difference is None else f"{100 * difference + 0:.2f}".replace("-0.00", "0.00").replace("-", "\u2212")


def _no_interval(system: dict[str, Any]) -> str:
    """Why a system has no interval."""
    if not system["words"]["reference_length"]:
        return "no interval: the references have no words"
    if system["sentences"]["count"] < 2:
        return "no interval: a single utterance"
    return "no interval" if system["words"]["errors"] else "no interval: without errors it cannot be estimated"


def _scale_end(systems: list[dict[str, Any]]) -> float:
    """The error rate at which the scale of the bars ends: a round number beyond all rates and intervals."""
    rates = [end for s in systems for end in (s["words"]["rate"], s["interval"] and s["interval"]["high"]) if end]
    largest = max(rates, default=1.0)
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in _STEPS if step * power >= largest * (1 - 1e-9))


def _group_tables(systems: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each key the rows of a table: value, utterances, words and, for each system, the group's figures (None if it has no such group)."""
    for key in dict.fromkeys(key for system in systems for key in system["groups"]):
        of_system = [{str(g["value"]): g for g in system["groups"].get(key, [])} for system in systems]
        rows: list[dict[str, Any]] = []
        for value in dict.fromkeys(value for groups in of_system for value in groups):
            cells = [groups.get(value) for groups in of_system]
            first = next(cell for cell in cells if cell)
            rows.append({"value": value, "utterances": first["utterances"], "words": first["words"]["reference_length"], "cells": cells})
        shown = rows if len(rows) <= TABLE_ROWS else sorted(rows, key=lambda row: -row["words"])[:TABLE_ROWS]
        yield {"key": key, "rows": shown, "groups": len(rows)}


def _worst(systems: list[dict[str, Any]], utterances: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The worst utterances of each system with their figures."""
    wanted = {id_ for system in systems for id_ in system["worst"]}
    by_id = {u["id"]: u["systems"] for u in utterances if u["id"] in wanted}
    return [[{"id": i, **_figures(by_id[i][n])} for i in system["worst"] if i in by_id] for n, system in enumerate(systems)]


def _figures(result: dict[str, Any]) -> dict[str, Any]:
    return {key: _clean(result[key]) for key in ("errors", "words", "rate")}


def _breakable(path: str) -> Markup:
    """A path that may break after a slash."""
    return Markup("/<wbr>").join(path.split("/"))


def _percent(rate: float | None, digits: int = 2) -> str:
    """12.34 %, with a non-breaking space."""
    return "–" if rate is None else f"{100 * rate:.{digits}f}\u00a0%"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _plural(number: int, one: str, many: str | None = None) -> str:
    """1 word, 2 words."""
    return f"{number:,}\u00a0{one if number == 1 else many or one + 's'}"


def _glued(text: str) -> str:
    """The text with spaces that do not break before `%`, and around the sign in `p = 0.01`."""
    return _NO_BREAK.sub("\u00a0", text)


def _level(interval: dict[str, Any]) -> str:
    """The confidence level, `95 %`."""
    return f"{100 * interval['level']:g}\u00a0%"


def _probability(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(breakable=_breakable, percent=_percent, count=_count, plural=_plural)
    environment.filters.update(probability=_probability, glued=_glued, level=_level)
    return environment


@cache
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str], style: str) -> str:
    """The content security policy: these scripts, this style, pictures and sound from files or from the page's own site."""

    def fingerprint(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}'"

    allowed = " ".join(fingerprint(script) for script in scripts)
    local = "'self' file: data:"
    return f"default-src 'none'; script-src {allowed}; style-src {fingerprint(style)}; img-src {local}; media-src {local}; base-uri 'none'"
