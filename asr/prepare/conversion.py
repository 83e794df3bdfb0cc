"""Recordings and texts of one's own, as any source lists them, to a manifest that can be trained on."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.errors import AudioError, UsageError
from asr.files import atomic_file
from asr.prepare.listing import Listing
from asr.prepare.progress import Progress, no_progress
from asr.speech.audio import AudioInfo, probe
from asr.speech.manifest import Utterance, part_seconds, write_manifest
from asr.text.unicode_form import unicode_form

AT_ONCE = 1024  # utterances whose recordings are looked at together
SHOWN = 5  # problems that are remembered; all of them are in the file


@dataclass
class Converted:
    """What went into the manifest, and what did not."""

    manifest: Path
    problems_file: Path
    utterances: int = 0
    seconds: float = 0.0
    words: int = 0
    speakers: set[str] = field(default_factory=set)
    nameless: int = 0
    """utterances in whose path `speaker_from` found no speaker"""
    first_nameless: Path | None = None
    characters: set[str] = field(default_factory=set)
    digits_lost: int = 0
    """utterances in whose text the normaliser dropped digits: it lacks words that were said"""
    problems: int = 0
    first_problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """how the source was understood"""


class _Nothing(Exception):
    """There is no utterance to write."""


def convert(
    listing: Listing,
    manifest: Path,
    normalize: Callable[[str], str] = str,
    speaker_from: str | None = None,
    progress: Progress = no_progress,
) -> Converted:
    """Write the utterances that can be used to `manifest`, and why others cannot to MANIFEST.problems.txt beside it.

    The header of every recording is read: its length is the duration where the source gives none, and must cover what it gives.
    Texts are composed (NFC), so that é is one character wherever it was typed, and `normalize`d; any white space in them becomes one
    space. `speaker_from` (`folder`, or a regular expression for the path of the recording) gives the speaker instead of the source;
    paths in which it finds none are counted. Memory holds no more than ids and speakers. Where nothing can be used, no manifest is
    written.

    Raises UsageError for an expression that is bad or finds no speaker at all, and what the source raises when it turns out to be damaged.
    """
    if manifest.is_dir():
        raise UsageError(f"--output {manifest}: is a folder: name a file, such as {manifest / 'all.json'}")
    name_speaker = speaker_namer(speaker_from) if speaker_from else None
    done = Converted(manifest, manifest.with_name(f"{manifest.stem}.problems.txt"))
    with atomic_file(done.problems_file) as problems_file:

        def usable() -> Iterator[Utterance]:
            ids: set[str] = set()
            with progress("looking at recordings", listing.total) as advance:
                for found in _measured(listing.items):
                    found = _finished(found, normalize, name_speaker, ids, done) if isinstance(found, Utterance) else found
                    advance(1)
                    if isinstance(found, Utterance):
                        yield found
                        continue
                    done.problems += 1
                    done.first_problems += [found] if len(done.first_problems) < SHOWN else []
                    problems_file.write(f"{found}\n".encode("utf-8", "backslashreplace"))
            if not done.utterances:
                raise _Nothing
            if done.nameless == done.utterances:
                looked_in = f"finds no speaker in any of {done.nameless:,} paths, such as {done.first_nameless}"
                raise UsageError(f"--speaker-from {speaker_from!r}: {looked_in}: {manifest} is not written")

        try:
            write_manifest(manifest, usable())
        except _Nothing:
            done.first_problems += [] if done.problems else ["the source lists nothing"]
    if not done.problems:
        done.problems_file.unlink()  # this one, and that of an earlier run
    done.notes = listing.notes()
    return done


def _measured(items: Iterable[Utterance | str]) -> Iterator[Utterance | str]:
    """Utterances with their durations, in order; a problem for each whose recording is not all there."""

    @functools.lru_cache(maxsize=4096)  # utterances of one recording mostly follow each other
    def info(path: Path, track: int | None) -> AudioInfo:
        return probe(path, track)

    def measure(found: Utterance | str) -> Utterance | str:
        if isinstance(found, str):
            return found
        try:
            recording = info(found.audio_filepath, found.track)
            length, problem = part_seconds(found, recording.seconds)
            if recording.breaks_off and found.duration is None:
                problem = f"{found.audio_filepath}: {recording.breaks_off}"
        except AudioError as e:
            return f"{found.source}: {e}"
        length = round(length, 3)
        if problem or length <= 0:
            return f"{found.source}: {problem or 'is shorter than a millisecond'}"
        return replace(found, duration=length)

    remaining = iter(items)
    with ThreadPoolExecutor() as pool:
        try:
            while batch := list(itertools.islice(remaining, AT_ONCE)):
                yield from pool.map(measure, batch)
        except BaseException:  # Ctrl-C does not wait for the recordings that are left
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(
    u: Utterance, normalize: Callable[[str], str], name_speaker: Callable[[Path], str | None] | None, ids: set[str], done: Converted
) -> Utterance | str:
    """The utterance as it goes into the manifest, counted; a problem if it cannot."""
    said = unicode_form("NFC", u.text or "")
    u = replace(u, text=" ".join(normalize(said).split()), speaker=name_speaker(u.audio_filepath) if name_speaker else u.speaker)
    text = u.text or ""
    if not text:
        return f"{u.source}: {u.id} has no text" + (f" once it is normalised ({said.strip()[:40]!r})" if said.strip() else "")
    if u.id in ids:
        return f"{u.source}: the id {u.id} is there a second time"
    try:
        json.dumps([str(u.audio_filepath), text, u.id, u.speaker, u.lang, u.extra], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return f"{u.source}: not UTF-8 text"
    ids.add(u.id)
    done.utterances += 1
    done.seconds += u.duration or 0.0
    done.words += len(text.split())
    done.characters.update(text)
    done.speakers |= {u.speaker} if u.speaker is not None else set()
    if name_speaker and u.speaker is None:
        done.nameless += 1
        done.first_nameless = done.first_nameless or u.audio_filepath
    done.digits_lost += any(map(str.isdigit, said)) and not any(map(str.isdigit, text))
    return u


def speaker_namer(rule: str) -> Callable[[Path], str | None]:
    """A function from a recording's path to its speaker: `folder`, or a regular expression whose first group is the speaker.

    >>> speaker_namer(r"/(p\\\\d+)_")(Path("vctk/p225_001.wav"))
    'p225'
    """
    if rule == "folder":
        return lambda path: path.absolute().parent.name
    try:
        pattern = re.compile(rule)
    except re.error as e:
        raise UsageError(f"--speaker-from {rule!r}: neither `folder` nor a regular expression: {e}") from None

    def name(path: Path) -> str | None:
        match = pattern.search(path.as_posix())
        return (match[1 if pattern.groups else 0] or None) if match else None

    return name
