"""The report in a terminal: tables, and lines below them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.table import Table

from asr.report.columns import COUNTS, UNITS, Format, Number, compared_columns, show
from asr.report.conclusion import conclusion
from asr.report.data import summary
from asr.report.readable import table as table_of_readable
from asr.score.evaluation import Evaluation, SystemResult
from asr.score.groups import Group
from asr.score.wer import word_errors
from asr.text.formats.record import VERBATIM
from asr.text.normalize import APOSTROPHES, is_latin

ENTRIES = 8  # of each list
NARROWEST = 8  # columns of a table's first cell, below which the table becomes a list
IDS = 5
SAMPLED = 1000  # utterances in which errors of case and punctuation are estimated
NOTABLE_SHARE = 0.25  # of the errors
RATE = COUNTS[0]
_DIGIT = re.compile(r"\d")


def formats_line(found: Evaluation) -> str:
    """Name the format of each file, and a key that is no usual one, so that a wrong choice is noticed."""
    files = {found.reference.file: _form(found.reference.form, found.reference.key)}
    files |= {system.file: _form(system.form, system.key) for system in found.systems}
    return "read: " + ", ".join(f"{file} as {form}" for file, form in files.items())


def _form(form: str, key: str) -> str:
    return f"{form} ({key})" if key == VERBATIM else form


def error_table(found: Evaluation, title: str, width: int | None = None) -> Table:
    """Table of the error rates: of one system a row for each unit, of several a row for each system.

    `width` is the window's in columns. A table that does not fit becomes a list, so that no number is cut.
    """
    change = found.normalizer
    title += "" if change.name == "none" else f" · {change.name} {change.version} ({change.hash})"
    data = summary(found)
    return _one_system(data["systems"][0], title, width) if len(found.systems) == 1 else _systems(data, title, width)


def readable_table(found: Evaluation, width: int | None = None) -> Table | None:
    """Table of the measures of readable text, a row for each; None if they are not measured."""
    headings, rows = table_of_readable(summary(found)["systems"])
    return _table("", headings, rows, width) if rows else None


def _table(title: str, names: list[str], rows: list[list[str]], width: int | None) -> Table:
    """Table whose first column is folded where needed; in a narrow window a list of all figures, row by row. Numbers are never cut."""
    table = Table(title=title, title_justify="left", title_style="")
    numbers = [max(map(cell_len, column)) for column in list(zip(names, *rows, strict=True))[1:]]
    if width is not None and NARROWEST + sum(numbers) + 3 * len(names) + 1 > width:
        table.show_header = False
        table.add_column(overflow="fold")
        table.add_column(justify="right", overflow="fold")
        for first, *cells in rows:
            table.add_row(first, "", style="bold")
            for name, cell in zip(names[1:], cells, strict=True):
                if cell:
                    table.add_row(name, cell)
            table.add_section()
        return table
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left", no_wrap=i > 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _one_system(system: dict[str, Any], title: str, width: int | None) -> Table:
    headings = dict.fromkeys(column.heading for unit in UNITS for column in unit.columns if column.heading)
    rows = []
    for unit in UNITS:
        cells = {column.heading: _plain(system[unit.key][column.key], column.format) for column in unit.columns}
        rows.append([f"{unit.name}s ({unit.rate})", *(cells.get(heading, "") for heading in headings)])
    return _table(title, ["", *headings], rows, width)


def _systems(data: dict[str, Any], title: str, width: int | None) -> Table:
    systems = data["systems"]
    spread = next((system["interval"] for system in systems if system["interval"]), None)
    columns = list(compared_columns())
    headings = [f"{heading} %" if column.format == "rate" else heading for _, column, heading in columns]
    if spread:
        headings.insert(1, f"{100 * spread['level']:g} % interval")
    rows = []
    for system in systems:
        cells = [_plain(system[unit.key][column.key], column.format).removesuffix(" %") for unit, column, _ in columns]
        if spread:
            one = system["interval"]
            cells.insert(1, f"{100 * one['low']:.2f} to {100 * one['high']:.2f}" if one else "")
        rows.append([system["name"], *cells])
    words = data["reference"]["words"]
    return _table(f"{title} · {words} word{'' if words == 1 else 's'}", ["system", *headings], rows, width)


def _plain(value: Number, form: Format) -> str:
    """A figure without separators of thousands."""
    return show(value, form).replace(",", "")


def interval_lines(found: Evaluation) -> Iterator[str]:
    """Confidence intervals of a single system; the table of several has them."""
    for system in found.systems[:1] if len(found.systems) == 1 else ():
        spreads = [one for one in (system.interval, system.interval_by_speaker) if one]
        if spreads:
            shown = (f"{100 * one.low:.2f} to {100 * one.high:.2f} % over {one.unit}" for one in spreads)
            yield f"WER, {100 * spreads[0].level:g} % interval: {', '.join(shown)}"


def conclusion_lines(found: Evaluation) -> Iterator[str]:
    """Name the best of more than two systems."""
    drawn = conclusion(summary(found)) if len(found.systems) > 2 else None
    if drawn:
        yield drawn.text


def comparison_lines(found: Evaluation) -> Iterator[str]:
    """Yield verdicts, and below the first without a clear winner the meaning of its interval and p-value."""
    explained: set[str] = set()
    for comparison in found.comparisons:
        yield comparison.verdict
        if comparison.explanation and comparison.explanation not in explained:
            explained.add(comparison.explanation)
            yield comparison.explanation


def group_table(found: Evaluation, key: str, width: int | None = None) -> Table:
    """Table of the WER of every group of a key: of one system with intervals, of several a column each."""
    tables = [{group.value: group for group in system.groups[key]} for system in found.systems]
    names = [key, "utterances", "words", *(system.name if len(tables) > 1 else "WER" for system in found.systems)]
    rows = []
    for group in found.systems[0].groups[key]:
        cells = [_group_rate(one[group.value], len(tables) == 1) for one in tables]
        rows.append([group.value, str(group.utterances), str(group.words.reference_length), *cells])
    return _table("", names, rows, width)


def _group_rate(group: Group, with_interval: bool) -> str:
    rate = show(RATE.of(group.words), "rate")
    if group.low is None or group.high is None or not with_interval:
        return rate
    return f"{rate} ({100 * group.low:.2f} to {100 * group.high:.2f})"


def error_lines(system: SystemResult, named: bool) -> Iterator[str]:
    """The most frequent errors, one line for each kind."""
    lists, of = system.lists, f"{system.name}: " if named else ""
    if lists.confusions:
        yield f"{of}confusions: " + ", ".join(f"{a} → {b} {n}" for a, b, n in lists.confusions[:ENTRIES])
    for name, entries in (("insertions", lists.insertions), ("deletions", lists.deletions)):
        if entries:
            yield f"{of}{name}: " + ", ".join(f"{word} {n}" for word, n in entries[:ENTRIES])
    compounds = lists.compounds
    if compounds.count:
        shown = ", ".join(f"{a} / {b} {n}" for a, b, n in compounds.examples[:3])
        yield f"{of}compounds: {compounds.errors} errors, {100 * compounds.share_of_errors:.1f} % of all: {shown}"


def matching_notes(found: Evaluation, missing: str) -> Iterator[str]:
    """Notes on unmatched ids, on texts that normalisation emptied, and on errors that normalisation would remove."""
    if found.note:
        yield found.note
    fate = "excluded for all systems" if missing == "skip" else "their words count as deleted"
    for system in found.systems:
        if system.missing:
            yield f"{system.name}: no hypothesis for {_ids(system.missing)}: {fate}"
        if system.extra:
            yield f"{system.name}: no reference for {_ids(system.extra)}: they count for nothing"
    if found.emptied:
        emptied = f"{found.normalizer.name} leaves no word of the reference of {_ids(found.emptied)}"
        yield f"{emptied}: words recognised there count as inserted"
    if found.normalizer.name == "librispeech":
        yield from _digit_notes(found)
    if any(system.readable for system in found.systems):
        yield from _label_notes(found)
    elif found.normalizer.name == "none":
        yield from _spelling_notes(found)


def _digit_notes(found: Evaluation) -> Iterator[str]:
    """A note for each side with digits, which the normaliser librispeech drops."""
    sides: list[tuple[str, Sequence[str | None]]] = [("the references", found.references)]
    sides += [(system.name, texts) for system, texts in zip(found.systems, found.hypotheses, strict=True)]
    for name, texts in sides:
        count = sum(bool(text and _DIGIT.search(text)) for text in texts)
        if count:
            digits = f"{count} of {len(texts)} texts have digits, which librispeech drops"
            yield f"{name}: {digits}: write numbers in words, or use --normalizer whisper-en"


def _label_notes(found: Evaluation) -> Iterator[str]:
    """Notes on texts without punctuation marks or without case, on which --readable cannot judge."""
    if not any(system.readable and system.readable.all_marks.reference for system in found.systems):
        yield "the references have no punctuation marks: --readable cannot measure those of the hypotheses"
    letters = [c for text in found.references for c in text if c.lower() != c.upper()]
    if letters and (all(map(str.isupper, letters)) or all(map(str.islower, letters))):
        yield "the references have letters of one case only: --readable cannot measure the case of the hypotheses"


def _spelling_notes(found: Evaluation) -> Iterator[str]:
    """A note for each system of whose errors a notable share is case and punctuation, judged by the first utterances."""
    references = found.normalized_references[:SAMPLED]
    plain = [_without_spelling(text) for text in references]
    in_latin = all(is_latin(c) for text in plain for c in unicodedata.normalize("NFKC", text) if c.isalpha())
    normalizer = "librispeech" if in_latin else "FILE.yaml with the steps lower and remove_punctuation"
    for system, texts in zip(found.systems, found.normalized_hypotheses, strict=True):
        errors = word_errors(references, texts[:SAMPLED]).errors
        left = word_errors(plain, [_without_spelling(text) for text in texts[:SAMPLED]]).errors
        if errors and left <= (1 - NOTABLE_SHARE) * errors:
            share = f"{100 * (1 - left / errors):.0f} % of the word errors are only case and punctuation"
            yield f"{system.name}: {share}: exclude them with --normalizer {normalizer}"


def _without_spelling(text: str) -> str:
    kept = APOSTROPHES.sub("'", text).lower()
    return "".join(" " if unicodedata.category(c)[0] in "PS" and c != "'" else c for c in kept)


def _ids(ids: tuple[str, ...]) -> str:
    return f"{len(ids)} ids ({', '.join(ids[:IDS])}{', …' if len(ids) > IDS else ''})" if len(ids) > 1 else f"id {ids[0]}"
