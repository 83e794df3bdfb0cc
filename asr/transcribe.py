"""Recordings to transcripts, of any number and length.

A reading thread decodes recordings block by block and splits them into segments of speech, one window of some minutes at a time. The
segments of a window, of any recordings, are recognised in batches of similar length while the next window fills. So memory holds
two windows. The first windows are short, so that the first text comes soon. A recording's transcript is complete with its last segment.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import get_args

import soxr
import torch

from asr.config import EMBEDDED, DecodeConfig, SegmentConfig
from asr.config.section import MAX_BEAM
from asr.decode.hotwords import Hotwords, load_hotwords
from asr.decode.precision import Precision
from asr.decode.profiles import Profile, in_profile, profile_search
from asr.decode.recognize import check_search, recognize_verified
from asr.decode.segments import Found, to_segment
from asr.decode.utterances import Recognized, recognize_utterances
from asr.errors import AudioError, UsageError
from asr.events import Event, in_order, make_readable
from asr.memory import Trimmer, limit_kernel_cache
from asr.model.checkpoint import TrainedModel
from asr.model.checkpoint import load_model as load_folder
from asr.readable.restorer import find_restorer
from asr.readable.segments import Readable
from asr.readable.text import Numbers, TextForm
from asr.sources import Audio, open_source, positive_integer, utterance_source
from asr.speech.batches import by_length
from asr.speech.manifest import Utterance
from asr.speech.missing import Missing
from asr.speech.segment import RATE, SpeechSegment
from asr.speech.windows import Source, Window, read_windows
from asr.transcript import HeldBack, Segment, Transcript

BATCH_SECONDS = 120.0  # of speech in a batch; more costs memory and gains nothing on a CPU
WINDOW_BATCHES = 5  # batches in a window: enough to group segments of similar length
SOON = (1, 1.0)  # `window_batches` and `first_seconds` of `follow` with which text comes soon and then every few seconds


def load_model(
    folder: Path | str | None = None,
    device: str = "auto",
    language_model: Path | str | None = None,
    profile: Profile = "balanced",
    precision: Precision | None = None,
    text: TextForm = "readable",
    numbers: Numbers = "digits",
) -> Transcriber:
    """Load a model, ready to transcribe.

    Args:
        folder: a model folder; default: the model in the package.
        device: auto, cpu, or another torch device.
        language_model: a folder to use in place of the model's own language model, or "none".
        profile: fast, balanced or accurate, see `asr.decode.profiles`.
        precision: fp32, bf16 or int8; default: the profile's.
        text: "readable" for capitals and punctuation, if the model folder holds a text restorer; "verbatim" for the words as the model writes
            them.
        numbers: "digits" or "words", in readable text.

    Raises:
        UsageError: the folder or the device does not exist, or the device cannot compute in the precision.
        ModelError: the folder is damaged.

    Examples:
        >>> transcript = load_model().transcribe("examples/walk.flac")
        >>> transcript.words[0].text
        'She'
    """
    for name, value, choices in (
        ("profile", profile, get_args(Profile)),
        ("precision", precision, (None, *get_args(Precision))),
        ("text", text, get_args(TextForm)),
        ("numbers", numbers, get_args(Numbers)),
    ):
        _check_choice(name, value, choices)
    limit_kernel_cache()
    folder, torch_device = EMBEDDED if folder is None else Path(folder), pick_device(device)
    model = load_folder(folder, torch_device)
    restorer = find_restorer(folder, torch_device) if text == "readable" else None
    if language_model is not None:
        model = model.with_lm(None if str(language_model) == "none" else Path(language_model))
    return Transcriber(in_profile(model, profile, precision), readable=Readable(restorer, numbers) if restorer else None)


class Transcriber:
    """A model, ready to transcribe."""

    def __init__(
        self,
        model: TrainedModel,
        decode: DecodeConfig | None = None,
        segment: SegmentConfig | None = None,
        batch_seconds: float = BATCH_SECONDS,
        hotwords: Hotwords | None = None,
        nbest: int | None = None,
        readable: Readable | None = None,
    ):
        """Prepare to transcribe.

        Args:
            model: a trained model.
            decode: the search; default: the model's own.
            segment: how speech is detected; default: the model's own.
            batch_seconds: speech in a batch (s).
            hotwords: phrases that the search favours, see `asr.load_hotwords`.
            nbest: readings kept of each segment; default: the whole beam, about 20 kB a segment for a beam of 16.
            readable: how the text becomes readable; default: it stays as the model writes it.

        Raises:
            UsageError: the model cannot do this search, or a number is out of range.
        """
        if not isinstance(batch_seconds, (int, float)) or not 0 < batch_seconds < math.inf:
            raise UsageError(f"batch_seconds is {batch_seconds!r}, expected seconds above 0")
        nbest = None if nbest is None else positive_integer("nbest", nbest)
        if model.config.model.frontend.high_hz > RATE / 2:
            raise UsageError(
                f"the model needs frequencies up to {model.config.model.frontend.high_hz:g} Hz, and recordings are split into speech at {RATE} Hz: use asr evaluate"
            )
        self.model, self.batch_seconds, self.hotwords, self.nbest = model, batch_seconds, hotwords, nbest
        self.readable = readable
        self._trimmer = Trimmer()
        self.decode = decode or model.search
        self.segment = segment or model.config.segment
        check_search(model, self.decode, hotwords)
        self.language = model.config.language

    def __repr__(self) -> str:
        device = self.model.network.frontend.mean.device
        return f"Transcriber({self.language!r}, beam={self.decode.beam}, lm_weight={self.decode.lm_weight:g}, device={str(device)!r})"

    def transcribe(
        self,
        audio: Audio,
        *,
        hotwords: Iterable[str] | Path | None = None,
        beam: int | None = None,
        profile: Profile | None = None,
        channel: int | None = None,
        track: int | None = None,
        rate: int = RATE,
    ) -> Transcript:
        """Transcribe a recording of any length.

        Args:
            audio: a path, an open file, the bytes of a file, or samples (N,) as a NumPy array or a torch tensor: floats in [-1, 1], int8, int16 or
                int32 of full range, or uint8, in which 128 is silence.
            hotwords: phrases to favour, or the `Path` of a file with one a line; default: those of the model.
            beam: hypotheses kept for an utterance; default: the model's.
            profile: fast, balanced or accurate, as a change of the model's own search; precision stays.
            channel: 1 for the first; None for the mean of all.
            track: of a file with several audio tracks, 1 for the first; None for the one flagged as default.
            rate: sample rate of samples (Hz).

        Raises:
            AudioError: the recording cannot be read.
            UsageError: an argument is of another type or out of range, or the model cannot do the search.
        """
        [result] = self.transcribe_many([audio], hotwords=hotwords, beam=beam, profile=profile, channel=channel, track=track, rate=rate)
        if isinstance(result, AudioError):
            raise result
        return result

    def transcribe_many(
        self,
        audios: Iterable[Audio],
        *,
        hotwords: Iterable[str] | Path | None = None,
        beam: int | None = None,
        profile: Profile | None = None,
        channel: int | None = None,
        track: int | None = None,
        rate: int = RATE,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> Iterator[Transcript | AudioError]:
        """Transcribe many recordings. Segments of all are recognised in common batches, so this is faster than one by one.

        Args:
            audios: the recordings; `asr.Utterance` names a part of a file. Other arguments are those of `transcribe`.
            on_progress: called with the seconds of audio done since the last call.

        Yields:
            The transcript of each recording, or its error, in order.

        Raises:
            UsageError: as `transcribe`.
        """
        if isinstance(audios, (str, bytes, os.PathLike, Utterance)) or hasattr(audios, "read") or not isinstance(audios, Iterable):
            raise UsageError(f"recordings of type {type(audios).__name__}: expected a list of recordings; `transcribe` takes a single one")
        model = self.with_search(hotwords, beam, profile)
        sources = [open_source(audio, rate, channel, track) for audio in audios]
        return (event for _, event in in_order(model.follow(sources, on_progress)) if isinstance(event, (Transcript, AudioError)))

    def stream(
        self,
        audio: Audio,
        *,
        hotwords: Iterable[str] | Path | None = None,
        beam: int | None = None,
        profile: Profile | None = None,
        channel: int | None = None,
        track: int | None = None,
        rate: int = RATE,
    ) -> Iterator[Segment]:
        """Transcribe a recording, and yield its segments as they are recognised, in order of time. Arguments are those of `transcribe`.

        The first segment comes at once, so its capitals and punctuation are set without the words behind it.

        Raises:
            AudioError: the recording cannot be read. Segments before the fault have been yielded.
            UsageError: as `transcribe`.
        """
        model = self.with_search(hotwords, beam, profile)
        return model._segments_of(open_source(audio, rate, channel, track))

    def _segments_of(self, source: Source) -> Iterator[Segment]:
        for _, found in self.follow([source], window_batches=SOON[0], first_seconds=SOON[1]):
            if isinstance(found, AudioError):
                raise found
            if isinstance(found, Segment):
                yield found

    def with_search(
        self, hotwords: Iterable[str] | Path | None = None, beam: int | None = None, profile: Profile | None = None
    ) -> Transcriber:
        """Return a transcriber with the same model and another search. Arguments and errors are those of `transcribe`."""
        if hotwords is None and beam is None and profile is None:
            return self
        if profile is not None:
            _check_choice("profile", profile, get_args(Profile))
        if isinstance(hotwords, str):
            raise UsageError(f"hotwords are {hotwords!r}, expected a list of phrases, or the Path of a file")
        decode = profile_search(self.decode, profile) if profile else self.decode
        if beam is not None:
            decode = decode.model_copy(update={"beam": positive_integer("beam", beam, MAX_BEAM)})
        device = self.model.network.frontend.mean.device
        favoured = self.hotwords
        if hotwords is not None:
            none = isinstance(hotwords, Sized) and not len(hotwords)
            favoured = None if none else load_hotwords(hotwords, self.model.tokenizer).to(device)
        return Transcriber(self.model, decode, self.segment, self.batch_seconds, favoured, self.nbest, self.readable)

    def follow(
        self,
        sources: Sequence[Source],
        on_progress: Callable[[float], None] = lambda _: None,
        on_recognized: Callable[[int, SpeechSegment, Found], None] = lambda *_: None,
        known: Mapping[int, Mapping[float, Found]] | None = None,
        window_batches: float = WINDOW_BATCHES,
        first_seconds: float | None = None,
    ) -> Generator[tuple[int, Event], None, None]:
        """Transcribe recordings, and yield results as soon as they are there.

        Readable text is some words behind, since the end of a sentence depends on the words after it. With `first_seconds`, the first segment
        of a recording does not wait for them, and the transcript may have other marks in it.

        Args:
            sources: the recordings.
            on_progress: called with the seconds of audio done since the last call.
            on_recognized: called with the number of a recording, a segment of its speech and the verbatim result, as soon as it is recognised.
            known: results of an earlier run for each recording, by the start of the segment (s); these segments are not recognised again.
            window_batches: batches in a window. Fewer give results more often, and are slower.
            first_seconds: speech in the first window (s); default: as in the others. With little, the first result comes soon.

        Yields:
            The number of a recording with each of its segments, in order of time, and then with its transcript or error. Recordings end in any
            order.
        """
        events = self._follow(sources, on_progress, on_recognized, known or {}, window_batches, first_seconds)
        return events if self.readable is None else make_readable(events, self.readable, soon=first_seconds is not None)

    def _follow(
        self,
        sources: Sequence[Source],
        on_progress: Callable[[float], None],
        on_recognized: Callable[[int, SpeechSegment, Found], None],
        known: Mapping[int, Mapping[float, Found]],
        window_batches: float,
        first_seconds: float | None,
    ) -> Generator[tuple[int, Event], None, None]:
        stop = threading.Event()
        windows = read_windows(sources, self.segment, window_batches * self.batch_seconds, stop, first_seconds)
        found: dict[int, list[Segment | HeldBack]] = defaultdict(list)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, windows, None)
            try:
                while (window := coming.result()) is not None:
                    coming = pool.submit(next, windows, None)
                    yield from self._follow_window(window, sources, on_progress, on_recognized, known, found)
            finally:
                stop.set()

    def _follow_window(
        self,
        window: Window,
        sources: Sequence[Source],
        on_progress: Callable[[float], None],
        on_recognized: Callable[[int, SpeechSegment, Found], None],
        known: Mapping[int, Mapping[float, Found]],
        found: dict[int, list[Segment | HeldBack]],
    ) -> Iterator[tuple[int, Event]]:
        """Recognise a window. `found` keeps the segments of recordings that go on in the next."""
        ends = {end.recording: end for end in window.ends}
        waiting: dict[int, deque[int]] = {number: deque() for number in ends}
        results: dict[int, Found] = {}
        for i, (number, speech) in enumerate(window.segments):
            waiting.setdefault(number, deque()).append(i)
            if speech.start in known.get(number, {}):
                results[i] = known[number][speech.start]

        def ready(numbers: Iterable[int]) -> Iterator[tuple[int, Event]]:
            for number in numbers:
                queue = waiting[number]
                while queue and queue[0] in results:
                    if result := results.pop(queue.popleft()):
                        found[number].append(result)
                        yield number, result
                if not queue and number in ends:
                    end, segments = ends.pop(number), found.pop(number, [])
                    name = sources[number].name
                    yield number, end.error or Transcript.of(name, end.seconds, segments, end.missing, self.language, end.notes)

        yield from ready(list(waiting))
        unknown = [i for i in range(len(window.segments)) if i not in results and i in waiting[window.segments[i][0]]]
        seconds = [window.segments[i][1].seconds for i in unknown]
        for batch in by_length(seconds, self.batch_seconds):
            chosen = [unknown[i] for i in batch]
            for i, result in zip(chosen, self.recognize([window.segments[i][1] for i in chosen]), strict=True):
                results[i] = result
                on_recognized(*window.segments[i], result)
            self._trimmer.trim()  # the next batch has another shape, and would not fit into the gaps
            on_progress(sum(seconds[i] for i in batch) / sum(seconds) * window.seconds)
            yield from ready(dict.fromkeys(window.segments[i][0] for i in chosen))
        if not seconds:
            on_progress(window.seconds)

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Found]:
        """Recognise segments of speech, of any recordings, in one batch.

        Returns:
            A segment of the transcript for each, or the words that are held back for lack of CTC evidence, or None without words.
        """
        recognized = recognize_verified(self.model, [self.waveform(one) for one in speech], self.decode, self.hotwords)
        return [to_segment(self.model, one, result, self.nbest) for one, result in zip(speech, recognized, strict=True)]

    def waveform(self, speech: SpeechSegment) -> torch.Tensor:
        """Return the samples (N,) of a segment of speech at the model's rate."""
        rate = self.model.config.model.frontend.sample_rate
        return torch.from_numpy(speech.samples if rate == RATE else soxr.resample(speech.samples, RATE, rate))


def transcribe_utterances(
    model: TrainedModel,
    utterances: Sequence[Utterance],
    decode: DecodeConfig,
    batch_seconds: float = BATCH_SECONDS,
    hotwords: Hotwords | None = None,
    track: int | None = None,
) -> Iterator[tuple[int, Recognized | AudioError]]:
    """Recognise the utterances of a manifest as `Transcriber` does, so that the texts measured are those that users get.

    A recording that lacks more than `TOLERATED_SECONDS` is an error, since the reference is the text of the whole. A model that needs
    frequencies above 8 kHz, which `Transcriber` does not support, recognises each utterance as it was cut.

    Args:
        model: a trained model.
        utterances: the utterances.
        decode: the search.
        batch_seconds: speech recognised together (s).
        hotwords: phrases that the search favours.
        track: number of the audio track where an utterance names none; None for the default choice (tracks.py).

    Yields:
        The utterance's index, and its text or the error of its recording.
    """
    if track is not None:
        utterances = [replace(u, track=u.track or track) for u in utterances]
    if model.config.model.frontend.high_hz > RATE / 2:
        yield from recognize_utterances(model, utterances, decode, batch_seconds, hotwords)
        return
    transcriber = Transcriber(model, decode, batch_seconds=batch_seconds, hotwords=hotwords, nbest=1)
    found: dict[int, Missing] = {}
    sources = [utterance_source(u, also_missing=functools.partial(found.__setitem__, i)) for i, u in enumerate(utterances)]
    for i, result in in_order(transcriber.follow(sources)):
        if isinstance(result, (Segment, HeldBack)):
            continue
        missing = found.pop(i, None)
        if isinstance(result, AudioError):
            yield i, result
        elif missing and missing.too_much:
            yield i, AudioError(f"{utterances[i].audio_filepath}: {missing}: its text cannot be compared")
        else:
            yield i, Recognized(result.text, result.duration, result.notes)


def _check_choice(name: str, value: object, choices: Sequence[str | None]) -> None:
    """Raise UsageError if an argument is none of the choices."""
    if value not in choices:
        *others, last = filter(None, choices)
        raise UsageError(f"{name} is {value!r}, expected {', '.join(others)} or {last}")


def pick_device(name: str) -> torch.device:
    """Return the torch device of a name; `auto` is the first GPU, or else the CPU.

    Raises:
        UsageError: the device is unknown, missing, or cannot compute.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # fails for `meta`, which has shapes only
    except (RuntimeError, AssertionError, ImportError, TypeError):
        raise UsageError(f"device {name!r} is not there, or cannot compute: use auto, cpu, or cuda on a machine with a GPU") from None
    return device
