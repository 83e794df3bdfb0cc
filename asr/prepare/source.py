"""Which layout a source of recordings and texts has, told by what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from asr.errors import UsageError
from asr.prepare.kaldi import read_kaldi
from asr.prepare.lhotse import read_cuts
from asr.prepare.listing import Listing
from asr.prepare.pairs import read_pairs
from asr.prepare.table import read_table
from asr.speech.audio import ENDINGS

Layout: TypeAlias = Literal["kaldi", "table", "pairs", "lhotse"]
LAYOUTS: tuple[Layout, ...] = ("kaldi", "table", "pairs", "lhotse")

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
CUTS = (".jsonl", ".jsonl.gz", ".json", ".json.gz")


def open_source(
    source: Path, layout: Layout | None = None, columns: Mapping[str, str] | None = None, audio_folder: Path | None = None
) -> tuple[Layout, Listing]:
    """The source's layout, guessed where it is not told, and what it lists.

    Raises UsageError when the source is not there, is of no known layout or of another than told.
    """
    if not source.exists():
        raise UsageError(f"{source}: no such file or folder")
    if layout is None:
        source, layout = _recognise(source)
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
    return layout, read_table(source, columns, audio_folder)


def _recognise(source: Path) -> tuple[Path, Layout]:
    """The file or folder to read, and its layout."""
    if source.is_dir():
        if (source / "wav.scp").is_file():
            return source, "kaldi"
        metadata = next((table for ending in TABLES if (table := source / f"metadata{ending}").is_file()), None)  # LJSpeech
        if metadata:
            return metadata, "table"
        tables = sorted(p.name for p in source.iterdir() if p.name.endswith(TABLES))
        if tables:
            raise UsageError(
                f"{source}: holds tables: give one of {', '.join(tables)}, or --format pairs for recordings with texts beside them"
            )
        return source, "pairs"
    if source.name.lower().endswith(CUTS):
        return source, "lhotse"
    if source.name in ("wav.scp", "text", "segments", "utt2spk"):
        raise UsageError(f"{source}: is a file of a Kaldi data folder: give the folder, {source.parent}")
    if source.suffix.lower() in ENDINGS:
        raise UsageError(f"{source}: is a recording: give a folder, a table or a cut set")
    return source, "table"
