"""Split a manifest into train, dev and test parts that share no speaker.

Groups (speakers, chapters, …) are chosen in the order of a hash of the seed, the part and the group's name. So a seed gives the same parts
for any order of the lines, and the test part does not depend on the size of dev.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asr.errors import ManifestError, UsageError
from asr.files import refuse_inputs
from asr.prepare.prepared import Part
from asr.speech.audio import probe
from asr.speech.manifest import Utterance, parse_manifest, write_manifest

PARTS = ("train", "dev", "test")
TOLERANCE = 2  # largest factor between the requested and the actual size of a part


@dataclass(frozen=True)
class Size:
    """The size of a part: `5%` of the hours, `1.5h`, or `200` utterances.

    Attributes:
        text: the size as the user wrote it.
        number: its number.
        unit: its unit: `%`, `h`, or an empty string for utterances.
    """

    text: str
    number: float
    unit: str

    @classmethod
    def parse(cls, text: str, option: str) -> Size:
        """Parse the value of an option.

        Raises:
            UsageError: the value is no size.
        """
        match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(%|h|)", text.strip())
        if not match or (match[2] == "" and "." in match[1]) or (match[2] == "%" and float(match[1]) >= 100):
            raise UsageError(f"{option} {text}: expected a share of the hours (5%), hours (1.5h) or a number of utterances (200)")
        return cls(text, float(match[1]), match[2])


@dataclass
class GroupSize:
    """The size of a group of utterances that stay in one part."""

    milliseconds: int = 0
    utterances: int = 0


@dataclass(frozen=True)
class Split:
    """The result of `split_manifest`.

    Attributes:
        parts: counts of the manifests.
        without_key: number of utterances without the key that groups them; each is a group of its own.
        repeated_texts: number of utterances left out of train because their sentence is also in dev or test.
    """

    parts: list[Part]
    without_key: int
    repeated_texts: int


def split_manifest(
    path: Path,
    dev: Size,
    test: Size,
    by: str = "speaker",
    seed: int = 1,
    output: Path | None = None,
    disjoint_texts: bool = False,
) -> Split:
    """Write STEM.train.json, STEM.dev.json and STEM.test.json. The manifest is read several times and never held in memory.

    Args:
        path: the manifest.
        dev: size of the dev part; it is not written if this is 0.
        test: size of the test part; it is not written if this is 0.
        by: the key whose values stay together; `utterance` splits by utterance.
        seed: seed of the choice.
        output: the folder of the parts; None for the manifest's.
        disjoint_texts: whether to leave utterances out of train whose words, without case and punctuation, are also in dev or test.

    Returns:
        The counts of the parts.

    Raises:
        ManifestError: the manifest has bad lines; the error has all of them.
        AudioError: a duration is missing and cannot be measured.
        UsageError: the manifest does not exist, or its groups are too few or too large for these sizes.
    """
    groups, without_key = _measure_groups(path, by)
    part_of = _assign(path, groups, {"test": test, "dev": dev}, by, seed)
    folder = path.parent if output is None else output
    parts = [Part(name, folder / f"{path.stem}.{name}.json") for name in PARTS if name == "train" or name in part_of.values()]

    refuse_inputs("part", [part.manifest for part in parts], [path])

    def part(u: Utterance) -> str:
        return part_of.get(_group(u, by), "train")

    held_out = {_words(u) for u in _utterances(path) if part(u) != "train"} - {""} if disjoint_texts else set()
    repeated = sum(part(u) == "train" and _words(u) in held_out for u in _utterances(path)) if held_out else 0
    if repeated == sum(group.utterances for name, group in groups.items() if name not in part_of):
        raise UsageError(f"{path}: every sentence of train is in dev or test as well: nothing is left to train on with --disjoint-texts")

    for target in parts:

        def chosen(target: Part = target) -> Iterator[Utterance]:
            for u in _utterances(path):
                if part(u) == target.name and not (target.name == "train" and _words(u) in held_out):
                    target.add(u, _milliseconds(u))
                    yield u

        write_manifest(target.manifest, chosen())
    return Split(parts, without_key, repeated)


# ---------------------------------------------------------------- reading


def _utterances(path: Path) -> Iterator[Utterance]:
    """Yield the utterances. At the first bad line, raise ManifestError with all bad lines, or UsageError if the file is no manifest."""
    lines = parse_manifest(path)
    for number, found in enumerate(lines):
        if isinstance(found, str):
            if number == 0 and ": not JSON" in found:
                raise UsageError(f"{found}: is this a manifest? asr manifest from converts other layouts")
            raise ManifestError([found, *(later for later in lines if isinstance(later, str))])
        yield found


def _measure_groups(path: Path, by: str) -> tuple[dict[str, GroupSize], int]:
    """Return the sizes of the groups by name, and the number of utterances without the key."""
    groups: dict[str, GroupSize] = {}
    without_key, keys = 0, {"utterance"}
    for u in _utterances(path):
        name = _group(u, by)
        without_key += by != "utterance" and _key(u, by) is None
        keys |= u.extra.keys() | ({"speaker"} if u.speaker is not None else set())
        group = groups.setdefault(name, GroupSize())
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


def _words(u: Utterance) -> str:
    """Return the words of a text without case and punctuation, for comparison."""
    return " ".join(re.findall(r"\w+", (u.text or "").casefold()))


# ---------------------------------------------------------------- choosing


def _assign(path: Path, groups: dict[str, GroupSize], sizes: dict[str, Size], by: str, seed: int) -> dict[str, str]:
    """Return the part of each group outside train. Raises UsageError if no choice of whole groups is near the sizes."""
    sizes = {part: size for part, size in sizes.items() if size.number > 0}
    if not sizes:
        raise UsageError("--dev 0 --test 0: at least one of them must be more than 0")
    amounts = {part: {name: _amount(group, size) for name, group in groups.items()} for part, size in sizes.items()}
    targets = {part: _target(size, sum(amounts[part].values())) for part, size in sizes.items()}
    if sum(targets[part] / max(1, sum(amounts[part].values())) for part in sizes) >= 1:
        options = " and ".join(f"--{part} {size.text}" for part, size in sizes.items())
        raise UsageError(f"{path}: {options}: that leaves nothing to train on")
    others = "" if by == "utterance" else ", or split by utterance (--by utterance)"
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
            advice = _format_amount(got, size, sum(amounts[part].values()))
            raise UsageError(
                f"{path}: --{part} {size.text}: too few {by}s, or too large ones ({len(groups)}): the nearest that whole {by}s come to is "
                f"{advice}: ask for --{part} {advice}{others}"
            )
        part_of |= dict.fromkeys(chosen, part)
    if len(part_of) == len(groups):
        raise UsageError(f"{path}: {len(groups)} {by}s are too few for parts of these sizes: nothing is left to train on{others}")
    return part_of


def _choose(amounts: dict[str, int], target: int, salt: str) -> list[str]:
    """Choose groups that fit, in the order of their hashes, and one more if it brings the sum closer to the target or none is chosen."""
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


def _amount(group: GroupSize, size: Size) -> int:
    return group.milliseconds if size.unit else group.utterances


def _target(size: Size, whole: int) -> int:
    return round({"%": whole * size.number / 100, "h": size.number * 3_600_000, "": size.number}[size.unit])


def _format_amount(amount: int, size: Size, whole: int) -> str:
    """Format an amount as a value of the option, rounded up."""
    return {"%": f"{math.ceil(100 * amount / whole)}%", "h": f"{math.ceil(amount / 36_000) / 100:.2f}h", "": str(amount)}[size.unit]
