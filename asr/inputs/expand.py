"""Arguments of a command line to recordings."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from asr.errors import UsageError
from asr.inputs.names import Name, are_distinct, check_distinct, folders_of
from asr.inputs.standard_input import NAME as COPY_NAME
from asr.inputs.standard_input import STANDARD_INPUT, copied_standard_input
from asr.speech.audio import ENDINGS
from asr.speech.manifest import Utterance, read_manifest

MANIFEST_ENDINGS = frozenset({".json", ".jsonl"})


@dataclass(frozen=True)
class Recording:
    """One thing to transcribe."""

    utterance: Utterance
    """its file, and the part of it; `id` is the manifest's, or else its short name"""
    label: str
    """its name in messages and in `label<tab>text` lines: the path as it was named, a manifest's id, or `-`"""
    name: Name
    """of its output files"""

    @property
    def place(self) -> str:
        """where it was named: `label`, or a line of a manifest, as FILE:LINE"""
        return self.utterance.source or self.label

    @property
    def is_standard_input(self) -> bool:
        return self.utterance.source == STANDARD_INPUT


@contextmanager
def open_inputs(recordings: Sequence[Recording]) -> Iterator[list[Recording]]:
    """The same recordings, with a file for standard input, if it is among them, for as long as the block runs.

    Raises what `copied_standard_input` raises.
    """
    if not any(r.is_standard_input for r in recordings):
        yield list(recordings)
        return
    with copied_standard_input() as copy:
        yield [replace(r, utterance=replace(r.utterance, audio_filepath=copy)) if r.is_standard_input else r for r in recordings]


def expand(arguments: Sequence[str]) -> list[Recording]:
    """What is named by files, folders, globs that the shell left alone, manifests (.json, .jsonl) and `-`, in that order.

    Folders are searched for `ENDINGS` in all their depth, sorted, without what is hidden. What is named twice is taken once. A file that
    is not there is kept, for the others are to go on: reading it will say so. `-` has no file yet: `open_inputs` gives it one.

    Raises UsageError for a folder or glob that gives nothing, an argument that is empty, a manifest that is not there, or no argument at
    all; ManifestError with the bad lines of the first manifest that has any.
    """
    if not arguments:
        raise UsageError("nothing is named to transcribe: give files, folders, a manifest, or - for standard input")
    found: dict[tuple[str, int], _Found] = {}
    for argument in arguments:
        for one in _named(argument):
            found.setdefault(one.key, one)
    return [Recording(replace(one.utterance, id=one.utterance.id or one.name.short), one.label, one.name) for one in found.values()]


def names_one_recording(arguments: Sequence[str]) -> bool:
    """Whether the only argument is a recording's own name, or `-`: not a folder, a glob or a manifest, however little they hold."""
    if len(arguments) != 1:
        return False
    [argument] = arguments
    return argument == STANDARD_INPUT or not (_is_folder(argument) or _is_manifest(argument) or _is_glob(argument))


def output_names(recordings: Sequence[Recording], full: bool = False) -> list[str]:
    """Names of output files, short or full: paths below the output folder, without a format's ending.

    Raises UsageError where two recordings have the same.
    """
    full_names = [r.name.full for r in recordings]
    names = full_names if full else [r.name.short for r in recordings]
    advice = "transcribe them one after the other, each with an --output-dir of its own"
    if any(r.utterance.source for r in recordings):
        advice = f"give each utterance of a manifest an id of its own, or {advice}"
    if not full and are_distinct(full_names):
        advice = "add --full-names, which keeps the folders and endings of their recordings"
    check_distinct(names, [r.place for r in recordings], advice)
    return names


def input_files(recordings: Iterable[Recording]) -> set[Path]:
    """Every file that is read for some recordings: they themselves, manifests, and standard input where that is a file."""
    files = set()
    for recording in recordings:
        if recording.is_standard_input:
            files.add(Path("/dev/stdin"))
            continue
        files.add(recording.utterance.audio_filepath)
        if recording.utterance.source:
            files.add(Path(recording.utterance.source.rpartition(":")[0]))
    return files


@dataclass(frozen=True)
class _Found:
    key: tuple[str, int]
    """absolute path, and the number within it: the same for what is named twice"""
    utterance: Utterance
    """its id is empty where a manifest gives none"""
    label: str
    name: Name


def _named(argument: str) -> Iterator[_Found]:
    """What one argument stands for."""
    if not argument:
        raise UsageError("an argument is empty: is a variable of the command not set?")
    if argument == STANDARD_INPUT:
        utterance = Utterance("", Path(STANDARD_INPUT), source=STANDARD_INPUT)
        yield _Found((STANDARD_INPUT, 0), utterance, STANDARD_INPUT, Name((), (), COPY_NAME))
    elif _is_folder(argument):
        recordings = _folder(Path(argument))
        if not recordings:
            raise UsageError(f"{argument}: holds no recordings; looked for {', '.join(sorted(ENDINGS))}")
        yield from recordings
    elif _is_glob(argument):
        yield from _glob(argument)
    else:
        yield from _file(argument)


def _is_glob(argument: str) -> bool:
    return glob.has_magic(argument) and not os.path.lexists(argument)


def _is_manifest(argument: str) -> bool:
    return Path(argument).suffix.lower() in MANIFEST_ENDINGS


def _glob(pattern: str) -> Iterator[_Found]:
    """As if the shell had done it, but that a folder among the matches may be without recordings."""
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # the pattern may be absolute
    found = [one for match in matches for one in (_folder(Path(match)) if _is_folder(match) else _file(match))]
    if not found:
        raise UsageError(f"{pattern}: matches no {'recordings' if matches else 'file'}")
    yield from found


def _file(argument: str) -> Iterator[_Found]:
    path = Path(argument)
    whole = _absolute(path)
    if _is_manifest(argument):
        for number, u in enumerate(read_manifest(path)):
            yield _Found((str(whole), number), u, u.id, Name(folders_of(u.audio_filepath), (), u.id, u.audio_filepath.suffix))
    else:
        yield _Found((str(whole), 0), Utterance("", path), argument, Name(folders_of(path), (), path.stem, path.suffix))


def _folder(folder: Path) -> list[_Found]:
    """Recordings below a folder; folders that links lead to are searched as well, each once."""
    files: list[Path] = []
    searched = {_identity(folder)}
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        unseen: dict[tuple[int, int], str] = {}
        for name in sorted(folders):
            if not name.startswith(".") and (identity := _identity(Path(place, name))) not in searched:
                unseen.setdefault(identity, name)
        searched |= unseen.keys()
        folders[:] = unseen.values()
        files += [Path(place, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS]
    outer = folders_of(folder / "recording")
    return [
        _Found((str(_absolute(f)), 0), Utterance("", f), str(f), Name(outer, f.relative_to(folder).parts[:-1], f.stem, f.suffix))
        for f in sorted(files, key=lambda file: file.parts)
    ]


def _is_folder(name: str) -> bool:
    return os.path.isdir(name)  # noqa: PTH112  # Path.is_dir raises for a name that is too long


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename}: cannot be searched: {error.strerror}") from None


def _absolute(path: Path) -> Path:
    """Without `..`, links left as they are: a link is a name of its own."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as e:
        raise UsageError(f"{folder}: cannot be searched: {e.strerror}") from None
    return status.st_dev, status.st_ino
