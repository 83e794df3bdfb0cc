"""Print tables, and the results of `asr prepare` and `asr manifest from`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from asr.console import out, print_error, print_line, print_note

if TYPE_CHECKING:
    from asr.prepare.prepared import Prepared

PROBLEMS_SHOWN = 5


def print_prepared(prepared: Prepared, source: Path) -> None:
    """Print the result of a preparation.

    Args:
        prepared: the result.
        source: the data that it was made of, for messages.

    Raises:
        typer.Exit: with code 1, if anything was left out.
    """
    for note in prepared.notes:
        print_note(note)
    for problem in prepared.problems[:PROBLEMS_SHOWN]:
        print_note(f"left out: {problem}")
    if prepared.left_out:
        print_note(f"{prepared.left_out:,} left out in all; {prepared.problems_file} lists them")
    if not any(part.utterances for part in prepared.parts):
        manifests = ", ".join(str(part.manifest) for part in prepared.parts)
        print_error(f"{source}: nothing can be used, {manifests} is not written")
        raise typer.Exit(1)
    if prepared.table:
        print_table(*prepared.table)
    for line in prepared.lines:
        print_line(line)
    print_line(f"next: {prepared.next_command}")
    if prepared.left_out:
        raise typer.Exit(1)


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output: the first column left-aligned, the others right-aligned.

    Args:
        title: printed above the table; empty for none.
        headings: one for each column; empty for no heading row.
        rows: the cells.
    """
    table = Table(title=title or None, title_justify="left", title_style="", show_header=bool(headings))
    for i in range(max(map(len, (headings, *rows)))):
        heading = headings[i] if headings else ""
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    out.print(table)
