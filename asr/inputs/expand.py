"""Arguments of a command line to recordings."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from asr.errors import UsageError
from asr.inputs.names import Name, distinct_names
from asr.inputs.standard_input import NAME as COPY_NAME
from asr.inputs.standard_input import STANDARD_INPUT, copied_standard_input
from asr.speech.audio import ENDINGS
from asr.speech.manifest import Utterance, read_manifest

MANIFEST_ENDINGS = frozenset({".json", ".jsonl"})


@dataclass(frozen=True)
class Recording:
    """One thing to transcribe."""

    utterance: Utterance
    """its file, and the part of it; `id` is the manifest's, or else `name`"""
    label: str
    """what it is called in messages and in `label<tab>text` lines: the path as it was named, a manifest's id, or `-`"""
    name: str
    """of its output files: a path below the output folder, without ending; no other recording has it"""


@contextmanager
def open_inputs(arguments: Sequence[str]) -> Iterator[list[Recording]]:
    """`expand`, with standard input for `-`: it is copied to a file that is there as long as the block.

    Raises what `expand` and `copied_standard_input` raise.
    """
    recordings = expand(arguments)
    if STANDARD_INPUT not in arguments:
        yield recordings
        return
    with copied_standard_input() as copy:
        yield [replace(r, utterance=replace(r.utterance, audio_filepath=copy)) if _is_standard_input(r) else r for r in recordings]


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
    names = distinct_names([one.name for one in found.values()])
    return [
        Recording(replace(one.utterance, id=one.utterance.id or name), one.label, name)
        for one, name in zip(found.values(), names, strict=True)
    ]


def _is_standard_input(recording: Recording) -> bool:
    return recording.utterance.source == STANDARD_INPUT


@dataclass(frozen=True)
class _Found:
    key: tuple[str, int]
    """absolute path, and the number within it: the same for what is named twice"""
    utterance: Utterance
    """its id is empty where it is to be named after the output files"""
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
    elif os.path.lexists(argument) or not glob.has_magic(argument):
        yield from _file(argument)
    else:
        yield from _glob(argument)


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
    if path.suffix.lower() in MANIFEST_ENDINGS:
        for number, u in enumerate(read_manifest(path)):
            yield _Found((str(whole), number), u, u.id, Name(_absolute(u.audio_filepath).parts[1:-1], (), u.id))
    else:
        yield _Found((str(whole), 0), Utterance("", path), argument, Name(whole.parts[1:-1], (), path.stem, path.suffix))


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
    outer = _absolute(folder).parts[1:]
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
