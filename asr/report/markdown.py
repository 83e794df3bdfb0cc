"""The report as Markdown, short enough for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from asr.report.columns import compared_columns, show
from asr.report.conclusion import conclusion
from asr.report.readable import table as readable_table

ENTRIES = 10  # of each list
GROUPS = 12  # of each key
IDS = 10


def as_markdown(report: dict[str, Any]) -> str:
    """Render the report (the dictionary that report.json holds) as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: dict[str, Any]) -> Iterator[str]:
    reference, normalizer, systems = report["reference"], report["normalizer"], report["systems"]
    yield from (f"## Word error rate: {_cell(report['title'])}", "")
    yield f"{_plural(reference['utterances'], 'utterance')}, {_plural(reference['words'], 'word')} of {_code(reference['file'] or 'the references')}"
    yield from (_normalized(normalizer, report["alignment"]), "")
    yield from _system_table(systems)
    headings, cells = readable_table(systems)
    if cells:
        yield from _table([_cell(heading) for heading in headings], [[_cell(cell) for cell in row] for row in cells])
    drawn = conclusion(report)
    if drawn:
        yield from (f"{_cell(drawn.text)} {_cell(drawn.note)}", "")
    for comparison in report["comparisons"]:
        yield f"- {_cell(' '.join(filter(None, (comparison['verdict'] + '.', comparison['explanation']))))}"
    if report["comparisons"]:
        yield ""
    for system in systems:
        yield from _notes(system)
    for key in dict.fromkeys(key for system in systems for key in system["groups"]):
        yield from _groups(key, systems)
    for system in systems:
        yield from _lists(system)
    if normalizer["examples"]:
        yield from ("<details><summary>Examples of normalisation</summary>", "")
        yield from _table(["before", "after"], [[_cell(e["before"]), _cell(e["after"])] for e in normalizer["examples"]])
        yield from ("</details>", "")
    if report["settings"]:
        yield from (f"Search: {_cell(report['settings'])}", "")
    yield f"{report['tool']['name']} {report['tool']['version']}, {report['created']}"


def _normalized(normalizer: dict[str, Any], alignment: str) -> str:
    name = f"{normalizer['name']} (version {normalizer['version']}, {normalizer['hash']})"
    return f"Normaliser {_code(name)}: {_cell(normalizer['description'])}. Alignment: {alignment}."


def _system_table(systems: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A row for each system; beside the WER the intervals that at least one system has."""
    columns = list(compared_columns())
    headings = [heading for *_, heading in columns]
    spreads = {key: next((s[key] for s in systems if s[key]), None) for key in ("interval", "interval_by_speaker")}
    headings[1:1] = [f"{100 * one['level']:g} % interval over {one['unit']}" for one in spreads.values() if one]
    rows = []
    for system in systems:
        wer, *rest = (show(system[unit.key][column.key], column.format) for unit, column, _ in columns)
        rows.append([_cell(system["name"]), f"**{wer}**", *(_interval(system[key]) for key, one in spreads.items() if one), *rest])
    yield from _table(["system", *headings], rows)


def _interval(one: dict[str, Any] | None) -> str:
    return f"{show(one['low'], 'rate')} to {show(one['high'], 'rate')}" if one else ""


def _notes(system: dict[str, Any]) -> Iterator[str]:
    for key, meaning in (("missing", "without a hypothesis"), ("extra", "without a reference")):
        if system[key]:
            shown = ", ".join(_code(name) for name in system[key][:IDS]) + (", …" if len(system[key]) > IDS else "")
            yield from (f"{_cell(system['name'])}: {len(system[key]):,} {'id' if len(system[key]) == 1 else 'ids'} {meaning}: {shown}", "")


def _groups(key: str, systems: Sequence[dict[str, Any]]) -> Iterator[str]:
    """WER of each group; of many groups, those with the highest WER of the first system."""
    tables = [{group["value"]: group for group in system["groups"].get(key, [])} for system in systems]
    values = list(dict.fromkeys(value for table in tables for value in table))
    shown = values
    if len(values) > GROUPS:
        shown = sorted(values, key=lambda value: -(tables[0].get(value, {}).get("words", {}).get("rate") or 0))[:GROUPS]
    of = f": the worst {len(shown)} of {len(values)}" if len(shown) < len(values) else ""
    rows = []
    for value in shown:
        first = next(table[value] for table in tables if value in table)
        rates = [show(table[value]["words"]["rate"], "rate") if value in table else "–" for table in tables]
        rows.append([_cell(value), f"{first['utterances']:,}", f"{first['words']['reference_length']:,}", *rates])
    yield from (f"<details><summary>By {_cell(key)}{of}</summary>", "")
    yield from _table([_cell(key), "utterances", "words", *(_cell(s["name"]) for s in systems)], rows)
    yield from ("</details>", "")


def _lists(system: dict[str, Any]) -> Iterator[str]:
    yield from (f"<details><summary>Most frequent errors of {_cell(system['name'])}</summary>", "")
    lists = {
        "confusions": [f"{e['reference']} → {e['hypothesis']} ({e['count']})" for e in system["confusions"]],
        "insertions": [f"{e['word']} ({e['count']})" for e in system["insertions"]],
        "deletions": [f"{e['word']} ({e['count']})" for e in system["deletions"]],
        "lowest recall": [f"{e['word']} ({e['hits']} of {e['count']})" for e in system["low_recall"]],
    }
    longest = min(ENTRIES, max(map(len, lists.values())))
    if longest:
        rows = [[_cell(entries[i]) if i < len(entries) else "" for entries in lists.values()] for i in range(longest)]
        yield from _table(list(lists), rows)
    compounds = system["compounds"]
    if compounds["count"]:
        examples = ", ".join(_code(f"{e['reference']} / {e['hypothesis']}") for e in compounds["examples"][:3])
        yield f"Compounds: {compounds['errors']:,} word errors, {show(compounds['share_of_errors'], 'rate')} of all: {examples}"
        yield ""
    if system["worst"]:
        yield from (f"Worst utterances: {', '.join(_code(name) for name in system['worst'][:IDS])}", "")
    yield from ("</details>", "")


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _plural(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _cell(text: str) -> str:
    """Text with Markdown's special characters escaped, also within a table."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', '/')}`"
