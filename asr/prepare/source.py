"""Detect the layout of a source of recordings and texts from its content, and open it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
METADATA = (*TABLES, ".jsonl", ".jsonl.gz")  # LJSpeech, and Hugging Face's folders of audio


def open_source(
    source: Path, layout: Layout | None = None, columns: Mapping[str, str] | None = None, audio_folder: Path | None = None
) -> tuple[Layout, Listing]:
    """Open a source of recordings and texts.

    Args:
        source: a folder, a table, a file of texts or a cut set.
        layout: one of `LAYOUTS`; None to detect it.
        columns: names of columns by role, for tables (see `read_table`).
        audio_folder: where to look for recordings first.

    Returns:
        The layout, and the utterances and problems. The first note of the listing names the layout.

    Raises:
        UsageError: the source does not exist, or has no known layout or another than `layout`.
    """
    if not source.exists():
        raise UsageError(f"{source}: no such file or folder")
    if layout is None:
        source, layout = _detect(source, has_columns=bool(columns))
    listing = _read(source, layout, columns, audio_folder)
    return layout, replace(listing, notes=lambda: [f"read as {layout}", *listing.notes()])


def _read(source: Path, layout: Layout, columns: Mapping[str, str] | None, audio_folder: Path | None) -> Listing:
    if columns and layout != "table":
        raise UsageError(f"--columns: {source} is no table (format {layout})")
    if layout in ("kaldi", "pairs") and not source.is_dir():
        raise UsageError(f"{source}: is a file, expected a folder (format {layout})")
    if layout == "kaldi":
        return read_kaldi(source, audio_folder)
    if layout == "pairs":
        if audio_folder:
            raise UsageError("--audio-folder: a folder of pairs has its recordings beside their texts")
        return read_pairs(source)
    if layout == "lhotse":
        return read_cuts(source, audio_folder)
    if layout == "texts":
        return read_text_file(source, _detect_format(source), audio_folder)
    return read_table(source, columns, audio_folder)


def _detect(source: Path, has_columns: bool) -> tuple[Path, Layout]:
    """Return the file or folder to read, and its layout."""
    if source.is_dir():
        if (source / "wav.scp").is_file():
            return source, "kaldi"
        metadata = next((table for ending in METADATA if (table := source / f"metadata{ending}").is_file()), None)
        if metadata:
            return _detect(metadata, has_columns)
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
    form = _detect_format(source)
    if form == "json" and is_cuts(source):
        return source, "lhotse"
    return source, "table" if form in ("csv", "tsv", "bars", "lines") else "texts"


def _detect_format(source: Path) -> str:
    """Detect the format of a file from its first lines."""
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
        return e.choices[0]  # the other choices are lists without ids, which cannot be used
    except FormatProblem as e:
        raise UsageError(f"{source}:{e.line}: {e}") from None
