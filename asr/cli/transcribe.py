"""`asr transcribe`: recordings to text, subtitles and JSON."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.search import TranscriptOptions, takes_search_options
from asr.cli.transcribing import Job, Settings, transcribe_jobs
from asr.console import one_line_errors, print_note
from asr.errors import UsageError

if TYPE_CHECKING:
    from asr.inputs import Recording


@one_line_errors
@takes_search_options
def transcribe(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT…", help="Recordings or videos, folders, globs, manifests (.json), - for stdin.", show_default=False),
    ],
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Write files into this folder.", show_default="print to standard output")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            help="Output lines (file<tab>text), txt, srt, vtt, tsv or json; into files also all, or several: srt,json.",
            show_default="lines; txt for files",
            metavar="FORMAT",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing output files.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Keep existing output files, and write only the others.")] = False,
    full_names: Annotated[
        bool, typer.Option("--full-names", help="Name output files talks/a.mp3.srt, not a.srt, after talks/a.mp3.")
    ] = False,
    nbest: Annotated[int, typer.Option(min=1, help="In json: output this many readings of each segment.")] = 1,
    verbose: Annotated[
        bool | None,
        typer.Option(
            "--verbose/--no-verbose", help="Show segments with times as they are recognised.", show_default="a long recording in a terminal"
        ),
    ] = None,
    word_times: Annotated[bool, typer.Option("--word-times", help="In vtt: write a time stamp before each word.")] = False,
    channel: Annotated[int | None, typer.Option(min=1, help="Channel to transcribe, 1 for the first.", show_default="mean of all")] = None,
    track: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Audio track to read, 1 for the first. A `track` in a manifest takes precedence.",
            show_default="the one flagged as default",
        ),
    ] = None,
    search: TranscriptOptions,
) -> None:
    """Transcribe recordings of any length and format.

    Prints one `file<tab>text` line for each recording, in the order of the inputs. --format txt prints only the text, one line for each
    segment. json prints one JSON object for each recording. srt, vtt and tsv are printed for a single recording named by itself.

    With --output-dir, each recording has its own files, named after it: talks/a.mp3 gives a.srt. Folders below a named folder are kept.
    Existing files are replaced only with --overwrite, inputs never.

    Ctrl-C keeps finished files. An unfinished recording leaves talk.partial.json, from which the same command resumes.

    A recording that cannot be read is reported, and the others are transcribed. `[?]` marks words with little evidence in the CTC head.
    Words with no evidence are held back; json has them.

      asr transcribe talk.flac
      asr transcribe *.wav > texts.tsv
      asr transcribe talk.flac -f txt
      asr transcribe talk.flac --verbose                 each segment with its times, as it is recognised
      asr transcribe lectures/ -o out/ -f srt,json       subtitles, and words with times; add --skip-existing to resume
      asr transcribe --json --nbest 3 talk.flac
      ffmpeg -i … -f wav - | asr transcribe -f txt -
    """
    from asr.inputs import expand, names_one_recording, open_inputs
    from asr.output import PRINTED, OutputOptions, choose_formats

    requested = [*(formats or []), *(["json"] if json else [])]
    options = OutputOptions(nbest=nbest, word_times=word_times)
    if output_dir is None:
        if sys.stdout is None:
            raise UsageError("standard output is closed: redirect it to a file, or name a folder with --output-dir")
        chosen = choose_formats(requested or ["lines"], PRINTED)
        if len(chosen) > 1:
            raise UsageError("--format: only one can be printed: name a folder with --output-dir for several")
        for option, given in {"--overwrite": overwrite, "--skip-existing": skip_existing, "--full-names": full_names}.items():
            if given:
                raise UsageError(f"{option} needs --output-dir: name a folder for the files")
        if chosen[0] in ("srt", "vtt", "tsv") and not names_one_recording(inputs):
            raise UsageError(
                f"--format {chosen[0]} is printed for a single recording named by itself: for several, a folder, a glob or a manifest, "
                "name a folder with --output-dir"
            )
        recordings = expand(inputs)
        jobs = [Job(recording, None, chosen) for recording in recordings]
    else:
        chosen = choose_formats(requested or ["txt"])
        if overwrite and skip_existing:
            raise UsageError("--overwrite and --skip-existing contradict each other: choose one")
        recordings = expand(inputs)
        jobs = _plan_files(recordings, output_dir, chosen, full_names, overwrite, skip_existing, search.files())
    tally = Counter({"already there": len(recordings) - len(jobs)})
    if jobs:
        with open_inputs([job.recording for job in jobs]) as opened:
            jobs = [job._replace(recording=recording) for job, recording in zip(jobs, opened, strict=True)]
            tally += transcribe_jobs(jobs, Settings(search, options, channel, track, verbose, overwrite))
    if output_dir or (tally["failed"] and len(recordings) > 1):
        print_note(", ".join(f"{tally[key]} {key}" for key in ("transcribed", "already there", "failed") if tally[key]))
    if tally["held back"]:
        print_note(
            f"note: {tally['held back']} of {tally['segments']} segments of speech are held back, as the CTC head has no evidence of their "
            "words: --json has them under held_back; decode.invented_below in the model's config.yaml is the bound"
        )
    if tally["failed"]:
        raise typer.Exit(1)


def _plan_files(
    recordings: Sequence[Recording],
    folder: Path,
    formats: list[str],
    full_names: bool,
    overwrite: bool,
    skip_existing: bool,
    other_inputs: set[Path],
) -> list[Job]:
    """Return the recordings that have files to write.

    Raises:
        UsageError: two recordings have the same file, or a file would replace an input, or without `overwrite` any file.
    """
    from asr.inputs import input_files, output_names
    from asr.output import check_targets, output_path, unwritten

    bases = [folder / name for name in output_names(recordings, full_names)]
    planned = [
        Job(recording, base, unwritten(base, formats) if skip_existing else formats)
        for recording, base in zip(recordings, bases, strict=True)
    ]
    jobs = [job for job in planned if job.formats]
    files = [output_path(job.base, form) for job in jobs if job.base for form in job.formats]
    check_targets(files, input_files(recordings) | other_inputs, overwrite)
    return jobs
