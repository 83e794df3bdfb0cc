"""Kaldi's data folders. Each line of their files has a key and its value.

wav.scp       recording, and its file or a command that decodes one (`kaldi_pipe.py`)
text          utterance, and its words
segments      utterance, recording, start and end (s); without this file each recording is an utterance
utt2spk, spk2gender, utt2lang                 optional
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from asr.errors import AudioError, UsageError
from asr.prepare.audio_files import AudioFinder
from asr.prepare.kaldi_pipe import Unusable, parse_entry
from asr.prepare.listing import Listing, count_lines, numbered_lines
from asr.speech.audio import probe
from asr.speech.manifest import Utterance


def read_kaldi(folder: Path, audio_folder: Path | None = None) -> Listing:
    """Read a data folder.

    Args:
        folder: the data folder.
        audio_folder: where to look for recordings with relative paths first; then in the working directory, as Kaldi does, and in `folder`.

    Returns:
        The utterances in the order of `text`. Entries of `segments` or `wav.scp` without text are problems.

    Raises:
        UsageError: `wav.scp` or `text` does not exist.
    """
    missing = [name for name in ("wav.scp", "text") if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder}: no {' and no '.join(missing)}, which a Kaldi data folder for training has")
    finder = AudioFinder([*([audio_folder] if audio_folder else []), Path(), folder])
    return Listing(count_lines(folder / "text"), _utterances(folder, finder), finder.notes)


def _utterances(folder: Path, finder: AudioFinder) -> Iterator[Utterance | str]:
    scp, text, segments, in_segments = folder / "wav.scp", folder / "text", folder / "segments", (folder / "segments").is_file()
    problems: list[str] = []
    recordings = _read(scp, problems)
    listed = _read(segments, problems) if in_segments else recordings
    speakers, languages, genders = (_values(folder / name, problems) for name in ("utt2spk", "utt2lang", "spk2gender"))
    yield from problems
    find = _recording_finder(scp, recordings, finder)
    with_text: set[str] = set()
    for number, line in numbered_lines(text):
        name, *words = line.split(maxsplit=1)[:2] or [""]
        if not name:
            continue
        with_text.add(name)
        if name not in listed:
            yield f"{text}:{number}: {name} is not in {'segments' if in_segments else 'wav.scp'}"
            continue
        key, start, duration = name, 0.0, None
        if in_segments:
            value, place = listed[name]
            try:
                key, start, duration = _segment(value)
            except ValueError as e:
                yield f"{segments}:{place}: {name}: {e}"
                continue
        audio = find(key)
        if isinstance(audio, str):
            yield f"{text}:{number}: {name}: {audio}"
            continue
        speaker = speakers.get(name)
        extra = {"gender": genders[speaker]} if speaker in genders else {}
        yield Utterance(name, audio, " ".join(words), duration, start, speaker, languages.get(name), extra, f"{text}:{number}")
    for name, (_, place) in listed.items():
        if name not in with_text:
            yield f"{segments if in_segments else scp}:{place}: {name} has no line in text"


def _read(path: Path, problems: list[str]) -> dict[str, tuple[str, int]]:
    """Read values and line numbers by key. Append lines without a value, or with a repeated key, to `problems`."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in numbered_lines(path):
        key, *value = line.split(maxsplit=1) or [""]
        if key and not value:
            problems.append(f"{path}:{number}: {key} stands alone, expected a value behind it")
        elif key in found:
            problems.append(f"{path}:{number}: {key} is repeated")
        elif key:
            found[key] = (value[0].strip(), number)
    return found


def _values(path: Path, problems: list[str]) -> dict[str, str]:
    return {key: value for key, (value, _) in _read(path, problems).items()} if path.is_file() else {}


def _recording_finder(scp: Path, recordings: dict[str, tuple[str, int]], finder: AudioFinder) -> Callable[[str], Path | str]:
    """Make a function from a recording's key to its file, or to the problem if it has none."""

    @functools.lru_cache(maxsize=4096)  # consecutive segments often share a recording
    def find(key: str) -> Path | str:
        if key not in recordings:
            return f"recording {key} is not in wav.scp"
        entry, number = recordings[key]
        try:
            recording = parse_entry(entry)
            path = finder.find(recording.name)
            if path is None:
                return f"{scp}:{number}: {finder.describe_missing(recording.name)}"
            channels = probe(path).channels if recording.one_channel else 1
        except (Unusable, AudioError) as e:
            return f"{scp}:{number}: {e}"
        if channels > 1:
            return f"{scp}:{number}: {path} has {channels} channels, and one of them is meant: write each to a file of its own"
        return path

    return find


def _segment(value: str) -> tuple[str, float, float | None]:
    """Parse a segment to recording, start and duration (s; None for the rest). Raises ValueError."""
    words = value.split()
    if len(words) == 4:
        raise ValueError("names a channel, which a manifest cannot: write each channel to a file of its own")
    try:
        recording, start, end = words[0], float(words[1]), float(words[2])
    except (IndexError, ValueError):
        raise ValueError(f"is `{value}`, expected a recording, a start and an end (s)") from None
    if not (math.isfinite(start) and math.isfinite(end) and start >= 0 and (end > start or end == -1)):
        raise ValueError(f"begins at {start:g} and ends at {end:g} s, expected 0 <= start < end")
    duration = round(end - start, 3)
    if duration == 0:
        raise ValueError(f"begins at {start:g} and ends at {end:g} s, which is no length")
    return recording, start, None if end == -1 else duration
