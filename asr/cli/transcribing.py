"""The work of `asr transcribe`: recognise recordings, show progress, print or write results at once, and keep them when stopped."""

from __future__ import annotations

import errno
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import typer

from asr.cli.search import TranscriptOptions
from asr.cli.stopping import Stopped, Stops
from asr.console import AudioProgress, audio_progress, err, format_duration, out, print_error, print_line, print_note
from asr.errors import AudioError, UsageError
from asr.terminal import print_result

if TYPE_CHECKING:
    from asr.decode.segments import Found
    from asr.events import Event
    from asr.inputs import Recording
    from asr.output import OutputOptions
    from asr.speech.segment import SpeechSegment
    from asr.transcribe import Transcriber
    from asr.transcript import Transcript

LONG_SECONDS = 60.0
"""length of a single recording from which its segments are shown at once, in a terminal"""

PARTIAL_SECONDS = 60.0
"""time between two writes of partial transcripts"""


class Job(NamedTuple):
    """A recording, and where to write its transcript.

    Attributes:
        recording: the recording.
        base: path of the output files without their endings; None to print the transcript.
        formats: names of formats.
    """

    recording: Recording
    base: Path | None
    formats: list[str]


@dataclass(frozen=True)
class Settings:
    """Options of the command for all jobs.

    Attributes:
        search: the model and its search.
        options: options of the output formats.
        channel: channel to transcribe, 1 for the first; None for the mean of all.
        track: audio track to read, 1 for the first; None for the default one.
        verbose: whether to show segments as they are recognised; None: for a long recording in a terminal.
        overwrite: whether existing files are replaced.
    """

    search: TranscriptOptions
    options: OutputOptions
    channel: int | None
    track: int | None
    verbose: bool | None
    overwrite: bool


def transcribe_jobs(jobs: Sequence[Job], settings: Settings) -> Counter[str]:
    """Transcribe recordings, and print or write each transcript when it is complete.

    Returns:
        Numbers of recordings `transcribed` and `failed`, and of `segments` and those `held back`.

    Raises:
        UsageError: the options contradict the model.
        typer.Exit: the command was stopped. Results so far are kept.
    """
    run = _Run(jobs, settings)
    with Stops() as stops:
        try:
            run.run(stops)
        except KeyboardInterrupt as stop:
            run.stop(stop)
    return run.tally


class _Run:
    """State of the work."""

    def __init__(self, jobs: Sequence[Job], settings: Settings):
        writes_files = bool(jobs) and jobs[0].base is not None
        # Into files, short recordings come first and do not wait for long ones. Printed results keep the order of the inputs.
        self.jobs = sorted(jobs, key=lambda job: _bytes(job.recording)) if writes_files else list(jobs)
        self.settings, self.tally, self.writes_files = settings, Counter[str](), writes_files
        self.partial = _PartialTranscripts(self.jobs, settings) if writes_files else None
        self.verbose = self.prints_segments = False

    def run(self, stops: Stops) -> None:
        settings = self.settings
        transcriber = settings.search.transcriber(settings.options.nbest)
        if settings.options.nbest > transcriber.decode.beam:
            raise UsageError(f"--nbest {settings.options.nbest}: the search keeps {transcriber.decode.beam}: raise --beam-size as well")
        total = _total_seconds([job.recording for job in self.jobs]) if err.is_terminal else 0.0
        shown = settings.verbose
        self.verbose = shown if shown is not None else err.is_terminal and len(self.jobs) == 1 and total >= LONG_SECONDS
        # In a terminal, the segments with their times are the output; the same text again would only hide them.
        self.prints_segments = self.verbose and out.is_terminal and not self.writes_files and self.jobs[0].formats[0] in ("lines", "txt")
        with audio_progress(total) as progress:
            try:
                self._transcribe(transcriber, progress, stops)
            except BaseException:  # before the bar ends, as it may write to a terminal that is gone
                if self.partial:
                    with stops.held():
                        self.partial.write()
                raise

    def _transcribe(self, transcriber: Transcriber, progress: AudioProgress, stops: Stops) -> None:
        from asr.events import in_order
        from asr.sources import utterance_source
        from asr.transcribe import SOON, WINDOW_BATCHES

        sources = [utterance_source(job.recording.utterance, self.settings.channel, self.settings.track) for job in self.jobs]
        known = self.partial.read() if self.partial else {}
        remember = self.partial.add if self.partial else lambda *_: None
        windows = SOON if self.verbose else (WINDOW_BATCHES, transcriber.batch_seconds if err.is_terminal else None)
        with closing(transcriber.follow(sources, progress.advance, remember, known, *windows)) as events:
            for i, event in events if self.writes_files else in_order(events):
                with stops.held():
                    self._handle(i, event, progress)

    def _handle(self, number: int, event: Event, progress: AudioProgress) -> None:
        from asr.output import timed_line
        from asr.transcript import HeldBack, Segment

        recording = self.jobs[number].recording
        if isinstance(event, Segment):
            if self.verbose:
                line = timed_line(event, self.settings.options)
                (print_line if self.prints_segments else print_note)(line if len(self.jobs) == 1 else f"{recording.label} {line}")
        elif isinstance(event, AudioError):
            self._fail(number, _with_label(recording, event))
        elif not isinstance(event, HeldBack):
            self._finish(number, event, progress)

    def _finish(self, number: int, transcript: Transcript, progress: AudioProgress) -> None:
        """Print or write a complete transcript."""
        recording, base, formats = self.jobs[number]
        for note in transcript.notes:
            print_note(f"note: {recording.label}: {note}")
        if recording.is_stream:
            transcript = replace(transcript, audio_filepath=recording.label)
        if base is not None:
            try:
                _write_transcript(transcript, recording, base, formats, self.settings.options, progress)
            except OSError as e:
                if e.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise  # the files of other recordings would not fit either
                self._fail(number, f"{e.filename}: {e.strerror}")
                return
        elif not self.prints_segments:
            _print_transcript(transcript, recording, formats[0], self.settings.options)
        if self.partial:
            self.partial.finish(number)
        self.tally["transcribed"] += 1
        self.tally["held back"] += len(transcript.held_back)
        self.tally["segments"] += len(transcript.segments) + len(transcript.held_back)

    def _fail(self, number: int, message: str) -> None:
        self.tally["failed"] += 1
        print_error(message)
        if self.partial:
            self.partial.forget(number)

    def stop(self, stop: KeyboardInterrupt) -> NoReturn:
        """Print what is done and kept, and exit."""
        message = f"stopped: {self.tally['transcribed']} of {len(self.jobs)} are done"
        if self.partial:
            kept = self.partial.kept
            message += " and whole"
            if kept:
                message += f", and {', '.join(map(str, kept))} has the results so far" if len(kept) == 1 else f", {len(kept)} in part"
            if not self.tally["transcribed"]:
                message += "; the same command goes on"
            elif self.settings.overwrite:
                message += "; the same command starts again with the first"
            else:
                message += "; the same command with --skip-existing goes on"
        print_error(message)
        raise typer.Exit(stop.exit_code if isinstance(stop, Stopped) else 130) from None


class _PartialTranscripts:
    """The results of unfinished recordings, on disk from time to time and at a stop.

    Attributes:
        kept: files that the last `write` has written.
    """

    def __init__(self, jobs: Sequence[Job], settings: Settings):
        self.jobs, self.settings = jobs, settings
        self.results: dict[int, dict[float, Found]] = defaultdict(dict)
        self.kept: list[Path] = []
        self._digest = ""
        self._written = time.monotonic()

    def read(self) -> dict[int, dict[float, Found]]:
        """Read what an interrupted command has left, by the number of the job."""
        from asr.output import partial_path, read_partial

        for i, job in enumerate(self.jobs):
            if job.base is None or job.recording.is_stream or not partial_path(job.base).is_file():
                continue
            try:
                if (digest := self._job(job)) is None:
                    continue  # reading it will fail, with a message
                found = read_partial(job.base, digest)
            except UsageError as e:
                print_note(f"note: {e}: {job.recording.label} is transcribed from its start")
                continue
            if found:
                self.results[i] = found
                print_note(f"{job.recording.label}: going on after {len(found)} segments of {partial_path(job.base)}")
        return {i: dict(found) for i, found in self.results.items()}

    def add(self, number: int, speech: SpeechSegment, found: Found) -> None:
        """Remember a result; now and then, write the partial transcripts."""
        self.results[number][speech.start] = found
        if time.monotonic() - self._written >= PARTIAL_SECONDS:
            self.write()

    def finish(self, number: int) -> None:
        """Forget a recording whose transcript is written, and remove its file."""
        from asr.output import remove_partial

        self.forget(number)
        if base := self.jobs[number].base:
            remove_partial(base)

    def forget(self, number: int) -> None:
        """Forget a recording. Its file stays as it is: what cannot be read now may be readable later."""
        self.results.pop(number, None)

    def write(self) -> None:
        """Write the partial transcripts of all unfinished recordings. A failure is a note: the transcripts may still be completed."""
        from asr.output import partial_path, write_partial

        self.kept = []
        for i, results in self.results.items():
            job = self.jobs[i]
            if job.base is None or job.recording.is_stream or (digest := self._job(job)) is None:
                continue
            try:
                if write_partial(job.base, digest, results):
                    self.kept.append(partial_path(job.base))
            except OSError as e:
                print_note(f"note: {e.filename}: {e.strerror}: the results so far are not kept")
        self._written = time.monotonic()

    def _job(self, job: Job) -> str | None:
        """Return a digest of the recording, the model and the search; None if the recording is gone."""
        self._digest = self._digest or self.settings.search.digest()
        utterance = job.recording.utterance
        try:
            file = Path(utterance.audio_filepath).stat()
        except OSError:
            return None
        part = (utterance.offset, utterance.duration, utterance.track or self.settings.track, self.settings.channel)
        own = f"{self._digest} {file.st_size} {file.st_mtime_ns} {part} {self.settings.options.nbest}"
        return hashlib.sha256(own.encode()).hexdigest()


def _bytes(recording: Recording) -> int:
    """Size of a recording's file, a measure of its length; 0 if it cannot be read."""
    try:
        return Path(recording.utterance.audio_filepath).stat().st_size
    except (OSError, ValueError):
        return 0


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
    message, path = str(error), Path(recording.utterance.audio_filepath)
    if recording.is_stream or Path(recording.label) == path:  # ./talk.mp3 is the path talk.mp3
        message = message.replace(str(path), recording.label, 1)
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
