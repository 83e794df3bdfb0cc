"""Tables: CSV, TSV and columns separated by bars, with a header or without.

    client_id<tab>path<tab>sentence<tab>gender            Common Voice
    file,text,speaker                                     any of the usual names (`ROLES`), in any order
    a1.wav<tab>HELLO WORLD                                no header: an id or a recording, then its text
    LJ001-0001|Printing, in 1836|Printing, in eighteen…   no header, LJSpeech: the id first, the text last
    start<tab>end<tab>text                                Whisper: one recording, times in milliseconds

Columns are separated by one of `DELIMITERS`. A table without a header has the columns `id` and `text`, and numbers for those between.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from asr.text.formats.cells import rows
from asr.text.formats.record import DURATION, ID, OFFSET, TEXT, FormatProblem, Record, is_recording, split_lines

ROLES: dict[str, tuple[str, ...]] = {
    "audio": (
        "audio_filepath", "path", "file", "audio", "wav", "file_name", "filename", "filepath", "file_path",
        "audio_path", "audio_file", "wav_path", "wav_filename",
    ),
    "text": ("text", "sentence", "transcript", "transcription"),
    "speaker": ("speaker", "speaker_id", "client_id", "spk", "spk_id"),
    "id": ("id", "utt_id", "utterance_id", "utt", "utterance", "key"),
    "duration": ("duration",),
    "offset": ("offset",),
    "lang": ("lang", "language", "locale"),
    "track": ("track",),
}  # fmt: skip
"""names of columns and JSON keys by role; of several in a file, the first in this order is used"""

DELIMITERS = "\t,;|"
WHISPER = ["start", "end", "text"]
_NAME = re.compile(r"[^\W\d][\w.-]*(?: [\w.-]+)?")


@dataclass(frozen=True)
class Columns:
    """Columns of a table: the delimiter, the names, and whether the first line gives them."""

    delimiter: str
    names: list[str]
    has_header: bool


def cells_of(line: str, delimiter: str) -> list[str]:
    """Split a line into cells, without the white space around them."""
    _, cells = next(rows(iter([(1, line)]), delimiter), (1, [line]))
    return [cell.strip() for cell in cells] if isinstance(cells, list) else line.split(delimiter)


def best_delimiter(first: str, known: Collection[str], ending: str = "") -> str:
    """Choose the delimiter that gives the most columns of the first line a known name.

    Among equals, `|` is preferred (LJSpeech has no header), then the delimiter of the file's ending, then the one with the most columns.

    Args:
        first: the first line.
        known: names of columns.
        ending: ending of the file's name, such as `.csv`.

    Returns:
        One of `DELIMITERS`.
    """
    usual = {".tsv": "\t", ".csv": ",;"}.get(ending, "")

    def merit(delimiter: str) -> tuple[int, bool, bool, int]:
        cells = [cell.lower() for cell in cells_of(first, delimiter)]
        several = len(cells) > 1
        return several * sum(cell in known for cell in cells), several and delimiter == "|", several and delimiter in usual, len(cells)

    return max(DELIMITERS, key=merit)


def header_of(line: str, delimiter: str, known: Collection[str]) -> list[str] | None:
    """Return the lower-case names of the columns if a line is a header: two or more different names, one of them `known`; else None."""
    cells = [cell.lower() for cell in cells_of(line, delimiter)]
    different = len(set(cells)) == len(cells) > 1
    return cells if different and any(cell in known for cell in cells) else None


def looks_like_names(cells: Iterable[str]) -> bool:
    """Whether all cells could name a column. A header may leave cells empty.

    Examples:
        >>> looks_like_names(["utt_id", "Audio File"]), looks_like_names(["well", "that's it"])
        (True, False)
    """
    return all(not cell or _NAME.fullmatch(cell) for cell in cells)


def columns_of(first: str, delimiters: str, known: Collection[str]) -> Columns:
    """Find the columns of a table.

    Args:
        first: the first line.
        delimiters: possible delimiters.
        known: names of columns.

    Returns:
        The columns. Without a header they are `id`, `text`, and numbers for those between.
    """
    for delimiter in delimiters:
        if names := header_of(first, delimiter, known):
            return Columns(delimiter, names, True)
    if len(delimiters) > 1 and first.strip().lower() in known:
        return Columns(delimiters[0], [first.strip().lower()], True)
    delimiter = min((d for d in delimiters if d in first), key=first.index, default=delimiters[0])
    between = len(cells_of(first, delimiter)) - 2 if delimiter == "|" else 0
    return Columns(delimiter, [ID, *(str(i + 2) for i in range(between)), TEXT], False)


def read_rows(content: str, delimiters: str, known: Collection[str]) -> Iterator[Record]:
    """Read the rows of a table.

    Args:
        content: the file's text.
        delimiters: possible delimiters.
        known: names of columns.

    Yields:
        A record for each row.

    Raises:
        FormatProblem: a row has another number of columns, or impossible times.
    """
    lines = split_lines(content)
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    columns = columns_of(lines[start] if lines else "", delimiters, known)
    names, timed = columns.names, sorted(columns.names) == sorted(WHISPER)
    found = rows(enumerate(lines[start:], start=start + 1), columns.delimiter)
    if columns.has_header:
        next(found, None)
    for number, cells in found:
        if isinstance(cells, str):
            raise FormatProblem(number, cells)
        if not columns.has_header and len(cells) == 1 and _is_bare_id(cells[0]):
            cells = [*cells, *[""] * (len(names) - 1)]  # an editor removed the delimiter before an empty text
        if len(cells) != len(names):
            raise FormatProblem(number, _miscounted(cells, columns))
        record: dict[str, str | float] = dict(zip(names, (cell.strip() for cell in cells), strict=True))
        yield number, _in_seconds(record, number) if timed else record


def _is_bare_id(cell: str) -> bool:
    return not re.search(r"\s", cell.strip()) and is_recording(cell.strip())


def _miscounted(cells: Sequence[str], columns: Columns) -> str:
    many = len(cells) > len(columns.names)
    mark = {"\t": "tab", "|": "bar"}.get(columns.delimiter, columns.delimiter)
    if columns.has_header:
        expected = f"{len(columns.names)} as in the header"
    elif len(columns.names) > 2:
        expected = f"{len(columns.names)} as in the first line"
    else:
        expected = "an id and a text"
    advice = f": a text with a {mark} in it must be quoted" if many and columns.delimiter in ",;" else ""
    return f"{len(cells)} columns, expected {expected}{advice}"


def _in_seconds(record: dict[str, str | float], number: int) -> dict[str, str | float]:
    """Convert Whisper's milliseconds to offset and duration."""
    try:
        start, end = (int(record[key]) / 1000 for key in ("start", "end"))
    except ValueError:
        raise FormatProblem(number, "start and end must be whole milliseconds, as Whisper writes them") from None
    if not 0 <= start <= end:
        raise FormatProblem(number, f"starts at {start:g} s and ends at {end:g} s, expected 0 <= start <= end")
    return {OFFSET: start, DURATION: round(end - start, 3), TEXT: record["text"]}


def table_columns(lines: Sequence[str], keys: Collection[str], ending: str) -> Columns | None:
    """Find the columns of a table separated by commas or semicolons.

    Args:
        lines: lines that are not blank.
        keys: names that a column of texts may have.
        ending: ending of the file's name.

    Returns:
        The columns; None if the first line is no header.
    """
    known = {*keys, *ROLES["id"], *ROLES["audio"]}
    for delimiter in ",;":
        names = header_of(lines[0], delimiter, known)
        if names is None or not looks_like_names(names):
            continue
        if ending == ".csv" or f"{delimiter} " not in lines[0]:
            return Columns(delimiter, names, True)
        if sum(name in known for name in names) > 1:
            return Columns(delimiter, names, True)
    return None
