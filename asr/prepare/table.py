"""Tables: CSV and TSV with a header, such as Common Voice's, and LJSpeech's metadata.csv.

    client_id<tab>path<tab>sentence<tab>gender            recordings in the folder `clips` beside the table
    file,text,speaker                                     other usual names (`ROLES`), in any order
    LJ001-0001|Printing, in 1836|Printing, in eighteen…   no header: recording first, text last; recordings in `wavs`
    a1.wav<tab>HELLO WORLD                                no header: a recording and its text

Columns without a role become further keys of the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from asr.errors import UsageError
from asr.prepare.audio_files import AudioFinder
from asr.prepare.entries import EntryReader, finder_beside
from asr.prepare.listing import Listing, count_lines, numbered_lines
from asr.speech.manifest import OWN_KEYS, Utterance
from asr.text.formats.cells import rows
from asr.text.formats.columns import ROLES, best_delimiter, cells_of
from asr.text.formats.record import is_recording, shorten


def read_table(path: Path, columns: Mapping[str, str] | None = None, audio_folder: Path | None = None) -> Listing:
    """Read a table.

    Args:
        path: the table.
        columns: names of columns by role, such as `{"audio": "clip", "text": "said"}`; an empty name for no column. Numbers, from 1, for
            a table without a header. Other roles are detected by usual names.
        audio_folder: where to look for recordings first; then beside the table, in usual folders there, and in the working directory.

    Returns:
        Its utterances.

    Raises:
        UsageError: the file cannot be read, or has no column for recordings or texts.
    """
    named = dict(columns or {})
    unknown = sorted(named.keys() - ROLES.keys())
    if unknown:
        raise UsageError(f"--columns: {unknown[0]} is no role of a column: expected {', '.join(ROLES)}")
    first = next((line for _, line in numbered_lines(path) if line.strip()), None)
    if first is None:
        raise UsageError(f"{path}: the table is empty")
    known = {name for names in ROLES.values() for name in names} | {name.lower() for name in named.values()}
    delimiter = best_delimiter(first, known, ".tsv" if ".tsv" in path.suffixes else ".csv" if ".csv" in path.suffixes else "")
    header = cells_of(first, delimiter)
    has_header, places = _places(path, header, delimiter, named)
    names = header if has_header else [str(i) for i in range(1, len(header) + 1)]
    finder = finder_beside(path, audio_folder)
    reader = _TableReader(path, names, places, finder)

    def notes() -> list[str]:
        taken = ", ".join(f"{role}={names[place]}" for role, place in places.items())
        return [f"columns: {taken}" + ("" if has_header else " (no header)"), *finder.notes()]

    lines = rows(numbered_lines(path), delimiter)
    if has_header:
        next(lines)
    return Listing(count_lines(path) - has_header, map(reader.utterance, lines), notes)


# ---------------------------------------------------------------- the first line


def _places(path: Path, header: list[str], delimiter: str, named: Mapping[str, str]) -> tuple[bool, dict[str, int]]:
    """Return whether the table has a header, and the index of the column of each role."""
    has_header = True
    if named and all(name.isdecimal() for name in named.values()) and not set(named.values()) & set(header):
        has_header, places = False, {role: int(name) - 1 for role, name in named.items()}
        for role, place in places.items():
            if not 0 <= place < len(header):
                raise UsageError(f"--columns: {role}={named[role]}, and {path} has the columns 1 to {len(header)}")
    else:
        places = _named_places(path, header, named)
        if not places and len(header) > 1 and (delimiter == "|" or (len(header) == 2 and is_recording(header[0]))):
            has_header, places = False, {"audio": 0, "text": len(header) - 1}
    for role, content in (("audio", "recordings"), ("text", "texts")):
        if role not in places:
            raise UsageError(
                f"{path}:1: no column of {content} ({', '.join(ROLES[role])}): its columns are {', '.join(map(shorten, header))}: "
                f"name it with --columns {role}=NAME, or, without a header, give numbers (--columns audio=1,text=2)"
            )
    return has_header, places


def _named_places(path: Path, header: list[str], named: Mapping[str, str]) -> dict[str, int]:
    lowered = [cell.lower() for cell in header]
    places = {}
    for role, usual in ROLES.items():
        name = named[role].lower() if role in named else next((name for name in usual if name in lowered), "")
        if name and name not in lowered:
            raise UsageError(f'--columns: {path} has no column "{named[role]}" for {role}: its columns are {", ".join(header)}')
        if name and lowered.count(name) > 1:
            raise UsageError(f'{path}:1: {lowered.count(name)} columns are called "{name}": rename all but one')
        if name:
            places[role] = lowered.index(name)
    return places


# ---------------------------------------------------------------- rows


class _TableReader:
    """Convert the rows of a table to utterances."""

    def __init__(self, path: Path, names: list[str], places: Mapping[str, int], finder: AudioFinder):
        self.path, self.names, self.places = path, names, places
        self.further = [i for i, name in enumerate(names) if name and i not in places.values() and name not in OWN_KEYS]
        self.entries = EntryReader(path, finder, {role: names[i] for role, i in places.items()})

    def utterance(self, row: tuple[int, list[str] | str]) -> Utterance | str:
        number, cells = row
        place = f"{self.path}:{number}"
        if isinstance(cells, str):
            return f"{place}: {cells}"
        if len(cells) != len(self.names):
            hint = " (a text that holds the delimiter needs quotation marks)" if len(cells) > len(self.names) else ""
            return f"{place}: {len(cells)} columns, expected {len(self.names)} as in the first line{hint}"
        values = {role: cells[i].strip() for role, i in self.places.items()}
        return self.entries.utterance(values, {self.names[i]: cells[i].strip() for i in self.further if cells[i].strip()}, place)


def parse_columns(option: str) -> dict[str, str]:
    """Parse the value of --columns, such as `audio=path,text=sentence`, to names by role.

    Raises:
        UsageError: a part has no `=`.
    """
    columns = {}
    for pair in filter(None, map(str.strip, option.split(","))):
        role, equals, name = pair.partition("=")
        if not equals:
            raise UsageError(f"--columns: {pair!r}, expected ROLE=COLUMN, such as audio=path,text=sentence")
        columns[role.strip()] = name.strip()
    return columns
