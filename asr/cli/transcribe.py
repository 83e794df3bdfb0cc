"""`asr transcribe`: recordings to text, subtitles and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.console import Pace, audio_progress, clock, complain, err, speaks_plainly
from asr.cli.search import SearchOptions, takes_search_options
from asr.errors import AudioError, UsageError
from asr.files import check_writable
from asr.terminal import print_result

if TYPE_CHECKING:
    from asr.inputs import Recording
    from asr.output import OutputOptions
    from asr.transcript import Transcript


@speaks_plainly
@takes_search_options
def transcribe(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT…", help="Recordings or videos, folders, globs, manifests (.json), - for stdin.", show_default=False),
    ],
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Write files here; without it, print.", show_default=False)
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", help="txt, srt, vtt, tsv, json, all; several: srt,json.", show_default="txt", metavar="FORMAT"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave out recordings whose files are there.")] = False,
    nbest: Annotated[int, typer.Option(min=1, help="In json: so many readings of each segment.")] = 1,
    word_times: Annotated[bool, typer.Option("--word-times", help="In vtt: a time stamp before each word.")] = False,
    channel: Annotated[int | None, typer.Option(min=1, help="Channel to hear, 1 for the first.", show_default="the mean of all")] = None,
    search: SearchOptions,
) -> None:
    """Write down what is said in recordings, of any length and format.

    One recording gives its text, a line a stretch of speech; several give `file<tab>text` lines, in the order asked for. With
    --output-dir each gets files of its own. A recording that cannot be read is reported, and the others go on. `[?]` marks words
    that the sound hardly bears out; those that it does not bear out at all are held back, and --json alone shows them.

      asr transcribe talk.flac
      asr transcribe *.wav > texts.tsv
      asr transcribe lectures/ -o out/ -f srt,json       subtitles and words with times; again with --skip-existing to go on
      asr transcribe --json --nbest 3 talk.flac
      ffmpeg -i … -f wav - | asr transcribe -
    """
    from asr.inputs import STANDARD_INPUT, open_inputs
    from asr.output import OutputOptions, all_written, choose_formats

    chosen = choose_formats([*(formats or []), *(["json"] if json else [])] or ["txt"])
    options = OutputOptions(nbest=nbest, word_times=word_times)
    if output_dir is None and len(chosen) > 1:
        raise UsageError("--format: only one can be printed: name a folder with --output-dir for several")
    if skip_existing and output_dir is None:
        raise UsageError("--skip-existing looks into --output-dir: name that folder")
    if output_dir is not None:
        try:
            output_dir.mkdir(parents=True, exist_ok=True)
            check_writable(output_dir / chosen[0])  # as any name would do
        except OSError as e:
            raise UsageError(f"--output-dir {output_dir}: cannot be written to: {e.strerror}") from None
    with open_inputs(inputs) as recordings:
        if output_dir is None and len(recordings) > 1 and chosen[0] not in ("txt", "json"):
            raise UsageError(
                f"--format {chosen[0]}: one recording can be printed so; for {len(recordings)}, name a folder with --output-dir"
            )
        waiting = [r for r in recordings if not (skip_existing and output_dir and all_written(output_dir / r.name, chosen))]
        tally = Counter({"already there": len(recordings) - len(waiting)})
        if waiting:
            transcriber = search.transcriber()
            if nbest > transcriber.decode.beam:
                raise UsageError(f"--nbest {nbest}: the search keeps {transcriber.decode.beam}: raise --beam-size as well")
            total = _seconds(waiting) if err.is_terminal else 0.0
            try:
                with audio_progress(total) as pace:
                    results = transcriber.transcribe_many([r.utterance for r in waiting], channel, pace.advance)
                    for i, result in results:
                        if isinstance(result, AudioError):
                            tally["failed"] += 1
                            complain(_failure(waiting[i], result))
                            continue
                        if result.missing:
                            whole = clock(result.duration + result.missing)
                            err.print(f"note: {waiting[i].label}: breaks off at {clock(result.duration)} of {whole}", markup=False)
                        if waiting[i].label == STANDARD_INPUT:
                            result = replace(result, audio_filepath=STANDARD_INPUT)
                        if output_dir is None:
                            _show(result, waiting[i], chosen[0], options, alone=len(recordings) == 1)
                        else:
                            _store(result, waiting[i], output_dir, chosen, options, pace)
                        tally["transcribed"] += 1
                        tally["held back"] += len(result.held_back)
                        tally["stretches"] += len(result.segments) + len(result.held_back)
            except KeyboardInterrupt:
                done = f"stopped: {tally['transcribed']} of {len(waiting)} are done"
                complain(f"{done} and whole; the same command with --skip-existing goes on" if output_dir else done)
                raise typer.Exit(130) from None
    if len(recordings) > 1 and (tally["failed"] or output_dir):
        err.print(", ".join(f"{tally[what]} {what}" for what in ("transcribed", "already there", "failed") if tally[what]))
    if tally["held back"]:
        err.print(
            f"note: {tally['held back']} of {tally['stretches']} stretches of speech are held back, for the CTC head does not bear their words "
            "out: --json has them under held_back; decode.invented_below in the model's config.yaml is the bound",
            markup=False,
        )
    if tally["failed"]:
        raise typer.Exit(1)


def _seconds(recordings: Sequence[Recording]) -> float:
    """How long all are together; what cannot be read counts as nothing."""
    from asr.speech.audio import probe

    def length(recording: Recording) -> float:
        utterance = recording.utterance
        try:
            return utterance.duration or max(0.0, probe(utterance.audio_filepath).seconds - utterance.offset)
        except AudioError:
            return 0.0

    with err.status("looking at the recordings …"), ThreadPoolExecutor() as pool:
        return sum(pool.map(length, recordings))


def _failure(recording: Recording, error: AudioError) -> str:
    """What is wrong with it, under the name that the user knows."""
    from asr.inputs import STANDARD_INPUT

    message, path = str(error), str(recording.utterance.audio_filepath)
    if recording.label == STANDARD_INPUT:
        return message.replace(path, STANDARD_INPUT)
    return message if message.startswith(f"{recording.label}:") else f"{recording.label}: {message}"


def _show(transcript: Transcript, recording: Recording, form: str, options: OutputOptions, alone: bool) -> None:
    from asr.output import FORMATS, json_line, named_line

    if form == "json":
        print_result(json_line(transcript, options, {"id": recording.utterance.id}))
    elif alone:
        print_result(FORMATS[form](transcript, options), end="")
    else:
        print_result(named_line(recording.label, transcript, options))


def _store(transcript: Transcript, recording: Recording, folder: Path, formats: list[str], options: OutputOptions, pace: Pace) -> None:
    from asr.output import write_formats

    paths = write_formats(transcript, folder / recording.name, formats, options)
    doubtful, held_back = sum(segment.doubtful for segment in transcript.segments), len(transcript.held_back)
    notes = [
        clock(transcript.duration),
        pace.speed,
        f"{doubtful} of {len(transcript.segments)} segments doubtful" if doubtful else "",
        f"{held_back} held back" if held_back else "",
    ]
    err.print(f"{recording.label} → {', '.join(map(str, paths))}  {'  '.join(n for n in notes if n)}", markup=False)
