"""Expand the arguments of a command line to recordings."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from asr.errors import UsageError
from asr.inputs.names import Name, are_distinct, check_distinct, folders_of
from asr.inputs.streams import NAME as STANDARD_INPUT_NAME
from asr.inputs.streams import STANDARD_INPUT, copied_pipe, copied_standard_input
from asr.speech.audio import ENDINGS
from asr.speech.manifest import Utterance, read_manifest

MANIFEST_ENDINGS = frozenset({".json", ".jsonl"})


@dataclass(frozen=True)
class Recording:
    """A recording to transcribe.

    Attributes:
        utterance: its file, and the part of it. The id is that of the manifest, or else the short name.
        label: its name in messages and in `label<tab>text` lines: the path as the user wrote it, the id in a manifest, or `-`.
        name: the name of its output files.
        is_stream: whether it is standard input or a named pipe, which `open_inputs` copies to a file.
    """

    utterance: Utterance
    label: str
    name: Name
    is_stream: bool = False

    @property
    def place(self) -> str:
        """Where the user named it: FILE:LINE of a manifest, or the label."""
        return self.utterance.source or self.label


@contextmanager
def open_inputs(recordings: Sequence[Recording]) -> Iterator[list[Recording]]:
    """Copy the streams among the recordings to files, which are deleted at the end of the block.

    Args:
        recordings: the result of `expand`.

    Yields:
        The same recordings, all with a file that can be decoded.

    Raises:
        UsageError: a stream is closed, a terminal or empty.
        AsrError: a stream cannot be read or copied.
    """
    with ExitStack() as stack:
        opened = []
        for recording in recordings:
            if recording.is_stream:
                is_standard_input = recording.utterance.source == STANDARD_INPUT
                stream = copied_standard_input() if is_standard_input else copied_pipe(recording.utterance.audio_filepath)
                recording = replace(recording, utterance=replace(recording.utterance, audio_filepath=stack.enter_context(stream)))
            opened.append(recording)
        yield opened


def expand(arguments: Sequence[str]) -> list[Recording]:
    """Expand arguments to recordings.

    Folders are searched for `ENDINGS`, with subfolders, in sorted order, without hidden files. A recording that is named twice is
    returned once. A file that does not exist is returned, and fails when it is read, so that the others are transcribed.

    Args:
        arguments: files, folders, globs, manifests (.json, .jsonl), named pipes, and `-` for standard input.

    Returns:
        The recordings in the order of the arguments. Streams have no file before `open_inputs`.

    Raises:
        UsageError: there is no argument, an argument is empty, a folder or glob has no recordings, or a manifest does not exist.
        ManifestError: a manifest has bad lines; the error has all of the first such manifest.
    """
    if not arguments:
        raise UsageError("nothing is named to transcribe: give files, folders, a manifest, or - for standard input")
    inputs: dict[tuple[str, int], _Input] = {}
    for argument in arguments:
        for found in _expand_argument(argument):
            inputs.setdefault(found.key, found)
    return [
        Recording(replace(found.utterance, id=found.utterance.id or found.name.short), found.label, found.name, found.is_stream)
        for found in inputs.values()
    ]


def names_one_recording(arguments: Sequence[str]) -> bool:
    """Return whether there is one argument, and it is a file or `-`: not a folder, glob or manifest, even of one recording."""
    if len(arguments) != 1:
        return False
    [argument] = arguments
    return argument == STANDARD_INPUT or not (_is_folder(argument) or _is_manifest(argument) or _is_glob(argument))


def output_names(recordings: Sequence[Recording], full: bool = False) -> list[str]:
    """Return the names of the output files.

    Args:
        recordings: the recordings.
        full: whether to use full names instead of short names (see `Name`).

    Returns:
        Paths below the output folder, without the ending of a format.

    Raises:
        UsageError: two recordings have the same name.
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
    """Return the files that are read for recordings: audio, manifests, and standard input, as it can be a file."""
    files = set()
    for recording in recordings:
        if recording.utterance.source == STANDARD_INPUT:
            files.add(Path("/dev/stdin"))
            continue
        files.add(recording.utterance.audio_filepath)
        if recording.utterance.source:
            files.add(Path(recording.utterance.source.rpartition(":")[0]))
    return files


@dataclass(frozen=True)
class _Input:
    """A recording that an argument names.

    Attributes:
        key: absolute path, and the index in a manifest; equal for recordings that are named twice.
        utterance: its id is empty outside manifests.
    """

    key: tuple[str, int]
    utterance: Utterance
    label: str
    name: Name
    is_stream: bool = False


def _expand_argument(argument: str) -> Iterator[_Input]:
    """Yield the recordings of one argument."""
    if not argument:
        raise UsageError("an argument is empty: is a variable of the command not set?")
    if argument == STANDARD_INPUT:
        utterance = Utterance("", Path(STANDARD_INPUT), source=STANDARD_INPUT)
        yield _Input((STANDARD_INPUT, 0), utterance, STANDARD_INPUT, Name((), (), STANDARD_INPUT_NAME), is_stream=True)
    elif _is_folder(argument):
        recordings = _folder(Path(argument))
        if not recordings:
            raise UsageError(f"{argument}: holds no recordings; looked for {', '.join(sorted(ENDINGS))}")
        yield from recordings
    elif _is_glob(argument):
        yield from _glob(argument)
    elif _is_pipe(argument) and not _is_manifest(argument):
        path = Path(argument)
        name = Name(folders_of(path), (), path.stem, path.suffix)
        yield _Input((str(_absolute(path)), 0), Utterance("", path), argument, name, is_stream=True)
    else:
        yield from _file(argument)


def _is_pipe(argument: str) -> bool:
    """Return whether an argument is a named pipe, such as `<(command)` of a shell, which is /dev/fd/63."""
    try:
        return stat.S_ISFIFO(Path(argument).stat().st_mode)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False


def _is_glob(argument: str) -> bool:
    return glob.has_magic(argument) and not os.path.lexists(argument)


def _is_manifest(argument: str) -> bool:
    return Path(argument).suffix.lower() in MANIFEST_ENDINGS


def _glob(pattern: str) -> Iterator[_Input]:
    """Yield the recordings of a pattern, as if the shell had expanded it. Folders among the matches may be empty."""
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # the pattern may be absolute
    inputs = [found for match in matches for found in (_folder(Path(match)) if _is_folder(match) else _file(match))]
    if not inputs:
        raise UsageError(f"{pattern}: matches no {'recordings' if matches else 'file'}")
    yield from inputs


def _file(argument: str) -> Iterator[_Input]:
    path = Path(argument)
    whole = _absolute(path)
    if _is_manifest(argument):
        for number, u in enumerate(read_manifest(path)):
            yield _Input((str(whole), number), u, u.id, Name(folders_of(u.audio_filepath), (), u.id, u.audio_filepath.suffix))
    else:
        yield _Input((str(whole), 0), Utterance("", path), argument, Name(folders_of(path), (), path.stem, path.suffix))


def _folder(folder: Path) -> list[_Input]:
    """Return the recordings below a folder. Links to folders are followed, and each folder is searched once."""
    files: list[Path] = []
    searched = {_identity(folder)}
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        unseen: dict[tuple[int, int], str] = {}
        for name in sorted(folders):
            if not name.startswith(".") and (identity := _identity(Path(parent, name))) not in searched:
                unseen.setdefault(identity, name)
        searched |= unseen.keys()
        folders[:] = unseen.values()
        files += [Path(parent, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS]
    outer = folders_of(folder / "recording")
    return [
        _Input((str(_absolute(f)), 0), Utterance("", f), str(f), Name(outer, f.relative_to(folder).parts[:-1], f.stem, f.suffix))
        for f in sorted(files, key=lambda file: file.parts)
    ]


def _is_folder(name: str) -> bool:
    return os.path.isdir(name)  # noqa: PTH112  # Path.is_dir raises for a name that is too long


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename}: cannot be searched: {error.strerror}") from None


def _absolute(path: Path) -> Path:
    """Return an absolute path without `..`. Links are kept, as a link is a name of its own."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as e:
        raise UsageError(f"{folder}: cannot be searched: {e.strerror}") from None
    return status.st_dev, status.st_ino
