"""A folder of recordings, also in subfolders, with a text beside each: `a1.wav` and `a1.txt`, `a1.lab` or `a1.normalized.txt` (LibriTTS).

A text with times (subtitles, labels, …) is split into the segments of its recording.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from asr.errors import UsageError
from asr.prepare.listing import Listing
from asr.prepare.texts import pair_utterances
from asr.speech.audio import ENDINGS
from asr.speech.manifest import Utterance
from asr.text.encoding import encoding_of

TEXTS = (
    ".txt", ".lab", ".normalized.txt", ".original.txt", ".stm", ".srt", ".vtt", ".wrd", ".ctm", ".textgrid", ".phn"
)  # fmt: skip
"""Endings of texts. If a recording has several texts, the first in this order is used."""


def read_pairs(folder: Path) -> Listing:
    """Read a folder of recordings and texts.

    If a recording exists in several formats, the FLAC is used. Hidden files (`.name`) and texts in folders without recordings are ignored.

    Args:
        folder: the folder.

    Returns:
        Utterances in the order of their paths, with the path in `folder` as id. Recordings and texts without a partner are problems.

    Raises:
        UsageError: there is no recording, or none has a text.
    """
    recordings: dict[str, Path] = {}
    texts: dict[str, Path] = {}
    for inner, names in _folders(folder):
        audio_names = [name for name in names if Path(name).suffix.lower() in ENDINGS]
        for name in sorted(audio_names, key=lambda name: (name.lower().endswith(".flac"), name)):
            recordings[str(inner / Path(name).stem)] = inner / name
        found = [(name, ending) for name in names if audio_names and (ending := _text_ending(name))]
        for name, ending in sorted(found, key=lambda pair: -TEXTS.index(pair[1])):
            texts[str(inner / name[: -len(ending)])] = inner / name
    if not recordings:
        raise UsageError(f"{folder}: holds no recordings ({', '.join(sorted(ENDINGS))})")
    if not recordings.keys() & texts.keys():
        raise UsageError(f"{folder}: no recording has a text of its name beside it (NAME.txt or NAME.lab)")
    return Listing(len(recordings.keys() | texts.keys()), _utterances(folder, recordings, texts), lambda: [])


def _folders(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folder and its subfolders, each once, with the names of its files. Links are followed. Raises OSError for an unreadable folder."""

    def refuse(error: OSError) -> None:
        raise error

    seen: set[str] = set()
    for inner, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(inner)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real not in seen:
            seen.add(real)
            yield Path(inner), sorted(name for name in files if not name.startswith("."))


def _text_ending(name: str) -> str | None:
    return max((ending for ending in TEXTS if name.lower().endswith(ending)), key=len, default=None)


def _utterances(folder: Path, recordings: dict[str, Path], texts: dict[str, Path]) -> Iterator[Utterance | str]:
    for key in sorted(recordings.keys() | texts.keys()):
        if key not in texts:
            yield f"{recordings[key]}: no text beside it ({Path(key).name}{TEXTS[0]} or {TEXTS[1]})"
        elif key not in recordings:
            yield f"{texts[key]}: no recording beside it"
        else:
            audio = recordings[key]
            try:
                content = texts[key].read_bytes()
                text = content.decode(encoding_of(content))
            except UnicodeDecodeError:
                yield f"{texts[key]}: not UTF-8 text"
            except OSError as e:
                yield f"{texts[key]}: cannot be read: {e.strerror}"
            else:
                yield from pair_utterances(audio.relative_to(folder).with_suffix("").as_posix(), audio, texts[key], text)
