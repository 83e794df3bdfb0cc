"""The formats by name, and the output files of a transcript."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from asr.errors import UsageError
from asr.files import check_writable, overwritten, write_atomically
from asr.output.json_form import to_json
from asr.output.options import OutputOptions
from asr.output.subtitles import to_srt, to_vtt
from asr.output.text import to_tsv, to_txt
from asr.transcript import Transcript

FORMATS: dict[str, Callable[[Transcript, OutputOptions], str]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
}

PRINTED = ("lines", *FORMATS)
"""Formats of standard output; `lines` is one `name<tab>text` line for each recording (`named_line`)."""

SHOWN = 3  # files in an error message


def choose_formats(requested: Iterable[str], known: Collection[str] = FORMATS) -> list[str]:
    """Parse the values of --format.

    Examples:
        >>> choose_formats(["srt,vtt", "json"])
        ['srt', 'vtt', 'json']

    Args:
        requested: names of formats, separated by commas, or `all`.
        known: the formats to choose from.

    Returns:
        The names, each once, in the given order.

    Raises:
        UsageError: a format is unknown, or none is named.
    """
    chosen: list[str] = []
    for name in (part.strip().lower().removeprefix(".") for one in requested for part in one.split(",")):
        if name and name != "all" and name not in known:
            problem = "is for standard output alone" if name in PRINTED else "is not known"
            raise UsageError(f"format {name!r} {problem}: choose of {', '.join(known)}, or all")
        chosen += known if name == "all" else [name] if name else []
    if not chosen:
        raise UsageError(f"no format is named: choose of {', '.join(known)}, or all")
    return list(dict.fromkeys(chosen))


def output_path(base: Path, form: str) -> Path:
    """Append the ending of a format: `out/talk.v2` becomes `out/talk.v2.srt`."""
    return base.with_name(f"{base.name}.{form}")


def write_formats(transcript: Transcript, base: Path, formats: Iterable[str], options: OutputOptions | None = None) -> list[Path]:
    """Write the files of a transcript atomically, and create their folders.

    Args:
        transcript: the transcript.
        base: path of the files without their endings.
        formats: names of formats.
        options: options of the formats; None for the defaults.

    Returns:
        The paths of the files.

    Raises:
        OSError: a file cannot be written; it names the file.
        UsageError: a format is unknown.
    """
    contents = {output_path(base, form): FORMATS[form](transcript, options or OutputOptions()) for form in choose_formats(formats)}
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def unwritten(base: Path, formats: Iterable[str]) -> list[str]:
    """Return the formats whose files do not exist.

    Raises:
        UsageError: a format is unknown.
    """
    return [form for form in choose_formats(formats) if not output_path(base, form).is_file()]


def check_targets(files: Sequence[Path], inputs: Iterable[Path], overwrite: bool) -> None:
    """Check that all output files can be written and replace no input.

    Args:
        files: distinct output files. The files and their folders need not exist.
        inputs: files that the command reads.
        overwrite: whether existing files, except inputs, may be replaced.

    Raises:
        UsageError: a file cannot be written, replaces an input, or exists and `overwrite` is false.
    """
    for file in {file.parent: file for file in files}.values():
        try:
            check_writable(file.parent / ".asr")  # any name; existing files are checked below
        except OSError as e:
            raise UsageError(f"{file.parent}: cannot be written to: {e.strerror}") from None
    existing = [file for file in files if file.exists()]
    if lost := overwritten(existing, inputs):
        raise UsageError(f"{_listed(lost)}: would overwrite an input of this command: choose another --output-dir or --format")
    if others := [file for file in existing if not file.is_file()]:
        raise UsageError(f"{_listed(others)}: is in the way, and not a file: choose another --output-dir")
    if existing and not overwrite:
        raise UsageError(f"{_listed(existing)}: exists already: --overwrite replaces it, --skip-existing keeps it")


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files[:SHOWN])) + (f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else "")
