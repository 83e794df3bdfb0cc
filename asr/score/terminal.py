"""An evaluation as tables and lines in a terminal."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator

from rich.table import Table

from asr.score.evaluation import Evaluation, SystemResult
from asr.score.groups import Group
from asr.score.wer import ErrorCounts, word_errors
from asr.text.normalize import APOSTROPHES, is_latin

ENTRIES = 8  # of each list
IDS = 5
LOOKED_AT = 1000  # utterances, for whether capitals and punctuation make up much of the errors
MUCH = 0.25  # of the errors


def forms_line(found: Evaluation) -> str:
    """As what each file was read, so that a form told wrongly is seen."""
    files = {found.reference.file: found.reference.form} | {system.file: system.form for system in found.systems}
    return "read: " + ", ".join(f"{file} as {form}" for file, form in files.items())


def error_table(found: Evaluation, title: str) -> Table:
    """Of one system words, characters and sentences; of several a row each."""
    change = found.normalizer
    title += "" if change.name == "none" else f" · {change.name} {change.version} ({change.hash})"
    return _one_system(found.systems[0], title) if len(found.systems) == 1 else _systems(found, title)


def _table(title: str, names: list[str]) -> Table:
    """Numbers are never cut, whatever the width; the first column is folded."""
    table = Table(title=title, title_justify="left", title_style="")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left", no_wrap=i > 0, overflow="fold")
    return table


def _one_system(system: SystemResult, title: str) -> Table:
    table = _table(title, ["", "error rate", "errors", "out of", "sub", "del", "ins"])
    for name, counts in (("words (WER)", system.words), ("characters (CER)", system.characters)):
        numbers = (counts.errors, counts.reference_length, counts.substitutions, counts.deletions, counts.insertions)
        table.add_row(name, percent(counts), *map(str, numbers))
    sentences = f"{100 * system.sentence_error_rate:.2f} %"
    table.add_row("sentences (SER)", sentences, str(system.sentence_errors), str(system.utterances), "", "", "")
    return table


def _systems(found: Evaluation, title: str) -> Table:
    spread = next((system.interval for system in found.systems if system.interval), None)
    heading = [f"{100 * spread.level:g} % interval"] if spread else []
    table = _table(f"{title} · {found.reference_words} words", ["system", "WER %", *heading, "sub", "del", "ins", "CER %", "SER %"])
    for system in found.systems:
        words, one = system.words, system.interval
        width = [f"{100 * one.low:.2f} to {100 * one.high:.2f}"] if one else [""] * len(heading)
        rates = (percent(system.characters), f"{100 * system.sentence_error_rate:.2f}")
        numbers = map(str, (words.substitutions, words.deletions, words.insertions))
        table.add_row(system.name, *(c.removesuffix(" %") for c in (percent(words), *width, *numbers, *rates)))
    return table


def interval_lines(found: Evaluation) -> Iterator[str]:
    """How sure one system's WER is; of several the table says it."""
    for system in found.systems[:1] if len(found.systems) == 1 else ():
        spreads = [one for one in (system.interval, system.interval_by_speaker) if one]
        if spreads:
            told = (f"{100 * one.low:.2f} to {100 * one.high:.2f} % over {one.unit}" for one in spreads)
            yield f"WER, {100 * spreads[0].level:g} % interval: {', '.join(told)}"


def group_table(found: Evaluation, key: str) -> Table:
    """WER of every group of a key, with its interval; a column a system."""
    tables = [{group.value: group for group in system.groups[key]} for system in found.systems]
    table = _table("", [key, "utterances", "words", *(system.name if len(tables) > 1 else "WER" for system in found.systems)])
    for group in found.systems[0].groups[key]:
        cells = [_group_rate(one[group.value], len(tables) == 1) for one in tables]
        table.add_row(group.value, str(group.utterances), str(group.words.reference_length), *cells)
    return table


def _group_rate(group: Group, wide: bool) -> str:
    spread = "" if group.low is None or group.high is None or not wide else f" ({100 * group.low:.2f} to {100 * group.high:.2f})"
    return percent(group.words) + spread


def error_lines(system: SystemResult, named: bool) -> Iterator[str]:
    """The most frequent errors, a line a kind."""
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
    """What had no counterpart, and what became of it; and what normalisation did, or would do."""
    if found.note:
        yield found.note
    fate = "left out for all systems" if missing == "skip" else "their words count as deleted"
    for system in found.systems:
        if system.missing:
            yield f"{system.name}: no hypothesis for {_listed(system.missing)}: {fate}"
        if system.extra:
            yield f"{system.name}: no reference for {_listed(system.extra)}: they count for nothing"
    if found.emptied:
        emptied = f"{found.normalizer.name} leaves no word of the reference of {_listed(found.emptied)}"
        yield f"{emptied}: what was heard there counts as inserted"
    if found.normalizer.name == "none":
        yield from _spelling_notes(found)


def _spelling_notes(found: Evaluation) -> Iterator[str]:
    """Of which systems a good part of the errors, as far as the first utterances tell, are capitals and punctuation alone."""
    references = found.normalized_references[:LOOKED_AT]
    plain = [_without_spelling(text) for text in references]
    in_latin = all(is_latin(c) for text in plain for c in unicodedata.normalize("NFKC", text) if c.isalpha())
    normalizer = "librispeech" if in_latin else "FILE.yaml with the steps lower and remove_punctuation"
    for system, texts in zip(found.systems, found.normalized_hypotheses, strict=True):
        errors = word_errors(references, texts[:LOOKED_AT]).errors
        left = word_errors(plain, [_without_spelling(text) for text in texts[:LOOKED_AT]]).errors
        if errors and left <= (1 - MUCH) * errors:
            share = 100 * (1 - left / errors)
            told = f"{share:.0f} % of the word errors are but capitals and punctuation"
            yield f"{system.name}: {told}: leave them out with --normalizer {normalizer}"


def _without_spelling(text: str) -> str:
    kept = APOSTROPHES.sub("'", text).lower()
    return "".join(" " if unicodedata.category(c)[0] in "PS" and c != "'" else c for c in kept)


def _listed(ids: tuple[str, ...]) -> str:
    return f"{len(ids)} ids ({', '.join(ids[:IDS])}{', …' if len(ids) > IDS else ''})" if len(ids) > 1 else f"id {ids[0]}"


def percent(counts: ErrorCounts) -> str:
    """`12.34 %`; a dash where no reference has a word and something was inserted."""
    return f"{100 * counts.rate:.2f} %" if math.isfinite(counts.rate) else "–"
