"""Match hypotheses to references; every unmatched id is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, TypeAlias

from asr.errors import UsageError
from asr.score.texts import Texts
from asr.score.time_matching import match_times

Missing: TypeAlias = Literal["delete", "skip"]


@dataclass(frozen=True)
class Matched:
    """References and hypotheses, in the references' order."""

    ids: list[str]
    references: list[str]
    hypotheses: list[list[str | None]]
    """of each system; None for a missing one"""
    missing: list[tuple[str, ...]]
    """of each system: ids of references without a hypothesis"""
    extra: list[tuple[str, ...]]
    """of each system: ids of hypotheses without a reference; they count for nothing"""
    details: list[dict[str, Any]]
    note: str = ""
    """on segments joined for matching by time, if any"""


def match(references: Texts, systems: Sequence[Texts], missing: Missing = "delete") -> Matched:
    """Match hypotheses to references by time if a side has times, else by id, or by position if either side has no ids.

    Args:
        references: The references.
        systems: The hypotheses of each system.
        missing: "skip" excludes utterances that any system has no hypothesis for.

    Raises:
        UsageError: A file without ids has another number of lines, no id matches, or no utterance is left.
    """
    in_time = match_times(references, systems)
    references, systems = in_time.references, in_time.systems
    ids = list(references.texts)
    found = [_by_id(references, system) for system in systems]
    lacking = [tuple(name for name in ids if texts.get(name) is None) for texts in found]
    extra = [tuple(name for name in texts if name not in references.texts) for texts in found]
    for system, texts, others in zip(systems, found, extra, strict=True):
        if texts and len(others) == len(texts):
            theirs, ours = next(iter(texts)), ids[0]
            raise UsageError(f'{system.file or system.name}: no id is one of the references\': here is "{theirs}", there "{ours}"')
    if missing == "skip":
        left_out = {name for without in lacking for name in without}
        ids = [name for name in ids if name not in left_out]
        if not ids:
            raise UsageError("no utterance is left that has a hypothesis")
    details = [_details(name, references, systems) for name in ids]
    hypotheses = [[texts.get(name) for name in ids] for texts in found]
    return Matched(ids, [references.texts[name] or "" for name in ids], hypotheses, lacking, extra, details, in_time.note)


def _by_id(references: Texts, system: Texts) -> Mapping[str, str | None]:
    """The system's texts by the references' ids."""
    if references.numbered == system.numbered and not (references.numbered and len(references) != len(system)):
        return system.texts
    if len(references) != len(system):
        of, other = (references, system) if references.numbered else (system, references)
        raise UsageError(
            f"{of.file or 'references'}: has no ids, so it must have a line for every line of {other.file or 'the hypotheses'}: "
            f"{len(of)} here, {len(other)} there"
        )
    return dict(zip(references.texts, system.texts.values(), strict=True))


def _details(name: str, references: Texts, systems: Sequence[Texts]) -> dict[str, Any]:
    """Keys of the reference; those it lacks from the systems' files."""
    known: dict[str, Any] = {}
    for side in (*reversed(systems), references):
        known.update(side.details.get(name, {}))
    return known


def name_systems(files: Sequence[str], names: Sequence[str] = ()) -> list[str]:
    """Name each file by its stem, with as many of its folders as distinguish it from the others.

    Examples:
        >>> name_systems(["runs/a/hyp.json", "runs/b/hyp.json", "whisper.trn"])
        ['a/hyp', 'b/hyp', 'whisper']
    """
    if names:
        if len(names) != len(files) or len(set(names)) != len(names):
            raise UsageError(f"{len(names)} names ({', '.join(names)}) for {len(files)} systems: expected a different one for each")
        return list(names)
    parts = [PurePath(file).with_suffix("").parts or (file,) for file in files]
    depth = [1] * len(files)
    while True:
        short = ["/".join(p[-d:]) for p, d in zip(parts, depth, strict=True)]
        again = [i for i, name in enumerate(short) if short.count(name) > 1 and depth[i] < len(parts[i])]
        if not again:
            break
        for i in again:
            depth[i] += 1
    named = [name if short.count(name) == 1 else PurePath(file).name for name, file in zip(short, files, strict=True)]
    return [name if named.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(named, start=1)]
