"""Convert a listing of recordings and texts, whatever its source, to a manifest to train on."""

from __future__ import annotations

import functools
import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.errors import AudioError, UsageError
from asr.files import atomic_file
from asr.prepare.listing import Listing
from asr.prepare.prepared import Part, Prepared, Progress, Table, no_progress
from asr.speech.audio import AudioInfo, probe
from asr.speech.manifest import Utterance, part_seconds, write_manifest
from asr.terminal import one_line
from asr.text.unicode_form import unicode_form

AT_ONCE = 1024  # utterances whose headers are read together
SHOWN = 5  # problems that are returned; the file has all of them


@dataclass
class _Tally:
    """Counts of a conversion in progress."""

    part: Part
    ids: set[str] = field(default_factory=set)
    nameless: int = 0
    """utterances in whose path `speaker_from` finds no speaker"""
    first_nameless: Path | None = None
    digits_lost: int = 0
    """utterances whose digits the normaliser drops: the text lacks spoken words"""
    problems: int = 0
    first_problems: list[str] = field(default_factory=list)


class _NothingUsable(Exception):
    """There is no utterance to write."""


def convert(
    listing: Listing,
    manifest: Path,
    normalize: Callable[[str], str] = str,
    speaker_from: str | None = None,
    progress: Progress = no_progress,
) -> Prepared:
    """Write the usable utterances of a listing to a manifest, and the other entries to MANIFEST.problems.txt beside it.

    The header of every recording is read. The duration is the recording's where the source has none, and must not exceed it. Texts are
    composed (NFC) and normalised, and white space becomes single spaces. Memory holds only ids, speakers and characters. If nothing is
    usable, no manifest is written.

    Args:
        listing: utterances and problems.
        manifest: the file to write.
        normalize: applied to each text.
        speaker_from: take speakers from the paths of the recordings instead of the source: `folder`, or a regular expression (see
            `speaker_namer`).
        progress: shows the progress.

    Returns:
        The counts of the manifest, the first problems, and notes on the source.

    Raises:
        UsageError: the regular expression is invalid or matches no path, or the source is damaged.
    """
    if manifest.is_dir():
        raise UsageError(f"--output {manifest}: is a folder: name a file, such as {manifest / 'all.json'}")
    name_speaker = speaker_namer(speaker_from) if speaker_from else None
    tally = _Tally(Part(manifest.stem, manifest))
    problems_path = manifest.with_name(f"{manifest.stem}.problems.txt")
    with atomic_file(problems_path) as problems_file:

        def usable() -> Iterator[Utterance]:
            with progress("looking at recordings", listing.total) as advance:
                for entry in _measured(listing.items):
                    entry = _finished(entry, normalize, name_speaker, tally) if isinstance(entry, Utterance) else entry
                    advance(1)
                    if isinstance(entry, Utterance):
                        yield entry
                        continue
                    tally.problems += 1
                    tally.first_problems += [entry] if len(tally.first_problems) < SHOWN else []
                    problems_file.write(f"{one_line(entry)}\n".encode("utf-8", "backslashreplace"))
            if not tally.part.utterances:
                raise _NothingUsable
            if tally.nameless == tally.part.utterances:
                problem = f"finds no speaker in any of {tally.nameless:,} paths, such as {tally.first_nameless}"
                raise UsageError(f"--speaker-from {speaker_from!r}: {problem}: {manifest} is not written")

        try:
            write_manifest(manifest, usable())
        except _NothingUsable:
            tally.first_problems += [] if tally.problems else ["the source lists nothing"]
    if not tally.problems:
        problems_path.unlink()  # this one, and that of an earlier run
    part = tally.part
    by = "speaker" if len(part.speakers) > 2 else "utterance"
    return Prepared(
        [part],
        notes=["; ".join(listing.notes()), *_warnings(tally, speaker_from)],
        problems=tally.first_problems,
        left_out=tally.problems,
        problems_file=problems_path if tally.problems else None,
        table=_table(part),
        next_command=f"asr manifest split {shlex.quote(str(manifest))} --by {by}",
    )


def _warnings(tally: _Tally, speaker_from: str | None) -> Iterator[str]:
    if tally.digits_lost:
        yield f"warning: {tally.digits_lost:,} texts lost digits to the normaliser, and so lack spoken words: spell numbers out first"
    if tally.nameless:
        paths = f"{tally.nameless:,} of {tally.part.utterances:,} paths, such as {tally.first_nameless}"
        yield f"warning: --speaker-from {speaker_from!r} finds no speaker in {paths}"


def _table(part: Part) -> Table:
    counts = {
        "utterances": f"{part.utterances:,}",
        "hours": f"{part.hours:.2f}",
        "speakers": f"{len(part.speakers):,}",
        "words": f"{part.words:,}",
        "different characters": f"{len(part.characters):,}",
    }
    return Table(str(part.manifest), (), list(counts.items()))


def _measured(items: Iterable[Utterance | str]) -> Iterator[Utterance | str]:
    """Add durations to utterances, in order. An utterance whose recording does not cover it becomes a problem."""

    @functools.lru_cache(maxsize=4096)  # consecutive utterances often share a recording
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
        except BaseException:  # Ctrl-C does not wait for the remaining recordings
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(
    u: Utterance, normalize: Callable[[str], str], name_speaker: Callable[[Path], str | None] | None, tally: _Tally
) -> Utterance | str:
    """Normalise and count an utterance. Return it, or why it cannot be used."""
    original = unicode_form("NFC", u.text or "")
    u = replace(u, text=" ".join(normalize(original).split()), speaker=name_speaker(u.audio_filepath) if name_speaker else u.speaker)
    text = u.text or ""
    if not text:
        return f"{u.source}: {u.id} has no text" + (f" once it is normalised ({original.strip()[:40]!r})" if original.strip() else "")
    if u.id in tally.ids:
        return f"{u.source}: the id {u.id} is there a second time"
    try:
        json.dumps([str(u.audio_filepath), text, u.id, u.speaker, u.lang, u.extra], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return f"{u.source}: not UTF-8 text"
    tally.ids.add(u.id)
    tally.part.add(u, round(1000 * (u.duration or 0.0)))
    if name_speaker and u.speaker is None:
        tally.nameless += 1
        tally.first_nameless = tally.first_nameless or u.audio_filepath
    tally.digits_lost += any(map(str.isdigit, original)) and not any(map(str.isdigit, text))
    return u


def speaker_namer(rule: str) -> Callable[[Path], str | None]:
    """Make a function that finds the speaker in the path of a recording.

    Examples:
        >>> speaker_namer(r"/(p\\d+)_")(Path("vctk/p225_001.wav"))
        'p225'

    Args:
        rule: `folder` for the name of the recording's folder, or a regular expression whose first group, or else match, is the speaker.

    Returns:
        A function from a path to a speaker, or to None.

    Raises:
        UsageError: the regular expression is invalid.
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
