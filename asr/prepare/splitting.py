"""A manifest to train, dev and test parts that share no speaker.

Which group (speaker, chapter, …) comes first is decided by a hash of its name, the part's and the seed. So the same seed gives the same
parts whatever the order of the lines, and the test part does not depend on how much is asked for dev.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import ManifestError, UsageError
from asr.files import refuse_inputs
from asr.speech.audio import probe
from asr.speech.manifest import Utterance, parse_manifest, write_manifest

PARTS = ("train", "dev", "test")
TOLERANCE = 2  # a part may be this many times larger or smaller than was asked for


@dataclass(frozen=True)
class Size:
    """How large a part is to be: `5%` of the hours, `1.5h`, or `200` utterances."""

    told: str
    number: float
    unit: str
    """%, h or an empty string"""

    @classmethod
    def parse(cls, told: str, option: str) -> Size:
        """Raises UsageError naming the option."""
        match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(%|h|)", told.strip())
        if not match or (match[2] == "" and "." in match[1]) or (match[2] == "%" and float(match[1]) >= 100):
            raise UsageError(f"{option} {told}: expected a share of the hours (5%), hours (1.5h) or a number of utterances (200)")
        return cls(told, float(match[1]), match[2])


@dataclass
class Group:
    """What is kept together."""

    milliseconds: int = 0  # whole numbers, so that sums do not depend on the order of the lines
    utterances: int = 0


@dataclass
class Part:
    """One of the manifests that were written."""

    name: str
    path: Path
    utterances: int = 0
    milliseconds: int = 0
    words: int = 0
    characters: set[str] = field(default_factory=set)
    speakers: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Split:
    """What `split_manifest` did."""

    parts: list[Part]
    without_key: int
    """utterances that have no speaker (or whatever they are grouped by): each counts as a group of its own"""
    repeated_texts: int
    """utterances left out of train, for their sentence is also in dev or test"""


def split_manifest(
    path: Path,
    dev: Size,
    test: Size,
    by: str = "speaker",
    seed: int = 1,
    output: Path | None = None,
    disjoint_texts: bool = False,
) -> Split:
    """Write STEM.train.json, STEM.dev.json and STEM.test.json beside the manifest, or into `output`; a part of size 0 is not written.

    Utterances of one value of the key `by` stay together; `utterance` parts them one by one. With `disjoint_texts`, utterances whose
    words occur in dev or test as well, in whatever case and punctuation, are left out of train. The manifest is read several times
    and never held.

    Raises ManifestError with every bad line, AudioError where a duration is missing and cannot be measured, and UsageError when there
    is no such manifest, or its groups are too few or too large for parts of these sizes.
    """
    groups, without_key = _weigh(path, by)
    part_of = _assign(path, groups, {"test": test, "dev": dev}, by, seed)
    folder = path.parent if output is None else output
    parts = [Part(name, folder / f"{path.stem}.{name}.json") for name in PARTS if name == "train" or name in part_of.values()]

    refuse_inputs("part", [part.path for part in parts], [path])

    def part(u: Utterance) -> str:
        return part_of.get(_group(u, by), "train")

    held_out = {_spoken(u) for u in _utterances(path) if part(u) != "train"} - {""} if disjoint_texts else set()
    repeated = sum(part(u) == "train" and _spoken(u) in held_out for u in _utterances(path)) if held_out else 0
    if repeated == sum(group.utterances for name, group in groups.items() if name not in part_of):
        raise UsageError(f"{path}: every sentence of train is in dev or test as well: nothing is left to train on with --disjoint-texts")

    for target in parts:

        def chosen(target: Part = target) -> Iterator[Utterance]:
            for u in _utterances(path):
                if part(u) == target.name and not (target.name == "train" and _spoken(u) in held_out):
                    _count(target, u)
                    yield u

        write_manifest(target.path, chosen())
    return Split(parts, without_key, repeated)


# ---------------------------------------------------------------- reading


def _utterances(path: Path) -> Iterator[Utterance]:
    """Utterances one by one. Raises ManifestError with every bad line once it comes to the first, UsageError where that is no JSON."""
    lines = parse_manifest(path)
    for number, found in enumerate(lines):
        if isinstance(found, str):
            if number == 0 and ": not JSON" in found:
                raise UsageError(f"{found}: is this a manifest? asr manifest from makes one out of other layouts")
            raise ManifestError([found, *(later for later in lines if isinstance(later, str))])
        yield found


def _weigh(path: Path, by: str) -> tuple[dict[str, Group], int]:
    """Groups by name, and how many utterances have no key to be grouped by."""
    groups: dict[str, Group] = {}
    without_key, keys = 0, {"utterance"}
    for u in _utterances(path):
        name = _group(u, by)
        without_key += by != "utterance" and _key(u, by) is None
        keys |= u.extra.keys() | ({"speaker"} if u.speaker is not None else set())
        group = groups.setdefault(name, Group())
        group.milliseconds += _milliseconds(u)
        group.utterances += 1
    if not groups:
        raise UsageError(f"{path}: the manifest is empty")
    if without_key == sum(group.utterances for group in groups.values()):
        others = f"use --by {' or '.join(sorted(keys))}"
        source = "; asr manifest from --speaker-from finds speakers in paths" if by == "speaker" else ""
        raise UsageError(f"{path}: no utterance has the key {by}: {others}{source}")
    return groups, without_key


def _key(u: Utterance, by: str) -> str | None:
    value = u.speaker if by == "speaker" else u.lang if by == "lang" else u.extra.get(by)
    return None if value is None else str(value)


def _group(u: Utterance, by: str) -> str:
    key = None if by == "utterance" else _key(u, by)
    return f"utterance {u.id}" if key is None else f"{by} {key}"


def _milliseconds(u: Utterance) -> int:
    return round(1000 * (u.duration or max(0.0, probe(u.audio_filepath, u.track).seconds - u.offset)))


def _spoken(u: Utterance) -> str:
    """The words of a sentence, for comparison: without case and punctuation."""
    return " ".join(re.findall(r"\w+", (u.text or "").casefold()))


def _count(part: Part, u: Utterance) -> None:
    part.utterances += 1
    part.milliseconds += _milliseconds(u)
    part.words += len((u.text or "").split())
    part.characters.update(u.text or "")
    part.speakers |= {u.speaker} if u.speaker is not None else set()


# ---------------------------------------------------------------- choosing


def _assign(path: Path, groups: dict[str, Group], sizes: dict[str, Size], by: str, seed: int) -> dict[str, str]:
    """The part of each group that is not for training. Raises UsageError where whole groups do not come near the sizes."""
    sizes = {part: size for part, size in sizes.items() if size.number > 0}
    if not sizes:
        raise UsageError("--dev 0 --test 0: at least one of them must be more than 0")
    amounts = {part: {name: _amount(group, size) for name, group in groups.items()} for part, size in sizes.items()}
    targets = {part: _target(size, sum(amounts[part].values())) for part, size in sizes.items()}
    if sum(targets[part] / max(1, sum(amounts[part].values())) for part in sizes) >= 1:
        asked = " and ".join(f"--{part} {size.told}" for part, size in sizes.items())
        raise UsageError(f"{path}: {asked}: that leaves nothing to train on")
    others = "" if by == "utterance" else ", or part utterance by utterance (--by utterance)"
    if len(groups) <= len(sizes):
        raise UsageError(f"{path}: {len(groups)} {by}s cannot make {len(sizes) + 1} parts: ask for fewer (--test 0){others}")
    part_of: dict[str, str] = {}
    for part, size in sizes.items():
        free = {name: amount for name, amount in amounts[part].items() if name not in part_of}
        if not free:
            break
        chosen = _choose(free, targets[part], f"{seed} {part}")
        got = sum(free[name] for name in chosen)
        if not targets[part] / TOLERANCE <= got <= targets[part] * TOLERANCE:
            advice = _told(got, size, sum(amounts[part].values()))
            raise UsageError(
                f"{path}: --{part} {size.told}: too few {by}s, or too large ones ({len(groups)}): the nearest that whole {by}s come to is "
                f"{advice}: ask for --{part} {advice}{others}"
            )
        part_of |= dict.fromkeys(chosen, part)
    if len(part_of) == len(groups):
        raise UsageError(f"{path}: {len(groups)} {by}s are too few for parts of these sizes: nothing is left to train on{others}")
    return part_of


def _choose(amounts: dict[str, int], target: int, salt: str) -> list[str]:
    """Groups, in the order of their hashes, as long as they fit; then one more where the sum comes closer by it, or there is none yet."""
    order = sorted(amounts, key=lambda name: hashlib.blake2b(f"{salt} {name}".encode()).digest())
    chosen: list[str] = []
    total = 0
    for name in order:
        if total + amounts[name] <= target:
            chosen.append(name)
            total += amounts[name]
    rest = set(amounts) - set(chosen)
    last = min((name for name in order if name in rest), key=lambda name: abs(target - total - amounts[name]), default=None)
    if last is not None and (not chosen or abs(target - total - amounts[last]) < target - total):
        chosen.append(last)
    return chosen


def _amount(group: Group, size: Size) -> int:
    return group.milliseconds if size.unit else group.utterances


def _target(size: Size, whole: int) -> int:
    return round({"%": whole * size.number / 100, "h": size.number * 3_600_000, "": size.number}[size.unit])


def _told(amount: int, size: Size, whole: int) -> str:
    """An amount as the option would ask for it, rounded up."""
    return {"%": f"{math.ceil(100 * amount / whole)}%", "h": f"{math.ceil(amount / 36_000) / 100:.2f}h", "": str(amount)}[size.unit]
