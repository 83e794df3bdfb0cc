"""Which layout a source of recordings and texts has, told by what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from asr.errors import UsageError
from asr.prepare.kaldi import read_kaldi
from asr.prepare.lhotse import is_cuts, read_cuts
from asr.prepare.listing import Listing, numbered_lines
from asr.prepare.pairs import read_pairs
from asr.prepare.table import read_table
from asr.prepare.texts import read_text_file
from asr.speech.audio import ENDINGS
from asr.text.formats import ROLES, FormatProblem, UnclearFormat, detect
from asr.text.formats.detection import LOOKED_AT
from asr.text.unicode_form import unicode_form

Layout: TypeAlias = Literal["kaldi", "table", "pairs", "lhotse", "texts"]
LAYOUTS: tuple[Layout, ...] = ("kaldi", "table", "pairs", "lhotse", "texts")

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
METADATA = (*TABLES, ".jsonl", ".jsonl.gz")  # of LJSpeech, and of Hugging Face's folders of audio


def open_source(
    source: Path, layout: Layout | None = None, columns: Mapping[str, str] | None = None, audio_folder: Path | None = None
) -> tuple[Layout, Listing]:
    """The source's layout, guessed where it is not told, and what it lists.

    Raises UsageError when the source is not there, is of no known layout or of another than told.
    """
    if not source.exists():
        raise UsageError(f"{source}: no such file or folder")
    if layout is None:
        source, layout = _recognise(source, has_columns=bool(columns))
    if columns and layout != "table":
        raise UsageError(f"--columns: {source} is no table (format {layout})")
    if layout in ("kaldi", "pairs") and not source.is_dir():
        raise UsageError(f"{source}: is a file, expected a folder (format {layout})")
    if layout == "kaldi":
        return layout, read_kaldi(source, audio_folder)
    if layout == "pairs":
        if audio_folder:
            raise UsageError("--audio-folder: a folder of pairs has its recordings beside their texts")
        return layout, read_pairs(source)
    if layout == "lhotse":
        return layout, read_cuts(source, audio_folder)
    if layout == "texts":
        return layout, read_text_file(source, _form(source), audio_folder)
    return layout, read_table(source, columns, audio_folder)


def _recognise(source: Path, has_columns: bool) -> tuple[Path, Layout]:
    """The file or folder to read, and its layout."""
    if source.is_dir():
        if (source / "wav.scp").is_file():
            return source, "kaldi"
        metadata = next((table for ending in METADATA if (table := source / f"metadata{ending}").is_file()), None)
        if metadata:
            return _recognise(metadata, has_columns)
        tables = sorted(p.name for p in source.iterdir() if p.name.endswith(TABLES))
        if tables:
            raise UsageError(
                f"{source}: holds tables: give one of {', '.join(tables)}, or --format pairs for recordings with texts beside them"
            )
        return source, "pairs"
    if source.name in ("wav.scp", "text", "segments", "utt2spk"):
        raise UsageError(f"{source}: is a file of a Kaldi data folder: give the folder, {source.parent}")
    if source.suffix.lower() in ENDINGS:
        raise UsageError(f"{source}: is a recording: give a folder, a table or a cut set")
    if has_columns:
        return source, "table"
    form = _form(source)
    if form == "json" and is_cuts(source):
        return source, "lhotse"
    return source, "table" if form in ("csv", "tsv", "bars", "lines") else "texts"


def _form(source: Path) -> str:
    """The format of a file, from its first lines."""
    lines: list[str] = []
    size = 0
    for _, line in numbered_lines(source):
        lines.append(line)
        size += len(line) + 1
        if size > LOOKED_AT:
            break
    content = "\n".join([*lines, ""])
    ending = Path(source.name.lower().removesuffix(".gz")).suffix
    try:
        return detect(unicode_form("NFC", content), ROLES["text"], ending=ending)
    except UnclearFormat as e:
        return e.choices[0]  # a list without ids could not be used
    except FormatProblem as e:
        raise UsageError(f"{source}:{e.line}: {e}") from None
