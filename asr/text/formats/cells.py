"""Cells of tables, read so that a broken line costs only itself.

In tables separated by `,` or `;`, quotation marks enclose cells that hold a delimiter or a line end (RFC 4180). In tables separated by
tabs or `|`, each line is a row, and quotation marks are mostly part of the text (Common Voice, LJSpeech). There, quotation marks are
removed only if they enclose the whole cell and all inside are doubled. An apostrophe in front of a formula (`'=1+1`), which keeps
spreadsheets from running it, is removed.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator

MOST_LINES = 20  # of one row; a quotation mark still open by then is part of the text

FORMULA = re.compile(r"['\s]*[=+\-@＝＋－＠]")
"""the start of a text that a spreadsheet could run as a formula; the CSV of reports has an apostrophe in front of such a text"""

_ENCLOSED = re.compile(r'"((?:[^"]|"")*)"')


def rows(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Split lines into rows.

    Args:
        lines: line numbers and lines.
        delimiter: the character between cells.

    Yields:
        For each row that is not blank, the number of its first line, and its cells or a problem.
    """
    return _quoted_rows(lines, delimiter) if delimiter in ",;" else _plain_rows(lines, delimiter)


def _plain_rows(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    for number, line in lines:
        if line.strip():
            yield number, [_unquoted(cell) for cell in line.split(delimiter)]


def _unquoted(cell: str) -> str:
    enclosed = _ENCLOSED.fullmatch(cell)
    return enclosed[1].replace('""', '"') if enclosed else cell


def _quoted_rows(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    csv.field_size_limit(1 << 24)
    given_back: deque[tuple[int, str]] = deque()

    def take() -> tuple[int, str] | None:
        return given_back.popleft() if given_back else next(lines, None)

    while (first := take()) is not None:
        number, text = first
        found = _cells([text], delimiter)
        more: list[tuple[int, str]] = []
        while found is None and len(more) + 1 < MOST_LINES and (following := take()) is not None:
            more.append(following)
            found = _cells([text, *(line for _, line in more)], delimiter)
        if more and not isinstance(found, list):  # not one row: the following lines are rows of their own
            given_back.extendleft(reversed(more))
            found = None
        if found is None:
            yield number, "a quotation mark opens and does not close (within a quoted cell it is written twice)"
        elif isinstance(found, str) or any(cell.strip() for cell in found):
            yield number, found


def _cells(lines: list[str], delimiter: str) -> list[str] | str | None:
    """Return the cells of one row; None if a quotation mark is open at its end, a string if the row is wrong."""
    try:
        cells = next(csv.reader(["\n".join(lines)], delimiter=delimiter, strict=True), [])
        return [cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell for cell in cells]
    except csv.Error as e:
        return None if "unexpected end" in str(e) else f"not a row of a table: {e}"
