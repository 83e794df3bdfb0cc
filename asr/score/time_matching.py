"""Match references and systems by time, to texts with the same ids.

Segments of the references that overlap one segment of a system become one utterance for all systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asr.errors import UsageError
from asr.score.segments import Pieces, Segment, joined, pieces_in_time
from asr.score.texts import Texts
from asr.text.formats.record import recording_name, segment_id


@dataclass(frozen=True)
class InTime:
    """Both sides with the same ids."""

    references: Texts
    systems: list[Texts]
    note: str = ""
    """on segments compared as one, if any"""


def match_times(references: Texts, systems: Sequence[Texts]) -> InTime:
    """Give texts with times the ids of the references; sides without times are unchanged if their ids are the same.

    Raises:
        UsageError: A file names no recording and the other side has several.
    """
    ours = _references(references, timed=any(system.segments for system in systems))
    if not ours:
        if references.numbered and any(system.segments for system in systems):
            return _whole(references, systems)
        return InTime(references, [_by_recording(system, references) if system.segments else system for system in systems])
    found = [_pieces(references, ours, system) for system in systems]
    groups = _groups(ours, found)
    named = {place: ours[group[0]].id for group in groups for place in group}
    matched = [_system_texts(system, pieces, groups, named) for system, pieces in zip(systems, found, strict=True)]
    kept = sum(not one.ignored for one in ours)
    note = f"segments differ in their times: {kept:,} of the references are compared as {len(groups):,}" if len(groups) < kept else ""
    return InTime(_reference_texts(references, ours, groups), matched, note)


def _references(references: Texts, timed: bool) -> list[Segment]:
    """Segments of the references; words are joined to one segment for each recording and channel."""
    if not references.segments:
        return _parts(references) if timed else []
    words: dict[tuple[str, str], list[Segment]] = {}
    for one in references.segments:
        if one.is_word:
            words.setdefault(one.track, []).append(one)
    whole = [
        Segment(joined(said), *track, min(one.span[0] for one in said), max(one.span[1] for one in said), id="-".join(filter(None, track)))
        for track, said in words.items()
    ]
    return whole or list(references.segments)


def _parts(references: Texts) -> list[Segment]:
    """Utterances of a manifest as segments, if several are parts of one recording; else none."""
    found = []
    for name, text in references.texts.items():
        known = references.details.get(name, {})
        audio, start, length = known.get("audio_filepath"), known.get("offset", 0.0), known.get("duration")
        if not isinstance(audio, str) or not isinstance(start, float) or not isinstance(length, float):
            return []
        speaker = str(known.get("speaker", ""))
        found.append(Segment(text or "", recording_name(audio), "", start, start + length, speaker, name))
    return found if len({one.recording for one in found}) < len(found) else []


# ---------------------------------------------------------------- one system


def _pieces(references: Texts, ours: Sequence[Segment], system: Texts) -> Pieces:
    if system.segments:
        return pieces_in_time(ours, system.segments, _tracks(references, ours, system))
    found = Pieces()
    places: dict[str, list[int]] = {}
    for i, one in enumerate(ours):
        places.setdefault(one.id, []).append(i)
    if not system.numbered and not places.keys() & system.texts.keys():
        for i, one in enumerate(ours):
            places.setdefault(one.recording, []).append(i)
            places.setdefault("-".join(one.track), []).append(i)
    tracks = {one.track for one in ours}
    if system.numbered and len(system) != len(ours) and len(tracks) > 1:
        raise UsageError(
            f"{system.file or 'hypotheses'}: has no ids, so it must have a line for each of the {len(ours)} segments of "
            f"{references.file or 'the references'}: {len(system)} here"
        )
    whole = [i for i, one in enumerate(ours) if not one.ignored]
    for number, (name, text) in enumerate(system.texts.items()):
        if system.numbered:
            chosen = whole if len(tracks) == 1 else [number]
        else:
            chosen = places.get(name) or places.get(recording_name(name)) or []
        chosen = [i for i in chosen if not ours[i].ignored]
        if chosen and text is not None:
            found.add(float(number), text, chosen)
        elif not chosen:
            found.extra[name] = text or ""
    return found


def _tracks(references: Texts, ours: Sequence[Segment], system: Texts) -> dict[tuple[str, str], tuple[str, str]]:
    """Map recording and channel of a system to those of the references; a channel's name matters only if there are several."""
    channels: dict[str, list[str]] = {}
    for recording, channel in dict.fromkeys(one.track for one in ours):
        channels.setdefault(recording, []).append(channel)
    theirs = dict.fromkeys(one.track for one in system.segments)
    recordings = {recording for recording, _ in theirs}
    found = {}
    for recording, channel in theirs:
        one_each = len(recordings) == len(channels) == 1 and (references.is_unnamed or system.is_unnamed)
        name = next(iter(channels)) if one_each else recording
        if name not in channels and system.is_unnamed:
            raise UsageError(
                f"{system.file or 'hypotheses'}: names no recording, and the references are of {len(channels)}: {_few(channels)}"
            )
        if channel in channels.get(name, ()):
            found[recording, channel] = name, channel
        elif len(channels.get(name, ())) == 1 and sum(one == recording for one, _ in theirs) == 1:
            found[recording, channel] = name, channels[name][0]
    return found


def _few(names: Mapping[str, Any]) -> str:
    return ", ".join(list(names)[:3]) + (", …" if len(names) > 3 else "")


# ---------------------------------------------------------------- both sides together


def _groups(ours: Sequence[Segment], found: Sequence[Pieces]) -> list[list[int]]:
    """Groups of references that share a piece of some system, in the references' order."""
    parent = list(range(len(ours)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for pieces in found:
        for _, _, places in pieces.parts:
            for place in places[1:]:
                parent[root(place)] = root(places[0])
    groups: dict[int, list[int]] = {}
    for i, one in enumerate(ours):
        if not one.ignored:
            groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def _reference_texts(references: Texts, ours: Sequence[Segment], groups: Sequence[list[int]]) -> Texts:
    texts: dict[str, str | None] = {}
    details: dict[str, dict[str, Any]] = {}
    for group in groups:
        members = [ours[i] for i in group]
        name = members[0].id
        texts[name] = joined(members)
        known = dict(references.details.get(name, {}))
        if len(group) > 1 and all(one.start is not None for one in members):
            start = min(one.span[0] for one in members)
            known |= {"offset": start, "duration": round(max(one.span[1] for one in members) - start, 3)}
        if len({one.speaker for one in members}) > 1:
            known.pop("speaker", None)
        details[name] = known
    return replace(references, texts=texts, details=details, segments=(), numbered=False)


def _system_texts(system: Texts, pieces: Pieces, groups: Sequence[list[int]], named: Mapping[int, str]) -> Texts:
    said: dict[str, list[tuple[float, str]]] = {named[i]: [] for group in groups for i in group if i in pieces.answered}
    for start, text, places in pieces.parts:
        said[named[places[0]]].append((start, text))
    texts: dict[str, str | None] = {
        name: " ".join(text for _, text in sorted(parts, key=lambda part: part[0]) if text) for name, parts in said.items()
    }
    extra = {name: text for name, text in pieces.extra.items() if name not in texts}
    return replace(system, texts={**texts, **extra}, details={}, segments=(), numbered=False)


# ---------------------------------------------------------------- references without times


def _by_recording(system: Texts, references: Texts) -> Texts:
    """Join a system's segments to one text for each recording, under the references' ids."""
    tracks: dict[tuple[str, str], list[Segment]] = {}
    for one in system.segments:
        tracks.setdefault(one.track, []).append(one)
    several = {recording for recording, _ in tracks if sum(one == recording for one, _ in tracks) > 1}
    by_name = {recording_name(name): name for name in references.texts}
    texts: dict[str, str | None] = {}
    for (recording, channel), segments in tracks.items():
        name = segment_id(recording, channel if recording in several else "", None)
        if system.is_unnamed and len(references) == 1:
            name = next(iter(references.texts))
        texts[by_name.get(name, name)] = joined(segments)
    if system.is_unnamed and not texts.keys() & references.texts.keys():
        count = f"{len(references)} utterances: {_few(references.texts)}"
        raise UsageError(f"{system.file or 'hypotheses'}: names no recording, and the references have {count}")
    return replace(system, texts=texts, details={}, segments=())


def _whole(references: Texts, systems: Sequence[Texts]) -> InTime:
    """Plain lines against the segments of one recording: the whole is one utterance."""
    for system in systems:
        if len({one.track for one in system.segments}) > 1:
            raise UsageError(f"{references.file or 'references'}: has no ids, and {system.file or 'a system'} is of several recordings")

    def whole(texts: Texts) -> Texts:
        text = joined(texts.segments) if texts.segments else " ".join(text for text in texts.texts.values() if text)
        return replace(texts, texts={"1": text}, details={}, segments=(), numbered=True)

    note = f"{references.file or 'the references'} has no times: all of the recording is compared as one"
    return InTime(whole(references), [whole(system) for system in systems], note)
