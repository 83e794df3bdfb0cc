"""`asr transcribe`: recordings to text, subtitles and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from asr.cli.search import SearchOptions, takes_search_options
from asr.console import AudioProgress, audio_progress, err, format_duration, one_line_errors, print_error, print_note
from asr.errors import AudioError, UsageError
from asr.terminal import print_result

if TYPE_CHECKING:
    from asr.inputs import Recording
    from asr.output import OutputOptions
    from asr.transcript import Transcript


class _Job(NamedTuple):
    """A recording, and where to write its transcript.

    Attributes:
        recording: the recording.
        base: path of the output files without their endings; None to print the transcript.
        formats: names of formats.
    """

    recording: Recording
    base: Path | None
    formats: list[str]


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
    search: SearchOptions,
) -> None:
    """Transcribe recordings of any length and format.

    Prints one `file<tab>text` line for each recording, in the order of the inputs. --format txt prints only the text, one line for each
    segment. json prints one JSON object for each recording. srt, vtt and tsv are printed for a single recording named by itself.

    With --output-dir, each recording has its own files, named after it: talks/a.mp3 gives a.srt. Folders below a named folder are kept.
    Existing files are replaced only with --overwrite, inputs never.

    A recording that cannot be read is reported, and the others are transcribed. `[?]` marks words with little evidence in the CTC head.
    Words with no evidence are held back; json has them.

      asr transcribe talk.flac
      asr transcribe *.wav > texts.tsv
      asr transcribe talk.flac -f txt
      asr transcribe lectures/ -o out/ -f srt,json       subtitles, and words with times; add --skip-existing to resume
      asr transcribe --json --nbest 3 talk.flac
      ffmpeg -i … -f wav - | asr transcribe -f txt -
    """
    from asr.inputs import expand, names_one_recording, open_inputs
    from asr.output import PRINTED, OutputOptions, choose_formats

    requested = [*(formats or []), *(["json"] if json else [])]
    options = OutputOptions(nbest=nbest, word_times=word_times)
    if output_dir is None:
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
        jobs = [_Job(recording, None, chosen) for recording in recordings]
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
            _transcribe(jobs, search, (channel, track), options, tally, overwrite)
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
) -> list[_Job]:
    """Return the recordings that have files to write.

    Raises:
        UsageError: two recordings have the same file, or a file would replace an input, or without `overwrite` any file.
    """
    from asr.inputs import input_files, output_names
    from asr.output import check_targets, output_path, unwritten

    bases = [folder / name for name in output_names(recordings, full_names)]
    planned = [
        _Job(recording, base, unwritten(base, formats) if skip_existing else formats)
        for recording, base in zip(recordings, bases, strict=True)
    ]
    jobs = [job for job in planned if job.formats]
    files = [output_path(job.base, form) for job in jobs if job.base for form in job.formats]
    check_targets(files, input_files(recordings) | other_inputs, overwrite)
    return jobs


def _transcribe(
    jobs: Sequence[_Job],
    search: SearchOptions,
    part: tuple[int | None, int | None],
    options: OutputOptions,
    tally: Counter[str],
    overwrite: bool,
) -> None:
    """Transcribe a (channel, track) of each recording, and print or write each transcript when it is complete. Count in `tally`."""
    channel, track = part
    transcriber = search.transcriber(options.nbest)
    if options.nbest > transcriber.decode.beam:
        raise UsageError(f"--nbest {options.nbest}: the search keeps {transcriber.decode.beam}: raise --beam-size as well")
    total = _total_seconds([job.recording for job in jobs]) if err.is_terminal else 0.0
    try:
        with audio_progress(total) as progress:
            results = transcriber.transcribe_many([job.recording.utterance for job in jobs], channel, progress.advance, track)
            for i, result in results:
                recording, base, formats = jobs[i]
                if isinstance(result, AudioError):
                    tally["failed"] += 1
                    print_error(_with_label(recording, result))
                    continue
                for note in result.notes:
                    print_note(f"note: {recording.label}: {note}")
                if recording.is_stream:
                    result = replace(result, audio_filepath=recording.label)
                if base is None:
                    _print_transcript(result, recording, formats[0], options)
                else:
                    _write_transcript(result, recording, base, formats, options, progress)
                tally["transcribed"] += 1
                tally["held back"] += len(result.held_back)
                tally["segments"] += len(result.segments) + len(result.held_back)
    except KeyboardInterrupt:
        hint = ""
        if jobs[0].base:
            resume = "the same command starts again with the first" if overwrite else "the same command with --skip-existing goes on"
            hint = f" and whole; {resume}"
        print_error(f"stopped: {tally['transcribed']} of {len(jobs)} are done{hint}")
        raise typer.Exit(130) from None


def _total_seconds(recordings: Sequence[Recording]) -> float:
    """Return the total duration of the recordings that can be read."""
    from asr.speech.audio import probe

    def length(recording: Recording) -> float:
        utterance = recording.utterance
        try:
            return utterance.duration or max(0.0, probe(utterance.audio_filepath, utterance.track).seconds - utterance.offset)
        except AudioError:
            return 0.0

    with err.status("looking at the recordings …"), ThreadPoolExecutor() as pool:
        return sum(pool.map(length, recordings))


def _with_label(recording: Recording, error: AudioError) -> str:
    """Return the message of an error with the recording's name as the user wrote it."""
    message, path = str(error), str(recording.utterance.audio_filepath)
    if recording.is_stream:
        return message.replace(path, recording.label)
    return message if message.startswith(f"{recording.label}:") else f"{recording.label}: {message}"


def _print_transcript(transcript: Transcript, recording: Recording, form: str, options: OutputOptions) -> None:
    from asr.output import FORMATS, json_line, named_line

    if form == "json":
        print_result(json_line(transcript, options, {"id": recording.utterance.id}))
    elif form == "lines":
        print_result(named_line(recording.label, transcript, options))
    else:
        print_result(FORMATS[form](transcript, options), end="")


def _write_transcript(
    transcript: Transcript, recording: Recording, base: Path, formats: list[str], options: OutputOptions, progress: AudioProgress
) -> None:
    from asr.output import write_formats

    paths = write_formats(transcript, base, formats, options)
    doubtful, held_back = sum(segment.doubtful for segment in transcript.segments), len(transcript.held_back)
    remarks = [
        format_duration(transcript.duration),
        progress.speed,
        f"{doubtful} of {len(transcript.segments)} segments doubtful" if doubtful else "",
        f"{held_back} held back" if held_back else "",
    ]
    print_note(f"{recording.label} → {', '.join(map(str, paths))}  {'  '.join(filter(None, remarks))}")
