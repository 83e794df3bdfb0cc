"""Forms in which references and hypotheses come, told apart by their content.

    json    manifests, JSON lines, or one JSON array of objects: {"audio_filepath": "a1.wav", "text": "HELLO", "pred_text": "HALLO"}
    trn     sclite's: the words, then the id in parentheses          HELLO WORLD (anna-a1)          lines of ;; are comments
    kaldi   the id, then the words                                   84-121123-0000 HELLO WORLD
    tsv     columns apart by tabs, with a header, or id and text     a1.wav<tab>HELLO WORLD
    csv     columns apart by commas or semicolons, likewise          a1.wav,HELLO WORLD
    lines   one utterance a line, without ids                        HELLO WORLD

Ids in front of the words are the hardest to tell from words: taking the one for the other gives a wrong error rate that nobody notices.
So a file is `kaldi` only where no transcript could begin its lines so, or where the words are ids of the references; where lines may
begin with either, that is said.

One line that is not as the others must not turn a whole file into lines: most lines tell, and the odd one is then named. The ending
of the file's name, .trn or .csv, tells where the content does not.

A parser gives records: dictionaries with the line that each starts on. What their keys mean is for `texts.py`.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

from asr.json_text import NotJsonError, array_elements, decode_json
from asr.text.lines import split_trn

Format: TypeAlias = Literal["json", "trn", "kaldi", "tsv", "csv", "lines"]
FORMATS: tuple[Format, ...] = ("json", "trn", "kaldi", "tsv", "csv", "lines")

Record: TypeAlias = tuple[int, dict[str, Any]]

ID, TEXT = "id", "text"
"""keys of the records of forms that name none themselves"""

ID_KEYS = ("id", "utt_id", "utterance_id", "utt", "utterance", "key")
PATH_KEYS = ("audio_filepath", "audio", "file", "filename", "path", "wav")
"""keys and columns that tell which utterance it is"""

_COMMENT = ";;"
_JSON_START = re.compile(r'\s*(?:\{\s*(?:"|\}|$)|\[\s*(?:\{|\]|$))')
_MAY_BE_ID = re.compile(r"(?=.*\d)(?=.*[^\d.,])\S{2,}|\d{4,}")  # B52, COVID-19, 1984, and all of the next two; not 5, 1,000 or the
_IS_ID = re.compile(
    r"""
      (?=.*\d)\S*_\S*                    # p225_001, sw02001-A_000098-001156
    | \d+-\d+-\d+                       # 84-121123-0000
    | (?=.*[^\W\d_]\d)\S+-\S+-\S+       # an251-fash-b; not 21-YEAR-OLD, 19TH-CENTURY-STYLE
    | (?=\w{8})(?=\w*\d[^\W\d_]+\d)\w+  # 440c0201; not H2O, B2B
    """,
    re.VERBOSE,
)
_NUMBERED_NAME = re.compile(r"([^\W\d_]{3,}-?)\d+")  # utt1, anna-2


class FormatProblem(ValueError):
    """A line that is not as its form would have it."""

    def __init__(self, line: int, problem: str):
        super().__init__(problem)
        self.line = line


def detect(content: str, keys: Collection[str], known_ids: Collection[str] | None = None, ending: str = "") -> Format | None:
    """The form of a file; None where its lines may begin with ids or with words (B52, 1984).

    `keys` are what a column of text may be called. `known_ids`, the references' when a hypothesis is read (none where those are lines),
    tell ids in front of the words from words. `ending` is that of the file's name.

    >>> detect("HELLO WORLD (anna-a1)\\n", ["text"])
    'trn'
    """
    if _JSON_START.match(content):
        return "json"
    lines = [line for line in _split(content) if line.strip()]
    if not lines:
        return "lines"
    if _is_trn(lines, known_ids or (), ending):
        return "trn"
    if all("\t" in line.strip("\r\n") for line in lines):
        return "tsv"
    if _is_csv(lines, keys, known_ids or (), ending):
        return "csv"
    return _kaldi_or_lines(lines, known_ids)


def _is_trn(lines: Sequence[str], known_ids: Collection[str], ending: str) -> bool:
    """Whether all lines end in an id, or most do in one that is no word such as (laughter); comments apart."""
    told = [split_trn(line) for line in lines if not line.startswith(_COMMENT)]
    ids = [found[1] for found in told if found]
    likely = sum(name in known_ids or bool(_MAY_BE_ID.fullmatch(name)) for name in set(ids))
    return bool(told) and (len(ids) == len(told) or 2 * likely > len(told) or ending == ".trn")


def _is_csv(lines: Sequence[str], keys: Collection[str], known_ids: Collection[str], ending: str) -> bool:
    """Whether there is a header, or an id of the references before the first comma of most lines."""
    for delimiter in ",;":
        if _header(lines[0], delimiter, keys):
            return True
        first = [cells[0].strip(' "') for line in lines if len(cells := line.split(delimiter, 1)) > 1]
        if 2 * sum(name in known_ids or PurePosixPath(name).stem in known_ids for name in first) > len(lines):
            return True
        if len(first) == len(lines) and (ending == ".csv" or _header(lines[0], delimiter, (*ID_KEYS, *PATH_KEYS))):
            return True
    return False


def _kaldi_or_lines(lines: Sequence[str], known_ids: Collection[str] | None) -> Format | None:
    """Whether an id stands in front of the words; None where that cannot be told."""
    first = [line.split(maxsplit=1)[0] for line in lines]
    unique = len(set(first)) == len(first)
    may_be_ids = any(len(line.split()) > 1 for line in lines) and all(map(_MAY_BE_ID.fullmatch, first))
    known = sum(word in (known_ids or ()) for word in first)
    if known and (may_be_ids or (unique and 2 * known >= len(first))):
        return "kaldi"
    if not may_be_ids:
        return "lines"
    names = Counter(found[1] if (found := _NUMBERED_NAME.fullmatch(word)) else "" for word in first)
    are_ids = all(map(_IS_ID.fullmatch, first)) or ("" not in names and min(names.values()) > 1)
    if are_ids and unique:
        return "kaldi"
    return None if known_ids is None else "lines"


def parse(content: str, form: Format, keys: Collection[str]) -> Iterator[Record]:
    """Records of a file. Raises FormatProblem with the line."""
    if form == "json":
        yield from _objects(content)
    elif form in ("csv", "tsv"):
        yield from _table(content, form, keys)
    elif form == "lines":
        for number, line in enumerate(_split(content), start=1):
            yield number, {TEXT: line}
    else:
        for number, line in enumerate(_split(content), start=1):
            if not line.strip() or (form == "trn" and line.startswith(_COMMENT)):
                continue
            if form == "kaldi":
                name, *words = line.split(maxsplit=1)
                yield number, {ID: name, TEXT: words[0] if words else ""}
                continue
            found = split_trn(line)
            if not found:
                raise FormatProblem(number, "no id in parentheses at the end, expected `the words (speaker-utterance)`")
            yield number, {ID: found[1], TEXT: found[0]}


def _split(content: str) -> list[str]:
    """Lines, parted at line ends alone: a text may hold any other white space."""
    lines = content.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


# ---------------------------------------------------------------- JSON


def _objects(content: str) -> Iterator[Record]:
    lines = ((number, line) for number, line in enumerate(_split(content), start=1) if line.strip())
    is_array = content.lstrip().startswith("[")
    try:
        records = array_elements(content) if is_array else ((number, decode_json(line, number)) for number, line in lines)
        for number, record in records:
            yield number, _checked(record, number)
    except NotJsonError as e:
        raise FormatProblem(e.line, str(e)) from None


def _checked(record: Any, number: int) -> dict[str, Any]:
    if not isinstance(record, dict):
        shown = json.dumps(record, ensure_ascii=False)
        raise FormatProblem(number, f"is {shown if len(shown) <= 40 else shown[:37] + '…'}, expected a JSON object")
    return record


# ---------------------------------------------------------------- tables


def _header(line: str, delimiter: str, keys: Collection[str]) -> list[str] | None:
    """The columns' names, where this line is a header: two or more different names, of which one is among `keys`."""
    try:
        cells = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return None
    return cells if len(cells) > 1 and len(set(cells)) == len(cells) and any(cell in keys for cell in cells) else None


def _table(content: str, form: Format, keys: Collection[str]) -> Iterator[Record]:
    lines = _split(content)
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    delimiters = "\t" if form == "tsv" else ",;"
    first = lines[start] if lines else ""
    leftmost = min((d for d in delimiters if d in first), key=first.index, default=delimiters[0])
    known = (*keys, *ID_KEYS, *PATH_KEYS)
    delimiter, names = next(((d, found) for d in delimiters if (found := _header(first, d, known))), (leftmost, None))
    texts = (line + "\n" for line in lines[start:])
    quoted = form == "csv"  # tab-separated transcripts hold bare quotation marks
    reader = csv.reader(texts, delimiter=delimiter) if quoted else csv.reader(texts, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    columns = names or [ID, TEXT]
    began = start + 1
    try:
        for row in reader:
            number, began = began, start + reader.line_num + 1
            if not any(cell.strip() for cell in row) or (names and number == start + 1):
                continue
            if len(row) != len(columns):
                expected = f"{len(columns)} as in the header" if names else "an id and a text"
                advice = f": a text with a {delimiter} in it must be quoted" if quoted and len(row) > len(columns) else ""
                raise FormatProblem(number, f"{len(row)} columns, expected {expected}{advice}")
            yield number, dict(zip(columns, (cell.strip() for cell in row), strict=True))
    except csv.Error as e:
        raise FormatProblem(began, f"not a table: {e}") from None
