"""Transcripts as txt, srt, vtt, tsv and json, for standard output and files.

Examples:
    >>> from asr.output import FORMATS
    >>> sorted(FORMATS)
    ['json', 'srt', 'tsv', 'txt', 'vtt']
"""

from asr.output.formats import FORMATS, PRINTED, check_targets, choose_formats, output_path, unwritten, write_formats
from asr.output.json_form import json_line
from asr.output.options import OutputOptions
from asr.output.partial import partial_path, read_partial, remove_partial, write_partial
from asr.output.text import named_line, one_line, timed_line

__all__ = [
    "FORMATS",
    "PRINTED",
    "OutputOptions",
    "check_targets",
    "choose_formats",
    "json_line",
    "named_line",
    "one_line",
    "output_path",
    "partial_path",
    "read_partial",
    "remove_partial",
    "timed_line",
    "unwritten",
    "write_formats",
    "write_partial",
]
