"""`asr transcribe`: recordings to text, subtitles and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from asr.cli.console import Pace, audio_progress, clock, complain, err, speaks_plainly
from asr.cli.search import SearchOptions, takes_search_options
from asr.errors import AudioError, UsageError
from asr.terminal import print_result

if TYPE_CHECKING:
    from asr.inputs import Recording
    from asr.output import OutputOptions
    from asr.transcript import Transcript


class _Job(NamedTuple):
    """A recording, and the files to write for it."""

    recording: Recording
    base: Path | None
    """of its output files, without ending; None: print it"""
    formats: list[str]


@speaks_plainly
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
            help="lines (file<tab>text), txt, srt, vtt, tsv, json; for files also all, or several: srt,json.",
            show_default="lines; txt for files",
            metavar="FORMAT",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing output files.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Keep existing output files, and write only the others.")] = False,
    full_names: Annotated[
        bool, typer.Option("--full-names", help="Name output files talks/a.mp3.srt, not a.srt, after talks/a.mp3.")
    ] = False,
    nbest: Annotated[int, typer.Option(min=1, help="In json: so many readings of each segment.")] = 1,
    word_times: Annotated[bool, typer.Option("--word-times", help="In vtt: a time stamp before each word.")] = False,
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

    Prints one `file<tab>text` line a recording, in the order of the inputs, however many there are. --format txt prints the text
    alone, a line a segment; json prints one JSON object a line; srt, vtt and tsv are printed for a single recording named by itself.

    With --output-dir each recording gets files of its own, named after it alone: talks/a.mp3 gives a.srt, and folders below a named
    folder are kept. Existing files are not replaced without --overwrite, inputs never.

    A recording that cannot be read is reported, and the others go on. `[?]` marks words with little evidence in the CTC head. Words
    with none are held back; json has them.

      asr transcribe talk.flac
      asr transcribe *.wav > texts.tsv
      asr transcribe talk.flac -f txt
      asr transcribe lectures/ -o out/ -f srt,json       subtitles and words with times; again with --skip-existing to go on
      asr transcribe --json --nbest 3 talk.flac
      ffmpeg -i … -f wav - | asr transcribe -f txt -
    """
    from asr.inputs import expand, names_one_recording, open_inputs
    from asr.output import PRINTED, OutputOptions, choose_formats

    asked = [*(formats or []), *(["json"] if json else [])]
    options = OutputOptions(nbest=nbest, word_times=word_times)
    if output_dir is None:
        chosen = choose_formats(asked or ["lines"], PRINTED)
        if len(chosen) > 1:
            raise UsageError("--format: only one can be printed: name a folder with --output-dir for several")
        for option, given in {"--overwrite": overwrite, "--skip-existing": skip_existing, "--full-names": full_names}.items():
            if given:
                raise UsageError(f"{option} is about files in --output-dir: name that folder")
        if chosen[0] in ("srt", "vtt", "tsv") and not names_one_recording(inputs):
            raise UsageError(
                f"--format {chosen[0]} is printed for a single recording named by itself: for several, a folder, a glob or a manifest, "
                "name a folder with --output-dir"
            )
        recordings = expand(inputs)
        jobs = [_Job(recording, None, chosen) for recording in recordings]
    else:
        chosen = choose_formats(asked or ["txt"])
        if overwrite and skip_existing:
            raise UsageError("--overwrite and --skip-existing contradict each other: choose one")
        recordings = expand(inputs)
        jobs = _plan_files(recordings, output_dir, chosen, full_names, overwrite, skip_existing, search.files())
    tally = Counter({"already there": len(recordings) - len(jobs)})
    if jobs:
        with open_inputs([job.recording for job in jobs]) as opened:
            jobs = [job._replace(recording=recording) for job, recording in zip(jobs, opened, strict=True)]
            _work(jobs, search, (channel, track), options, tally)
    if output_dir or (tally["failed"] and len(recordings) > 1):
        err.print(", ".join(f"{tally[what]} {what}" for what in ("transcribed", "already there", "failed") if tally[what]))
    if tally["held back"]:
        err.print(
            f"note: {tally['held back']} of {tally['stretches']} stretches of speech are held back, for the CTC head does not bear their words "
            "out: --json has them under held_back; decode.invented_below in the model's config.yaml is the bound",
            markup=False,
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
    """The files still to write, by recording. Raises UsageError where two are the same, or one would be lost."""
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


def _work(
    jobs: Sequence[_Job], search: SearchOptions, part: tuple[int | None, int | None], options: OutputOptions, tally: Counter[str]
) -> None:
    """Transcribe a channel of a track, and print or write each recording as soon as it is done; `tally` counts."""
    channel, track = part
    transcriber = search.transcriber(options.nbest)
    if options.nbest > transcriber.decode.beam:
        raise UsageError(f"--nbest {options.nbest}: the search keeps {transcriber.decode.beam}: raise --beam-size as well")
    total = _seconds([job.recording for job in jobs]) if err.is_terminal else 0.0
    try:
        with audio_progress(total) as pace:
            results = transcriber.transcribe_many([job.recording.utterance for job in jobs], channel, pace.advance, track)
            for i, result in results:
                recording, base, formats = jobs[i]
                if isinstance(result, AudioError):
                    tally["failed"] += 1
                    complain(_failure(recording, result))
                    continue
                for note in result.notes:
                    err.print(f"note: {recording.label}: {note}", markup=False)
                if recording.is_standard_input:
                    result = replace(result, audio_filepath=recording.label)
                if base is None:
                    _show(result, recording, formats[0], options)
                else:
                    _store(result, recording, base, formats, options, pace)
                tally["transcribed"] += 1
                tally["held back"] += len(result.held_back)
                tally["stretches"] += len(result.segments) + len(result.held_back)
    except KeyboardInterrupt:
        done = f"stopped: {tally['transcribed']} of {len(jobs)} are done"
        complain(f"{done} and whole; the same command with --skip-existing goes on" if jobs[0].base else done)
        raise typer.Exit(130) from None


def _seconds(recordings: Sequence[Recording]) -> float:
    """How long all are together; what cannot be read counts as nothing."""
    from asr.speech.audio import probe

    def length(recording: Recording) -> float:
        utterance = recording.utterance
        try:
            return utterance.duration or max(0.0, probe(utterance.audio_filepath, utterance.track).seconds - utterance.offset)
        except AudioError:
            return 0.0

    with err.status("looking at the recordings …"), ThreadPoolExecutor() as pool:
        return sum(pool.map(length, recordings))


def _failure(recording: Recording, error: AudioError) -> str:
    """The error under the name that the user knows."""
    message, path = str(error), str(recording.utterance.audio_filepath)
    if recording.is_standard_input:
        return message.replace(path, recording.label)
    return message if message.startswith(f"{recording.label}:") else f"{recording.label}: {message}"


def _show(transcript: Transcript, recording: Recording, form: str, options: OutputOptions) -> None:
    from asr.output import FORMATS, json_line, named_line

    if form == "json":
        print_result(json_line(transcript, options, {"id": recording.utterance.id}))
    elif form == "lines":
        print_result(named_line(recording.label, transcript, options))
    else:
        print_result(FORMATS[form](transcript, options), end="")


def _store(transcript: Transcript, recording: Recording, base: Path, formats: list[str], options: OutputOptions, pace: Pace) -> None:
    from asr.output import write_formats

    paths = write_formats(transcript, base, formats, options)
    doubtful, held_back = sum(segment.doubtful for segment in transcript.segments), len(transcript.held_back)
    notes = [
        clock(transcript.duration),
        pace.speed,
        f"{doubtful} of {len(transcript.segments)} segments doubtful" if doubtful else "",
        f"{held_back} held back" if held_back else "",
    ]
    err.print(f"{recording.label} → {', '.join(map(str, paths))}  {'  '.join(n for n in notes if n)}", markup=False)
