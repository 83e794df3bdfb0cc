"""Texts with ids or times, in any format of `asr/text/formats` except tables: a recording for each id, or segments of recordings.

    {"file_name": "a1.wav", "transcription": "…"}      JSON lines, such as Hugging Face's metadata.jsonl
    HELLO WORLD (a1), a1 HELLO WORLD                   trn, Sphinx's hypotheses, Kaldi's `text`, HTK's master label files
    STM, SRT, VTT, Audacity's labels, Whisper's JSON   each segment is an utterance
    CTM, and labels of words                           the words of a recording are one utterance

Formats that name no recording (SRT, VTT, labels, …) belong to the recording with the name of the file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.errors import AudioError, UsageError
from asr.prepare.audio_files import AudioFinder
from asr.prepare.entries import EntryReader, finder_beside
from asr.prepare.listing import Listing, count_lines, numbered_lines
from asr.speech.audio import probe
from asr.speech.manifest import OWN_KEYS, Utterance
from asr.text.formats import FORMATS, ROLES, FormatProblem, read_records
from asr.text.formats.detection import detect_times
from asr.text.formats.objects import SEGMENTS, choose_text, object_of
from asr.text.formats.record import (
    CHANNEL,
    DURATION,
    END,
    ID,
    IGNORED,
    OFFSET,
    RECORDING,
    SPEAKER,
    TEXT,
    Record,
    recording_name,
    segment_id,
    shorten,
)

_TEXT_KEYS = ROLES["text"]


def read_text_file(path: Path, form: str, audio_folder: Path | None = None) -> Listing:
    """Read a file of texts.

    Args:
        path: the file.
        form: name of its format, one of `FORMATS`.
        audio_folder: where to look for recordings first; then beside the file, in usual folders there, and in the working directory. Any
            ending of a recording is tried.

    Returns:
        Its utterances.

    Raises:
        UsageError: the file cannot be read, or is not in the format.
    """
    finder = finder_beside(path, audio_folder)
    skipped: list[int] = []
    items = _utterances(path, form, finder, skipped)

    def notes() -> list[str]:
        left_out = f"{len(skipped):,} segments that are excluded from scoring are left out"
        return [form, *finder.notes(), *([left_out] if skipped else [])]

    return Listing(count_lines(path), items, notes)


def pair_utterances(name: str, audio: Path, path: Path, content: str) -> Iterator[Utterance | str]:
    """Yield the utterances of a recording with a text file beside it: one, or a segment for each time span in the file.

    Args:
        name: id of the recording.
        audio: the recording.
        path: the text file.
        content: its content.

    Yields:
        Utterances, and problems `place: problem`.
    """
    try:
        form = detect_times(content, path.suffix.lower())
        records = list(read_records(content, form)) if form else [(0, {TEXT: content})]
    except FormatProblem as e:
        yield f"{path}:{e.line}: {e}"
        return
    if len({str(record.get(ID, record.get(RECORDING, ""))) for _, record in records}) > 1:
        yield f"{path}: is of several recordings, expected the text of {audio.name} alone"
        return
    if not form:
        problem = _beside_own_name(content, name.rpartition("/")[2])
        yield f"{path}: {problem}" if problem else Utterance(name, audio, content, source=str(path))
        return
    if not records:
        yield f"{path}: holds no text"
        return
    for line, entry in _by_segment(records, form, name):
        place = f"{path}:{line}"
        if isinstance(entry, str):
            yield f"{place}: {entry}"
            continue
        if entry.get(IGNORED):
            continue
        duration = entry.get(DURATION)
        if duration is not None and duration <= 0:
            yield f"{place}: a label without length, expected a start and an end"
            continue
        yield Utterance(entry[ID], audio, entry[TEXT], duration, entry.get(OFFSET, 0.0), entry.get(SPEAKER), source=place)


def _beside_own_name(content: str, name: str) -> str | None:
    """Return the problem of a text that begins or ends with the name of its recording, or None."""
    words = content.split()
    if len(words) > 1 and any(c.isdigit() for c in name) and name in (words[0].strip("():|"), words[-1].strip("()")):
        return f'the name of the recording ("{name}") stands beside the words: remove it'
    return None


# ---------------------------------------------------------------- one file of many texts


def _utterances(path: Path, form: str, finder: AudioFinder, skipped: list[int]) -> Iterator[Utterance | str]:
    reader = EntryReader(path, finder)
    channels = _channel_counter()
    try:
        for line, entry in _by_segment(
            _records(path, form), form, recording_name(path.name.removesuffix(".gz").rpartition(".")[0] or path.name)
        ):
            place = f"{path}:{line}"
            if isinstance(entry, str):
                yield f"{place}: {entry}"
                continue
            if entry.get(IGNORED):
                skipped.append(line)
                continue
            values = {role: str(entry[key]) for role, key in _ROLE_KEYS.items() if entry.get(key) is not None}
            found = reader.utterance(values, entry.get(_EXTRA, {}), place)
            problem = channels(found, entry) if isinstance(found, Utterance) and CHANNEL in entry else None
            yield f"{place}: {problem}" if problem else found
    except FormatProblem as e:
        raise UsageError(f"{path}:{e.line}: {e}") from None


_EXTRA, _AUDIO = "extra", "audio"
_ROLE_KEYS = {
    "audio": _AUDIO,
    "id": ID,
    "text": TEXT,
    "duration": DURATION,
    "offset": OFFSET,
    "speaker": SPEAKER,
    "lang": "lang",
    "track": "track",
}


def _records(path: Path, form: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the records of a file by line. JSON lines are read one by one, as such files can be large. A bad line yields its problem."""
    lines = numbered_lines(path)
    if form == "json":
        first = next(((number, line) for number, line in numbered_lines(path) if line.strip()), None)
        if first and _is_whole(first[1]):
            for number, line in lines:
                if line.strip():
                    yield from _object_in(line, number)
            return
    yield from read_records("".join(f"{line}\n" for _, line in lines), form)


def _is_whole(line: str) -> bool:
    """Return whether a line is a complete JSON object."""
    try:
        return line.lstrip().startswith("{") and bool(list(read_records(line, "json")))
    except FormatProblem:
        return False


def _object_in(line: str, number: int) -> Iterator[tuple[int, dict[str, Any] | str]]:
    if line.lstrip().startswith("["):
        yield number, f"is {shorten(line.strip())}, expected a JSON object"
        return
    try:
        yield from ((number, record) for _, record in read_records(line, "json"))
    except FormatProblem as e:
        yield number, str(e)


def _by_segment(records: Iterable[tuple[int, dict[str, Any] | str]], form: str, own: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield records with ids and recordings, or their problems. `own` is the recording of a file that names none."""
    if form == "ctm":
        yield from _joined_words([(line, word) for line, word in records if isinstance(word, dict)])
        return
    seen: dict[str, int] = {}
    for line, record in records:
        if isinstance(record, str):
            yield line, record
            continue
        choose_text(record, is_verbatim=True)
        if form == "json" and not (
            OFFSET in record and RECORDING not in record and record.keys() <= {OFFSET, DURATION, END, TEXT, SPEAKER}
        ):
            yield from ((line, entry) for entry in _of_object(record, own))
            continue
        if FORMATS[form].has_times or form == "json":
            recording = str(record.get(RECORDING, own))
            name = segment_id(recording, str(record.get(CHANNEL, "")), record.get(OFFSET))
            seen[name] = seen.get(name, 0) + 1
            entry = {**record, _AUDIO: recording, ID: name if seen[name] == 1 else f"{name} ({seen[name]})"}
        else:
            entry = {**record, _AUDIO: record[ID]}
            entry[ID] = recording_name(str(record[ID])) if str(record[ID]) != recording_name(str(record[ID])) else record[ID]
        yield line, entry


def _joined_words(words: Sequence[Record]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    tracks: dict[tuple[str, str], list[Record]] = {}
    for line, word in words:
        tracks.setdefault((word[RECORDING], word[CHANNEL]), []).append((line, word))
    for (recording, channel), said in tracks.items():
        in_order = sorted(said, key=lambda one: one[1][OFFSET])
        text = " ".join(word[TEXT] for _, word in in_order)
        yield said[0][0], {_AUDIO: recording, CHANNEL: channel, ID: recording_name(recording), TEXT: text}


def _of_object(record: Mapping[str, Any], own: str) -> Iterator[dict[str, Any] | str]:
    """Yield the utterances of a JSON object."""
    record = object_of(dict(record))
    keys = {role: next((key for key in names if record.get(key) not in (None, "")), None) for role, names in ROLES.items()}
    keys["text"] = next((key for key in _TEXT_KEYS if key in record), None)
    values: dict[str, Any] = {}
    for role, key in keys.items():
        value = record[key] if key else None
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
            yield f"{key} is {str(value)[:40]}, expected {'a string' if role in ('audio', 'text') else 'a string or a number'}"
            return
        if value is not None:
            values[_ROLE_KEYS[role]] = value
    if TEXT not in values:
        yield f"no text: expected one of the keys {', '.join(_TEXT_KEYS)}; here are {', '.join(list(record)[:8]) or 'none'}"
        return
    if not isinstance(values[TEXT], str):
        yield f"{keys['text']} is {str(values[TEXT])[:40]}, expected a string"
        return
    values.setdefault(_AUDIO, values.get(ID, own))
    used = {*keys.values(), SEGMENTS}
    scalars = {k: v for k, v in record.items() if k not in used and k not in OWN_KEYS and isinstance(v, str | int | float) and v != ""}
    yield {**values, _EXTRA: scalars}


def _channel_counter() -> Callable[[Utterance, Mapping[str, Any]], str | None]:
    """Make a function that returns the problem of a segment of one channel, as a manifest cannot name a channel."""
    seen: dict[Path, str] = {}

    @functools.lru_cache(maxsize=4096)
    def channels(path: Path) -> int:
        try:
            return probe(path).channels
        except AudioError:
            return 1  # `convert` reports the problem

    def problem(u: Utterance, entry: Mapping[str, Any]) -> str | None:
        first = seen.setdefault(u.audio_filepath, str(entry[CHANNEL]))
        if first != entry[CHANNEL] or channels(u.audio_filepath) > 1:
            return f"is of channel {entry[CHANNEL]}, which a manifest cannot name: write each channel to a file of its own"
        return None

    return problem
