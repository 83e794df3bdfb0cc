"""`asr manifest from`: a manifest out of recordings and texts of one's own."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from asr.cli.console import complain, err, out, progress_bar, speaks_plainly
from asr.errors import UsageError
from asr.files import refuse_inputs

if TYPE_CHECKING:
    from asr.prepare.conversion import Converted


class Format(str, Enum):
    auto = "auto"
    kaldi = "kaldi"
    table = "table"
    pairs = "pairs"
    lhotse = "lhotse"
    texts = "texts"


@speaks_plainly
def manifest_from(
    source: Annotated[Path, typer.Argument(help="A folder, a table, a file of texts, or a cut set.", show_default=False)],
    output: Annotated[Path, typer.Option(help="The manifest to write.", show_default=False, metavar="FILE.json")],
    format: Annotated[Format, typer.Option(help="The layout of the source; auto looks at it.")] = Format.auto,
    columns: Annotated[
        str,
        typer.Option(
            help="A table's columns: audio=clip,text=said; numbers where it has no header.", show_default=False, metavar="ROLE=NAME,…"
        ),
    ] = "",
    audio_folder: Annotated[Path | None, typer.Option(help="Look for recordings here first.", show_default=False)] = None,
    normalize: Annotated[
        str, typer.Option(help="Done to the texts: none, librispeech, whisper-en, or a YAML file.", metavar="NAME|FILE")
    ] = "none",
    speaker_from: Annotated[
        str | None,
        typer.Option(
            help="The speaker is the recording's folder, or what a regular expression finds in its path.",
            show_default=False,
            metavar="folder|REGEX",
        ),
    ] = None,
) -> None:
    """Make a manifest from recordings and texts, in any of five layouts.

    kaldi: a folder with wav.scp, text, and if need be segments, utt2spk. Commands in wav.scp are never run; a file that one only
    decodes is taken.

    table: CSV or TSV with a header, such as Common Voice's (its clips/ beside it), or LJSpeech's metadata.csv.

    pairs: a folder of recordings, each with a .txt, .lab, .srt, .vtt or .stm of its name beside it, in subfolders as well.

    texts: a file of texts with ids or times: metadata.jsonl, STM, CTM, SRT, VTT, Audacity's labels, trn, MLF, Whisper's JSON or TSV.
    Each segment becomes an utterance.

    lhotse: cuts.jsonl or cuts.jsonl.gz; each supervision becomes an utterance.

    The header of every recording is read. What is missing, damaged or without text is left out, and told in FILE.problems.txt.

      asr manifest from cv/validated.tsv --output data/cv.json --normalize librispeech
      asr manifest from kaldi/data/train --output data/train.json
      asr manifest from clips/ --output data/clips.json --speaker-from folder
    """
    from asr.prepare.conversion import convert
    from asr.prepare.source import open_source
    from asr.prepare.table import parse_columns
    from asr.text.normalizer import load_normalizer

    normalizer = load_normalizer(normalize)
    refuse_inputs("--output", [output], [source])
    if output.suffix.lower() not in (".json", ".jsonl") and not output.is_dir():  # files of the source have other endings
        raise UsageError(f"--output {output}: expected a file name that ends in .json or .jsonl")
    if audio_folder and not audio_folder.is_dir():
        raise UsageError(f"--audio-folder {audio_folder}: no such folder")
    layout, listing = open_source(source, None if format is Format.auto else format.value, parse_columns(columns), audio_folder)
    done = convert(listing, output, normalizer, speaker_from, progress_bar)
    err.print(f"read as {layout}", *done.notes, sep="; ", markup=False)
    if done.digits_lost:
        err.print(
            f"{done.digits_lost:,} texts lost digits to {normalize}, and so words that are said: spell numbers out first", markup=False
        )
    if done.nameless:
        err.print(
            f"warning: --speaker-from {speaker_from!r} finds no speaker in {done.nameless:,} of {done.utterances:,} paths, "
            f"such as {done.first_nameless}",
            markup=False,
        )
    for problem in done.first_problems:
        err.print(f"left out: {problem}", markup=False)
    if done.problems:
        err.print(f"{done.problems:,} left out in all; {done.problems_file} lists them", markup=False)
    if not done.utterances:
        complain(f"{source}: nothing can be used, {output} is not written")
        raise typer.Exit(1)
    _print_counts(done)
    by = "speaker" if len(done.speakers) > 2 else "utterance"
    out.print(f"next: asr manifest split {shlex.quote(str(output))} --by {by}", markup=False)
    if done.problems:
        raise typer.Exit(1)


def _print_counts(done: Converted) -> None:
    table = Table(title=str(done.manifest), title_justify="left", title_style="", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in {
        "utterances": f"{done.utterances:,}",
        "hours": f"{done.seconds / 3600:.2f}",
        "speakers": f"{len(done.speakers):,}",
        "words": f"{done.words:,}",
        "different characters": f"{len(done.characters):,}",
    }.items():
        table.add_row(name, value)
    out.print(table)
