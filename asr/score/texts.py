"""Read references and hypotheses from a file of any format in `asr/text/formats`.

Utterances are identified by `id`, or by the stem of a path, as in manifests. Ids are compared in NFC. Plain lines have no ids and are
matched by position. Files with times are matched by time (`time_matching.py`).

A record with `text` and `verbatim_text`, as `asr transcribe` writes with a text restorer, has both a readable text and the recogniser's own.
The latter is read, so that error rates are comparable, unless the readable text is asked for.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from asr.errors import UsageError
from asr.score.record_keys import add_kaldi, is_broken, mend, names_of
from asr.score.segments import Segment
from asr.text.encoding import encoding_of
from asr.text.formats import FORMATS, ROLES, FormatProblem, UnclearFormat, detect, read_records
from asr.text.formats.objects import SEGMENTS, choose_text
from asr.text.formats.record import (
    CHANNEL,
    DURATION,
    END,
    IGNORED,
    OFFSET,
    RECORDING,
    SPEAKER,
    TEXT,
    VERBATIM,
    is_recording,
    recording_name,
    segment_id,
)
from asr.text.unicode_form import unicode_form

Role: TypeAlias = Literal["reference", "hypothesis"]

_SHARED_KEYS = ("transcript", "transcription", "sentence")
TEXT_KEYS: dict[Role, tuple[str, ...]] = {
    "reference": ("text", "reference", "ref", *_SHARED_KEYS),
    "hypothesis": ("pred_text", "hypothesis", "hyp", "prediction", "pred", "text", *_SHARED_KEYS),
}
"""Keys of the text, in order of preference; one file can hold both sides."""
_BESIDE_REFERENCES = tuple(key for key in TEXT_KEYS["hypothesis"] if key not in TEXT_KEYS["reference"])

_BRACES = re.compile(r"\{[^{}]*\}")
_OPTIONAL_WORD = re.compile(r"(?<!\S)\([^()\s]+\)(?!\S)")
_DOUBT = re.compile(r"(?<!\S)\[\?\](?!\S)")  # `asr transcribe` marks doubtful words with it
_WITH_MARKUP = ("trn", "stm", "ctm")
_PROBLEMS_SHOWN = 20
_SCALARS = (str, int, float)


@dataclass(frozen=True)
class Texts:
    """One side of a comparison: the references, or one system's hypotheses."""

    texts: Mapping[str, str | None]
    """text by id, in the file's order; None for a missing hypothesis"""
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """other keys by id: duration (s), speaker, audio_filepath (relative to the working directory), …"""
    numbered: bool = False
    """whether the ids are line numbers"""
    file: str = ""
    form: str = ""
    key: str = ""
    """key of the texts in the file"""
    name: str = ""
    segments: tuple[Segment, ...] = ()
    """segments of recordings, if the file has times"""
    is_unnamed: bool = False
    """whether the segments are of one recording that the file does not name"""

    def __len__(self) -> int:
        return len(self.texts)


def texts_in_order(
    ids: Sequence[str], texts: Sequence[str | None], details: Sequence[Mapping[str, Any]] = (), name: str = "", file: str = ""
) -> Texts:
    """Build `Texts` from lists. A repeated id gets a number: `a1`, `a1 (2)`. Of `details`, strings and numbers are kept."""
    unique = _numbered(ids)
    kept = ({key: value for key, value in one.items() if isinstance(value, _SCALARS)} for one in details)
    return Texts(dict(zip(unique, texts, strict=True)), dict(zip(unique, kept, strict=True)) if details else {}, name=name, file=file)


def _numbered(ids: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for one in ids:
        seen[one] += 1
        unique.append(one if seen[one] == 1 else f"{one} ({seen[one]})")
    return unique


def read_sides(
    reference: Path,
    hypotheses: Sequence[Path],
    forms: tuple[str | None, str | None] = (None, None),
    keys: tuple[str | None, str | None] = (None, None),
    readable: bool = False,
) -> tuple[Texts, list[Texts]]:
    """Read references and the hypotheses of each system.

    Args:
        reference: File of the references.
        hypotheses: A file for each system; if empty, the reference file holds both sides.
        forms: Formats of references and of hypotheses; detected if None.
        keys: Keys of the texts of references and of hypotheses.
        readable: Read `text` although there is `verbatim_text`.

    Raises:
        UsageError: As `read_texts`, or only one side seems to begin its lines with ids, so that one of the two may be misread.
    """
    content = _content(reference)
    references = _read(reference, content, "reference", forms[0], keys[0], readable=readable)
    if not hypotheses:
        if not FORMATS[references.form].names_keys:
            raise UsageError(f"{reference}: a {references.form} file holds one text an utterance: name a file of hypotheses too")
        return references, [_read(reference, content, "hypothesis", references.form, keys[1], (), readable, _BESIDE_REFERENCES)]
    if [str(path) for path in (reference, *hypotheses)].count("-") > 1:
        raise UsageError("-: standard input can be read but once")
    known_ids = () if references.numbered else references.texts.keys()
    systems = [read_texts(path, "hypothesis", forms[1], keys[1], known_ids, readable) for path in hypotheses]
    for path, system in zip(hypotheses, systems, strict=True):
        if references.form == "kaldi" and system.form == "lines" and not forms[0]:
            raise UsageError(f"{_ids_in_front(references)}; {path} has none: say --ref-format kaldi or --ref-format lines")
        if references.numbered and system.form == "kaldi" and not forms[1]:
            raise UsageError(f"{_ids_in_front(system)}; {reference} has none: say --hyp-format kaldi or --hyp-format lines")
        if str(path) == str(reference) and system.key == references.key:
            raise UsageError(f"{path}: is given as reference and as hypotheses, and has no `pred_text`")
    return references, systems


def _ids_in_front(texts: Texts) -> str:
    return f'{texts.file}: its lines seem to begin with ids ("{next(iter(texts.texts))}")'


def read_texts(
    path: Path,
    role: Role = "reference",
    form: str | None = None,
    key: str | None = None,
    known_ids: Collection[str] | None = None,
    readable: bool = False,
) -> Texts:
    """Read a file; `-` is standard input.

    Args:
        path: The file.
        role: Side of the comparison.
        form: A name of `FORMATS`; detected if None.
        key: Key or column of the text, if not one of `TEXT_KEYS`.
        known_ids: Ids of the references (empty for plain lines), which distinguish ids in front of the words from words.
        readable: Read `text` although there is `verbatim_text`; so does `key="text"`.

    Raises:
        UsageError: One line for every invalid line of the file, or one if the format is ambiguous.
    """
    return _read(path, _content(path), role, form, key, known_ids, readable)


def _keys(key: str | None) -> tuple[str, ...]:
    """Spellings of a key given by the user; columns of tables are lower-case."""
    return (key.lower(), key) if key else ()


def _read(
    path: Path,
    content: str,
    role: Role,
    form: str | None,
    key: str | None,
    known_ids: Collection[str] | None = None,
    readable: bool = False,
    default_keys: Sequence[str] = (),
) -> Texts:
    keys = _keys(key) or default_keys or TEXT_KEYS[role]
    if form and form not in FORMATS:
        raise UsageError(f"format {form}: expected one of {', '.join(FORMATS)}")
    columns = {*keys, *TEXT_KEYS["reference"], *TEXT_KEYS["hypothesis"]}
    option = "--ref-format" if role == "reference" else "--hyp-format"
    try:
        chosen = form or detect(unicode_form("NFC", content), columns, known_ids, path.suffix.lower())
        records = list(read_records(content, chosen, columns))
    except UnclearFormat as e:
        first, second = e.choices
        raise UsageError(f"{path}: {e}: say {option} {first} or {option} {second}") from None
    except FormatProblem as e:
        raise UsageError(f"{path}:{e.line}: {e}") from None
    if not records and not (FORMATS[chosen].has_times and role == "hypothesis"):
        raise UsageError(f"{path}:1: the file is empty, expected a {role} a line")
    is_verbatim = key == VERBATIM or (key is None and not readable)
    has_both = sum(choose_text(record, is_verbatim) for _, record in records) > 0
    if has_both and key == VERBATIM:
        keys = (TEXT,)
    text_key = next((k for k in keys if any(k in record for _, record in records)), None if records else TEXT)
    if text_key is None:
        raise UsageError(_without_texts(path, role, chosen, keys, *records[0]))
    if FORMATS[chosen].has_times or (chosen == "json" and _is_one_transcript(records)):
        found = _collect_segments(path, role, chosen, records, text_key)
    else:
        found = _collect(path, role, chosen, records, text_key, known_ids or ())
    return replace(found, key=VERBATIM) if has_both and is_verbatim and text_key == TEXT else found


def _is_one_transcript(records: Sequence[tuple[int, dict[str, Any]]]) -> bool:
    """Whether JSON is the transcript of one unnamed recording, as Whisper's is."""
    keys = {TEXT, OFFSET, DURATION, END, SPEAKER}
    return any(OFFSET in record for _, record in records) and all(record.keys() <= keys for _, record in records)


def _without_texts(path: Path, role: Role, form: str, keys: Sequence[str], line: int, record: Mapping[str, Any]) -> str:
    """The message for a file without any of the keys."""
    place = f"{path}:{line}" if form == "json" else str(path)
    message = f"{place}: no {role}: expected one of the keys {', '.join(dict.fromkeys(keys))}; here are {', '.join(list(record)[:8])}"
    if not FORMATS[form].names_keys:
        return message
    other = TEXT_KEYS["hypothesis" if role == "reference" else "reference"]
    left = [key for key in record if key not in {*ROLES["id"], *ROLES["audio"], *ROLES["speaker"], *other, "duration", "offset"}]
    return f"{message}: name it by --{role[:3]}-key {left[0] if len(left) == 1 else 'KEY'}"


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


# ---------------------------------------------------------------- files with ids, or of lines


def _collect(
    path: Path, role: Role, form: str, records: list[tuple[int, dict[str, Any]]], text_key: str, known_ids: Collection[str]
) -> Texts:
    texts: dict[str, str | None] = {}
    details: dict[str, dict[str, Any]] = {}
    lines: dict[str, int] = {}
    segments: list[Segment] = []
    problems: list[str] = []
    has_details = FORMATS[form].names_keys
    names = None if form == "lines" else names_of(records, known_ids, has_details)
    sides = {*TEXT_KEYS["reference"], *TEXT_KEYS["hypothesis"], text_key, SEGMENTS}
    folder = path.parent
    for i, (line, record) in enumerate(records):
        given = names[i] if names else str(i + 1)
        name = given and unicode_form("NFC", given)
        text = record.get(text_key)
        more = {k: v for k, v in record.items() if k not in sides and isinstance(v, _SCALARS)} if has_details else {}
        if name is None:
            problem: str | None = "no id: expected id or audio_filepath"
        elif name in texts:
            problem = f"id {json.dumps(name, ensure_ascii=False)} is also that of line {lines[name]}"
        else:
            problem = _problem_of(text, text_key, role, form) or (mend(more, folder) if more else None)
        if problem or name is None:
            problems.append(f"{path}:{line}: {problem}")
            continue
        texts[name], lines[name] = _as_words(text, role), line
        if more:
            details[name] = more
        if isinstance(record.get(SEGMENTS), list):
            segments += _segments_of(record[SEGMENTS], recording_name(name), role)
    _raise_all(problems)
    if form == "kaldi":
        add_kaldi(path, details)
    return Texts(texts, details, names is None, str(path), form, text_key, segments=tuple(segments))


def _raise_all(problems: Sequence[str]) -> None:
    if problems:
        rest = [f"… and {len(problems) - _PROBLEMS_SHOWN} lines more"] if len(problems) > _PROBLEMS_SHOWN else []
        raise UsageError("\n".join([*problems[:_PROBLEMS_SHOWN], *rest]))


def _problem_of(text: Any, key: str, role: Role, form: str) -> str | None:
    """The problem with a text, if any."""
    if text is None:
        return f"{key} is missing" if role == "reference" else None
    if not isinstance(text, str):
        return f"{key} is {str(text)[:40]}, expected a string"
    if is_broken(text):
        return f"{key} is not valid Unicode"
    return _sclite_markup(text, role) if form in _WITH_MARKUP else None


def _as_words(text: str | None, role: Role) -> str | None:
    """Remove the marks of doubt that `asr transcribe` writes."""
    return _DOUBT.sub("", text).strip() if role == "hypothesis" and text and "[?]" in text else text


# ---------------------------------------------------------------- files with times


def _collect_segments(path: Path, role: Role, form: str, records: Sequence[tuple[int, dict[str, Any]]], text_key: str) -> Texts:
    """Read segments. Words of CTM are joined to one text for each recording and channel."""
    problems = [
        f"{path}:{line}: {problem}"
        for line, record in records
        if not record.get(IGNORED) and (problem := _problem_of(record.get(text_key), text_key, role, form))
    ]
    _raise_all(problems)
    is_unnamed = form != "ctm" and not any(RECORDING in record for _, record in records)
    own = recording_name(path.name if is_recording(path.name) else path.stem)
    segments = _segments_of([record for _, record in records], own, role, is_words=form == "ctm")
    if form == "ctm":
        words: dict[str, list[str]] = {}
        for one in segments:
            words.setdefault("-".join(filter(None, one.track)), []).append(one.text)
        texts: dict[str, str | None] = {name: " ".join(said) for name, said in words.items()}
        return Texts(texts, {}, False, str(path), form, text_key, segments=segments)
    scored = [one for one in segments if not one.ignored]
    details = {one.id: _details_of(one) for one in scored}
    texts = {one.id: one.text for one in scored}
    return Texts(texts, details, False, str(path), form, text_key, segments=segments, is_unnamed=is_unnamed)


def _segments_of(records: Sequence[Mapping[str, Any]], own: str, role: Role, is_words: bool = False) -> tuple[Segment, ...]:
    found = []
    for record in records:
        recording = recording_name(str(record.get(RECORDING, own)))
        channel, start = str(record.get(CHANNEL, "")), record.get(OFFSET)
        length = record.get(DURATION, 0.0)
        end, middle = (None, 0.0) if start is None else (record.get(END, start + length), start + length / 2)
        text, speaker = _as_words(str(record.get(TEXT) or ""), role) or "", str(record.get(SPEAKER, ""))
        found.append(Segment(text, recording, channel, start, end, speaker, "", is_words, middle, bool(record.get(IGNORED))))
    if is_words:
        return tuple(found)
    ids = _numbered([segment_id(one.recording, one.channel, one.start) for one in found])
    return tuple(replace(one, id=name) for one, name in zip(found, ids, strict=True))


def _details_of(one: Segment) -> dict[str, Any]:
    times = (
        {}
        if one.start is None or one.end is None or math.isinf(one.end)
        else {"offset": one.start, "duration": round(one.end - one.start, 6)}
    )
    return {**({"speaker": one.speaker} if one.speaker else {}), **times}


def _sclite_markup(text: str, role: Role) -> str | None:
    """The problem with a text in sclite's markup for alternatives or optional words, which must not count as words."""
    found = next((braces for braces in _BRACES.finditer(text) if "/" in braces[0]), None)
    if found:
        return f"{found[0]}: sclite's alternatives are not understood: write the text in one reading"
    if role == "reference" and (found := _OPTIONAL_WORD.search(text)):
        return f"{found[0]}: sclite's words that may be left out are not understood: write it without the parentheses, or leave it out"
    return None
