"""Formats of texts: the table by which `asr score` and `asr manifest from` read references, hypotheses and transcripts.

Examples:
    >>> detect("talk A anna 0.00 2.50 <O> go on\\n", ["text"])
    'stm'
    >>> [record["text"] for _, record in read_records("talk A anna 0.00 2.50 <O> go on\\n", "stm")]
    ['go on']
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from asr.text.formats.columns import ROLES, read_rows
from asr.text.formats.detection import UnclearFormat, detect
from asr.text.formats.labels import read_labels, read_mlf, read_track
from asr.text.formats.marks import read_ctm, read_stm
from asr.text.formats.named_lines import read_kaldi, read_lines, read_sphinx, read_trn
from asr.text.formats.objects import read_objects
from asr.text.formats.record import FormatProblem, Records
from asr.text.formats.subtitles import read_srt, read_vtt

__all__ = ["FORMATS", "ROLES", "Format", "FormatProblem", "UnclearFormat", "detect", "read_records"]


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        read: reads a file's content. The second argument names further columns; only tables use it.
        endings: usual endings of the files.
        names_keys: whether the file names the key or column of each text.
        has_times: whether entries are segments or words of recordings, with their times.
    """

    read: Callable[[str, Collection[str]], Records]
    endings: tuple[str, ...] = ()
    names_keys: bool = False
    has_times: bool = False


def _without_columns(read: Callable[[str], Records]) -> Callable[[str, Collection[str]], Records]:
    return lambda content, _: read(content)


def _table(delimiters: str) -> Callable[[str, Collection[str]], Records]:
    usual = {*ROLES["text"], *ROLES["id"], *ROLES["audio"]}
    return lambda content, keys: read_rows(content, delimiters, {*keys, *usual})


FORMATS: dict[str, Format] = {
    "json": Format(_without_columns(read_objects), (".json", ".jsonl"), names_keys=True),
    "trn": Format(_without_columns(read_trn), (".trn",)),
    "sphinx": Format(_without_columns(read_sphinx), (".hyp", ".match")),
    "kaldi": Format(_without_columns(read_kaldi)),
    "tsv": Format(_table("\t"), (".tsv",), names_keys=True),
    "csv": Format(_table(",;"), (".csv",), names_keys=True),
    "bars": Format(_table("|"), (".csv",), names_keys=True),
    "stm": Format(_without_columns(read_stm), (".stm",), has_times=True),
    "ctm": Format(_without_columns(read_ctm), (".ctm",), has_times=True),
    "srt": Format(_without_columns(read_srt), (".srt",), has_times=True),
    "vtt": Format(_without_columns(read_vtt), (".vtt",), has_times=True),
    "whisper": Format(_table("\t"), (".tsv",), has_times=True),
    "audacity": Format(_without_columns(read_track), (".txt",), has_times=True),
    "labels": Format(_without_columns(read_labels), (".lab", ".wrd", ".txt"), has_times=True),
    "mlf": Format(_without_columns(read_mlf), (".mlf",)),
    "lines": Format(_without_columns(read_lines), (".txt",)),
}
"""by name; `detection.py` distinguishes them"""


def read_records(content: str, form: str, keys: Collection[str] = ()) -> Records:
    """Read a file.

    Args:
        content: the file's text.
        form: a name of `FORMATS`.
        keys: names of columns beside the usual ones.

    Yields:
        The records, in the file's order.

    Raises:
        FormatProblem: a line does not have the format.
    """
    return FORMATS[form].read(content, keys)
