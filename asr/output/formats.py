"""The formats by name, and a transcript's files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from asr.errors import UsageError
from asr.files import write_atomically
from asr.output.json_form import to_json
from asr.output.options import OutputOptions
from asr.output.subtitles import to_srt, to_vtt
from asr.output.text import to_txt
from asr.output.tsv import to_tsv
from asr.transcript import Transcript

FORMATS: dict[str, Callable[[Transcript, OutputOptions], str]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
}


PRINTED = ("lines", *FORMATS)
"""forms of standard output; `lines` is one `name<tab>text` line a recording (`named_line`)"""


def choose_formats(asked: Iterable[str], known: Collection[str] = FORMATS) -> list[str]:
    """`["srt,vtt", "json"]`, or `["all"]`, to the names of formats, each once, in the order given. Raises UsageError for one not `known`, or none."""
    chosen: list[str] = []
    for name in (part.strip().lower().removeprefix(".") for one in asked for part in one.split(",")):
        if name and name != "all" and name not in known:
            problem = "is for standard output alone" if name in PRINTED else "is not known"
            raise UsageError(f"format {name!r} {problem}: choose of {', '.join(known)}, or all")
        chosen += known if name == "all" else [name] if name else []
    if not chosen:
        raise UsageError(f"no format is named: choose of {', '.join(known)}, or all")
    return list(dict.fromkeys(chosen))


def output_path(base: Path, form: str) -> Path:
    """`out/talk.v2` -> `out/talk.v2.srt`: what follows a dot in the base is part of its name."""
    return base.with_name(f"{base.name}.{form}")


def write_formats(transcript: Transcript, base: Path, formats: Iterable[str], options: OutputOptions | None = None) -> list[Path]:
    """Write `base`.txt, `base`.srt, … and say which. Folders are made; each file appears whole or not at all.

    Raises OSError with the file's name, and UsageError for a format that is unknown.
    """
    contents = {output_path(base, form): FORMATS[form](transcript, options or OutputOptions()) for form in choose_formats(formats)}
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def unwritten(base: Path, formats: Iterable[str]) -> list[str]:
    """Those of the formats whose file `write_formats` has still to write. Raises UsageError for a format that is unknown."""
    return [form for form in choose_formats(formats) if not output_path(base, form).is_file()]
