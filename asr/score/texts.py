"""Texts of utterances, read from a file of any form that `formats.py` knows.

An utterance is known by its `id`; where a file gives a path instead, by the file's name without its ending, as in manifests; two ids that
look the same are the same (NFC: macOS writes an accent apart from its letter). Files of plain lines have no ids: there the first line goes
with the first.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

from asr.errors import UsageError
from asr.score.formats import FORMATS, ID, ID_KEYS, PATH_KEYS, Format, FormatProblem, detect, parse
from asr.text.encoding import encoding_of
from asr.text.unicode_form import unicode_form

Role: TypeAlias = Literal["reference", "hypothesis"]

_SHARED_KEYS = ("transcript", "transcription", "sentence")
TEXT_KEYS: dict[Role, tuple[str, ...]] = {
    "reference": ("text", "reference", "ref", *_SHARED_KEYS),
    "hypothesis": ("pred_text", "hypothesis", "hyp", "prediction", "pred", "text", *_SHARED_KEYS),
}
"""Keys under which a text is looked for, the first that the file has; so one file may hold both sides."""
_BESIDE_REFERENCES = tuple(key for key in TEXT_KEYS["hypothesis"] if key not in TEXT_KEYS["reference"])

SPEAKER_KEYS = ("speaker", "speaker_id", "spk", "spk_id")

_BRACES = re.compile(r"\{[^{}]*\}")
_OPTIONAL_WORD = re.compile(r"(?<!\S)\([^()\s]+\)(?!\S)")
_KEYED: tuple[Format, ...] = ("json", "csv", "tsv")  # what says under which key or in which column a text stands
_PROBLEMS_SHOWN = 20
MOST_SECONDS = 1e8  # three years: no recording is as long
_SCALARS = (str, int, float)


@dataclass(frozen=True)
class Texts:
    """One side of a comparison: the references, or what one system made of the recordings."""

    texts: Mapping[str, str | None]
    """text by id, in the file's order; None for a hypothesis that the file has no text for"""
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """every other key, by id: duration (s), speaker, audio_filepath (as seen from here), …"""
    numbered: bool = False
    """ids are but the numbers of lines"""
    file: str = ""
    form: str = ""
    key: str = ""
    """under which the file has its texts"""
    name: str = ""

    def __len__(self) -> int:
        return len(self.texts)


def texts_in_order(
    ids: Sequence[str], texts: Sequence[str | None], details: Sequence[Mapping[str, Any]] = (), name: str = "", file: str = ""
) -> Texts:
    """Texts that are at hand as lists. An id that comes again gets its number: `a1`, `a1 (2)`.

    Of `details`, in which paths are as seen from here, strings and numbers are kept.
    """
    seen: Counter[str] = Counter()
    unique = []
    for one in ids:
        seen[one] += 1
        unique.append(one if seen[one] == 1 else f"{one} ({seen[one]})")
    kept = ({key: value for key, value in one.items() if isinstance(value, _SCALARS)} for one in details)
    return Texts(dict(zip(unique, texts, strict=True)), dict(zip(unique, kept, strict=True)) if details else {}, name=name, file=file)


def read_sides(
    reference: Path,
    hypotheses: Sequence[Path],
    forms: tuple[str | None, str | None] = (None, None),
    keys: tuple[str | None, str | None] = (None, None),
) -> tuple[Texts, list[Texts]]:
    """References and each system's hypotheses; without a file of hypotheses both are in the one manifest.

    `forms` and `keys` are those of references and of hypotheses. Raises what `read_texts` raises, and UsageError where one side has ids
    in front of its words by the look of them, and the other lines alone: one of the two might be misread.
    """
    content = _content(reference)
    references = _read(reference, content, "reference", forms[0], _keys(keys[0]) or TEXT_KEYS["reference"])
    if not hypotheses:
        if references.form not in _KEYED:
            raise UsageError(f"{reference}: a {references.form} file holds one text an utterance: name a file of hypotheses too")
        return references, [_read(reference, content, "hypothesis", references.form, _keys(keys[1]) or _BESIDE_REFERENCES)]
    if [str(path) for path in (reference, *hypotheses)].count("-") > 1:
        raise UsageError("-: standard input can be read but once")
    known_ids = () if references.numbered else references.texts.keys()
    systems = [read_texts(path, "hypothesis", forms[1], keys[1], known_ids) for path in hypotheses]
    for path, system in zip(hypotheses, systems, strict=True):
        if references.form == "kaldi" and system.numbered and not forms[0]:
            raise UsageError(f"{_ids_in_front(references)}; {path} has none: say --ref-format kaldi or --ref-format lines")
        if references.numbered and system.form == "kaldi" and not forms[1]:
            raise UsageError(f"{_ids_in_front(system)}; {reference} has none: say --hyp-format kaldi or --hyp-format lines")
        if str(path) == str(reference) and system.key == references.key:
            raise UsageError(f"{path}: is given as reference and as hypotheses, and has no `pred_text`")
    return references, systems


def _ids_in_front(texts: Texts) -> str:
    return f'{texts.file}: its lines seem to begin with ids ("{next(iter(texts.texts))}")'


def read_texts(
    path: Path, role: Role = "reference", form: str | None = None, key: str | None = None, known_ids: Collection[str] | None = None
) -> Texts:
    """Read a file; `-` is standard input.

    The form is told by the content, and by the references' `known_ids` (none where those are lines), unless `form` forces one. `key`
    names the key or column of the text where none of `TEXT_KEYS` is meant. Raises UsageError: a line for every line of the file that
    cannot be used, or one where the form cannot be told.
    """
    return _read(path, _content(path), role, form, _keys(key) or TEXT_KEYS[role], known_ids)


def _keys(key: str | None) -> tuple[str, ...]:
    """A key that was asked for; columns of tables are known in small letters."""
    return (key.lower(), key) if key else ()


def _read(path: Path, content: str, role: Role, form: str | None, keys: Sequence[str], known_ids: Collection[str] | None = None) -> Texts:
    chosen = next((known for known in FORMATS if known == form), None)
    if form and not chosen:
        raise UsageError(f"format {form}: expected one of {', '.join(FORMATS)}")
    columns = {*keys, *TEXT_KEYS["reference"], *TEXT_KEYS["hypothesis"]}
    chosen = chosen or detect(unicode_form("NFC", content), columns, known_ids, path.suffix.lower())
    if chosen is None:
        option = "--ref-format" if role == "reference" else "--hyp-format"
        first = content.split(maxsplit=1)[0]
        raise UsageError(f'{path}: its lines may begin with ids or with words ("{first}"): say {option} kaldi or {option} lines')
    records: list[tuple[int, dict[str, Any]]] = []
    try:
        records.extend(parse(content, chosen, columns))
    except FormatProblem as e:
        raise UsageError(f"{path}:{e.line}: {e}") from None
    if not records:
        raise UsageError(f"{path}:1: the file is empty, expected a {role} a line")
    text_key = next((k for k in keys if any(k in record for _, record in records)), None)
    if text_key is None:
        raise UsageError(_without_texts(path, role, chosen, keys, *records[0]))
    return _collect(path, role, chosen, records, text_key, known_ids or ())


def _without_texts(path: Path, role: Role, form: Format, keys: Sequence[str], line: int, record: Mapping[str, Any]) -> str:
    """What is said of a file that has its texts under none of the keys."""
    place = f"{path}:{line}" if form == "json" else str(path)
    told = f"{place}: no {role}: expected one of the keys {', '.join(dict.fromkeys(keys))}; here are {', '.join(list(record)[:8])}"
    if form not in _KEYED:
        return told
    other = TEXT_KEYS["hypothesis" if role == "reference" else "reference"]
    left = [key for key in record if key not in {*ID_KEYS, *PATH_KEYS, *SPEAKER_KEYS, *other, "duration", "offset"}]
    return f"{told}: name it by --{role[:3]}-key {left[0] if len(left) == 1 else 'KEY'}"


def _content(path: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, expected a file of texts") from None
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}") from None
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as e:
        line = data[: e.start].decode(encoding, "replace").count("\n") + 1
        raise UsageError(f"{path}:{line}: not {'UTF-16' if encoding == 'utf-16' else 'UTF-8'} text") from None


def _collect(
    path: Path, role: Role, form: Format, records: list[tuple[int, dict[str, Any]]], text_key: str, known_ids: Collection[str]
) -> Texts:
    texts: dict[str, str | None] = {}
    details: dict[str, dict[str, Any]] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    has_details = form in _KEYED
    names = _names(records, known_ids) if has_details else None if form == "lines" else [record[ID] for _, record in records]
    sides = {*TEXT_KEYS["reference"], *TEXT_KEYS["hypothesis"], text_key}
    folder = path.parent
    problem: str | None
    for i, (line, record) in enumerate(records):
        given = names[i] if names else str(i + 1)
        name = given and unicode_form("NFC", given)
        text = record.get(text_key)
        more = {k: v for k, v in record.items() if k not in sides and isinstance(v, _SCALARS)} if has_details else {}
        if name is None:
            problem = "no id: expected id or audio_filepath"
        elif name in texts:
            problem = f"id {json.dumps(name, ensure_ascii=False)} is also that of line {lines[name]}"
        elif text is None and role == "reference":
            problem = f"{text_key} is missing"
        elif text is not None and not isinstance(text, str):
            problem = f"{text_key} is {str(text)[:40]}, expected a string"
        elif text is not None and _is_broken(text):
            problem = f"{text_key} is not valid Unicode"
        elif form == "trn" and text and (markup := _sclite_markup(text, role)):
            problem = markup
        else:
            problem = _mend(more, folder) if more else None
        if problem or name is None:
            problems.append(f"{path}:{line}: {problem}")
            continue
        texts[name], lines[name] = text, line
        if more:
            details[name] = more
    if problems:
        rest = [f"… and {len(problems) - _PROBLEMS_SHOWN} lines more"] if len(problems) > _PROBLEMS_SHOWN else []
        raise UsageError("\n".join(problems[:_PROBLEMS_SHOWN] + rest))
    if form == "kaldi":
        _add_kaldi(path, details)
    return Texts(texts, details, names is None, str(path), form, text_key)


def _names(records: list[tuple[int, dict[str, Any]]], known_ids: Collection[str]) -> list[str | None] | None:
    """An id for each record, or None where the file gives no ids at all.

    Where no key is one of those that usually hold them, it is the one that has `known_ids` in most records. Paths become the file's name
    without its ending (and the offset, as in manifests), unless two would then be the same.
    """
    keys = [*ID_KEYS, *PATH_KEYS]
    if not any(key in record for _, record in records for key in keys):
        keys = [key for key in records[0][1] if 2 * sum(str(record.get(key)) in known_ids for _, record in records) > len(records)]
    found = [
        next(((k, record[k]) for k in keys if isinstance(record.get(k), str | int) and record[k] != ""), None) for _, record in records
    ]
    if not any(found):
        return None
    short: list[str | None] = []
    whole: list[str | None] = []
    for one, (_, record) in zip(found, records, strict=True):
        key, value = one or ("", "")
        name = str(value)
        offset = _seconds(record.get("offset"))
        place = f"-{offset:.2f}" if offset > 0 else ""
        is_path = key in PATH_KEYS or _is_recording(name)
        whole.append((name + (place if is_path else "")) or None)
        short.append((PurePosixPath(name).stem + place if is_path else name) or None)
    return short if len(set(short)) == len(short) else whole


def _is_recording(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".sph", ".webm", ".mp4", ".wma")


def _is_broken(text: str) -> bool:
    """Half a character, which JSON can write and no file could hold."""
    return not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)


def _sclite_markup(text: str, role: Role) -> str | None:
    """What is wrong with a text that sclite would read in more than one way: its signs must not count as words."""
    found = next((braces for braces in _BRACES.finditer(text) if "/" in braces[0]), None)
    if found:
        return f"{found[0]}: sclite's alternatives are not understood: write the text in one reading"
    if role == "reference" and (found := _OPTIONAL_WORD.search(text)):
        return f"{found[0]}: sclite's words that may be left out are not understood: write it without the parentheses, or leave it out"
    return None


def _seconds(value: Any) -> float:
    """A number, or a table's cell that holds one; NaN for anything else."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _mend(more: dict[str, Any], folder: Path) -> str | None:
    """Numbers as numbers, paths as seen from here, one name for the speaker; or what is wrong."""
    for key in ("duration", "offset"):
        if key in more:
            seconds = _seconds(more[key])
            if not 0 <= seconds <= MOST_SECONDS:  # NaN as well
                return f'{key} is "{str(more[key])[:40]}", expected seconds (a number)'
            more[key] = seconds
    speaker = next((more[key] for key in SPEAKER_KEYS if key in more), None)
    if speaker is not None:
        more["speaker"] = str(speaker)
    audio = next((more[key] for key in PATH_KEYS if isinstance(more.get(key), str) and more[key]), None)
    if audio:
        more["audio_filepath"] = str(folder / audio)
    broken = next((key for key, value in more.items() if _is_broken(key) or (isinstance(value, str) and _is_broken(value))), None)
    return f"{broken!r} is not valid Unicode" if broken else None


def _add_kaldi(path: Path, details: dict[str, dict[str, Any]]) -> None:
    """Speakers and durations from the files that stand beside `text` in a Kaldi data folder."""
    for name, key in (("utt2spk", "speaker"), ("utt2dur", "duration")):
        beside = path.parent / name
        if str(path) == "-" or not beside.is_file():
            continue
        for number, line in enumerate(beside.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            cells = line.split()
            if len(cells) != 2:
                raise UsageError(f"{beside}:{number}: expected an id and its {key}")
            more = {key: cells[1]}
            problem = _mend(more, path.parent)
            if problem:
                raise UsageError(f"{beside}:{number}: {problem}")
            details.setdefault(unicode_form("NFC", cells[0]), {}).update(more)
