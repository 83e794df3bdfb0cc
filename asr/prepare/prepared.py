"""The interface of a preparation: the progress that it reports, and the result that `asr prepare` and `asr manifest from` print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from asr.files import write_atomically
from asr.speech.manifest import Utterance, write_manifest
from asr.terminal import one_line

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""(task, number of steps) -> a context whose value is a function that advances by a number of steps."""


@contextmanager
def no_progress(task: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show no progress."""
    yield lambda steps: None


@dataclass
class Part:
    """Counts of one manifest.

    Attributes:
        name: name of the part, such as `train`.
        manifest: its file.
        utterances: number of utterances; 0 if the manifest is not written.
        milliseconds: total duration. Whole numbers, so that the sum does not depend on the order of the utterances.
        words: number of words.
        speakers: distinct speakers.
        characters: distinct characters of the texts.
    """

    name: str
    manifest: Path
    utterances: int = 0
    milliseconds: int = 0
    words: int = 0
    speakers: set[str] = field(default_factory=set)
    characters: set[str] = field(default_factory=set)

    @property
    def hours(self) -> float:
        """The total duration in hours."""
        return self.milliseconds / 3_600_000

    def add(self, utterance: Utterance, milliseconds: int) -> None:
        """Count an utterance of a duration in milliseconds."""
        text = utterance.text or ""
        self.utterances += 1
        self.milliseconds += milliseconds
        self.words += len(text.split())
        self.characters.update(text)
        if utterance.speaker is not None:
            self.speakers.add(utterance.speaker)


class Table(NamedTuple):
    """A table to print; without headings it has no heading row."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Prepared:
    """The result of a preparation.

    Attributes:
        parts: counts of the manifests.
        notes: remarks on how the source was read, and warnings.
        problems: why entries were left out, one line each; at least the first few.
        left_out: number of entries that were left out.
        problems_file: the file that lists all problems; None if there are none.
        table: a summary.
        lines: further lines of the summary.
        next_command: the command that uses the manifests.
    """

    parts: list[Part]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: int = 0
    problems_file: Path | None = None
    table: Table | None = None
    lines: list[str] = field(default_factory=list)
    next_command: str = ""


def write_parts(output: Path, parts: Mapping[str, Sequence[Utterance]]) -> list[Part]:
    """Write NAME.json for each part that has utterances.

    Args:
        output: the folder of the manifests.
        parts: utterances with durations, by name of the part.

    Returns:
        The counts of each part, in the same order.
    """
    counts = []
    for name, utterances in parts.items():
        part = Part(name, output / f"{name}.json")
        for utterance in utterances:
            part.add(utterance, round(1000 * (utterance.duration or 0.0)))
        if utterances:
            write_manifest(part.manifest, utterances)
        counts.append(part)
    return counts


def write_problems(output: Path, problems: Sequence[str]) -> Path | None:
    """Write problems.txt, one problem a line. Without problems, remove the file of an earlier run and return None."""
    path = output / "problems.txt"
    if not problems:
        path.unlink(missing_ok=True)
        return None
    write_atomically(path, "".join(f"{one_line(problem)}\n" for problem in problems))
    return path
