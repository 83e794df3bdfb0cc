"""`asr manifest from`: a manifest of the user's own recordings and texts."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from asr.cli.summary import print_prepared
from asr.console import one_line_errors, progress_bar
from asr.errors import UsageError
from asr.files import refuse_inputs


class Format(str, Enum):
    """Values of --format."""

    auto = "auto"
    kaldi = "kaldi"
    table = "table"
    pairs = "pairs"
    lhotse = "lhotse"
    texts = "texts"


@one_line_errors
def manifest_from(
    source: Annotated[Path, typer.Argument(help="A folder, a table, a file of texts, or a cut set.", show_default=False)],
    output: Annotated[Path, typer.Option(help="The manifest to write.", show_default=False, metavar="FILE.json")],
    format: Annotated[Format, typer.Option(help="Read the source in this layout; auto detects it.")] = Format.auto,
    columns: Annotated[
        str,
        typer.Option(
            help="Read these columns of a table: audio=clip,text=said; numbers if it has no header.",
            show_default=False,
            metavar="ROLE=NAME,…",
        ),
    ] = "",
    audio_folder: Annotated[Path | None, typer.Option(help="Look for recordings in this folder first.", show_default=False)] = None,
    normalize: Annotated[
        str, typer.Option(help="Normalise the texts: none, librispeech, whisper-en, or a YAML file.", metavar="NAME|FILE")
    ] = "none",
    speaker_from: Annotated[
        str | None,
        typer.Option(
            help="Take the speaker from the recording's folder, or from its path by a regular expression.",
            show_default=False,
            metavar="folder|REGEX",
        ),
    ] = None,
) -> None:
    """Make a manifest from recordings and texts, in any of five layouts.

    kaldi: a folder with wav.scp, text, and optionally segments and utt2spk. Commands in wav.scp are never run. If a command only decodes
    a file, that file is used.

    table: CSV or TSV with a header, such as Common Voice's (with clips/ beside it), or LJSpeech's metadata.csv.

    pairs: a folder of recordings, also in subfolders, each with a .txt, .lab, .srt, .vtt or .stm of the same name beside it.

    texts: a file of texts with ids or times: metadata.jsonl, STM, CTM, SRT, VTT, Audacity's labels, trn, MLF, Whisper's JSON or TSV.
    Each segment becomes an utterance.

    lhotse: cuts.jsonl or cuts.jsonl.gz; each supervision becomes an utterance.

    The header of every recording is read. Entries that are missing, damaged or without text are left out and listed in FILE.problems.txt.

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
    if output.suffix.lower() not in (".json", ".jsonl") and not output.is_dir():  # so that no file of the source is overwritten
        raise UsageError(f"--output {output}: expected a file name that ends in .json or .jsonl")
    if audio_folder and not audio_folder.is_dir():
        raise UsageError(f"--audio-folder {audio_folder}: no such folder")
    _, listing = open_source(source, None if format is Format.auto else format.value, parse_columns(columns), audio_folder)
    print_prepared(convert(listing, output, normalizer, speaker_from, progress_bar), source)
