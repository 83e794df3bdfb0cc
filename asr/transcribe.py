"""Recordings to transcripts, of any number and length.

A reading thread decodes recordings block by block and splits them into segments of speech, one window of some minutes at a time. The
segments of a window, of any recordings, are recognised in batches of similar length while the next window fills. So memory holds
two windows. A recording's transcript is complete with its last segment.
"""

from __future__ import annotations

import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from asr.config import EMBEDDED, DecodeConfig, SegmentConfig
from asr.decode.align import PlacedWord, words_of
from asr.decode.hotwords import Hotwords
from asr.decode.recognize import Recognition, check_search, recognize_verified
from asr.decode.utterances import Recognized, recognize_utterances
from asr.errors import AudioError, UsageError
from asr.memory import Trimmer
from asr.model.checkpoint import TrainedModel
from asr.model.checkpoint import load_model as load_folder
from asr.speech.audio import stream_audio
from asr.speech.batches import by_length
from asr.speech.manifest import Utterance
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE, SpeechSegment
from asr.speech.windows import Source, read_windows
from asr.transcript import HeldBack, Segment, Transcript, Word

BATCH_SECONDS = 120.0  # of speech in a batch; more costs memory and gains nothing on a CPU
HANGOVER = 0.16  # seconds by which a word may outlast the states that CTC aligns it with
WINDOW_BATCHES = 5  # batches in a window: enough to group segments of similar length


def load_model(folder: Path | str | None = None, device: str = "auto", language_model: Path | str | None = None) -> Transcriber:
    """Load a model, ready to transcribe.

    Args:
        folder: a model folder; default: the model in the package.
        device: auto, cpu, or another torch device.
        language_model: a folder to use in place of the model's own language model, or "none".

    Raises:
        UsageError: the folder or the device does not exist.
        ModelError: the folder is damaged.

    Examples:
        >>> transcript = load_model().transcribe("examples/walk.flac")
        >>> transcript.words[0].text
        'SHE'
    """
    model = load_folder(Path(folder) if folder else EMBEDDED, pick_device(device))
    if language_model is not None:
        model = model.with_lm(None if str(language_model) == "none" else Path(language_model))
    return Transcriber(model)


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
    ):
        """Prepare to transcribe.

        Args:
            model: a trained model.
            decode: the search; default: the model's own.
            segment: how speech is detected; default: the model's own.
            batch_seconds: speech in a batch (s).
            hotwords: phrases that the search favours, see `asr.load_hotwords`.
            nbest: readings kept of each segment; default: the whole beam, about 20 kB a segment for a beam of 16.

        Raises:
            UsageError: the model cannot do this search.
        """
        if model.config.model.frontend.high_hz > RATE / 2:
            raise UsageError(
                f"the model needs frequencies up to {model.config.model.frontend.high_hz:g} Hz, and recordings are split into speech at {RATE} Hz: use asr evaluate"
            )
        self.model, self.batch_seconds, self.hotwords, self.nbest = model, batch_seconds, hotwords, nbest
        self._trimmer = Trimmer()
        self.decode = decode or model.search
        self.segment = segment or model.config.segment
        check_search(model, self.decode, hotwords)
        self.language = model.config.language
        self.state_seconds = model.config.model.state_seconds

    def transcribe(self, audio: Path | str | NDArray[Any], channel: int | None = None, track: int | None = None) -> Transcript:
        """Transcribe a recording of any length.

        Args:
            audio: a file, or samples (N,) at 16 kHz: floats in [-1, 1], int8, int16 or int32 of full range, or uint8, in which 128 is silence.
            channel: of a file, 1 for the first; None for the mean of all.
            track: of a file with several sound tracks, 1 for the first; None for the one flagged as default.

        Raises:
            AudioError: the recording cannot be read.
        """
        if isinstance(audio, np.ndarray):
            samples = _float_samples(audio)
            sources = [Source("<samples>", lambda *_: iter([samples]))]
        else:
            sources = [_file(Utterance(id=Path(audio).stem, audio_filepath=Path(audio)), channel, track)]
        [(_, result)] = self._transcribe(sources, lambda _: None)
        if isinstance(result, AudioError):
            raise result
        return result

    def transcribe_many(
        self,
        utterances: Sequence[Utterance],
        channel: int | None = None,
        on_progress: Callable[[float], None] = lambda _: None,
        track: int | None = None,
    ) -> Iterator[tuple[int, Transcript | AudioError]]:
        """Transcribe many recordings, or parts of them.

        Args:
            utterances: the recordings.
            channel: as in `transcribe`.
            on_progress: called with the seconds of audio done since the last call.
            track: as in `transcribe`.

        Yields:
            The index of each recording, and its transcript or the error, in order.
        """
        return self._transcribe([_file(u, channel, track) for u in utterances], on_progress)

    def _transcribe(self, sources: Sequence[Source], on_progress: Callable[[float], None]) -> Iterator[tuple[int, Transcript | AudioError]]:
        stop = threading.Event()
        windows = read_windows(sources, self.segment, WINDOW_BATCHES * self.batch_seconds, stop)
        found: dict[int, list[Segment | HeldBack]] = defaultdict(list)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, windows, None)
            try:
                while (window := coming.result()) is not None:
                    coming = pool.submit(next, windows, None)
                    seconds = [speech.seconds for _, speech in window.segments]
                    for batch in by_length(seconds, self.batch_seconds):
                        recognized = self.recognize([window.segments[i][1] for i in batch])
                        for i, segment in zip(batch, recognized, strict=True):
                            if segment:
                                found[window.segments[i][0]].append(segment)
                        self._trimmer.trim()  # the next batch has another shape, and would not fit into the gaps
                        on_progress(sum(seconds[i] for i in batch) / sum(seconds) * window.seconds)
                    if not seconds:
                        on_progress(window.seconds)
                    for end in window.ends:
                        name, segments = sources[end.recording].name, found.pop(end.recording, [])
                        yield end.recording, end.error or Transcript.of(name, end.seconds, segments, end.missing, self.language, end.notes)
            finally:
                stop.set()

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | HeldBack | None]:
        """Recognise segments of speech, of any recordings, in one batch.

        Returns:
            A segment of the transcript for each, or the words that are held back for lack of CTC evidence, or None without words.
        """
        recognized = recognize_verified(self.model, [self.waveform(one) for one in speech], self.decode, self.hotwords)
        return [self._segment(one, result) for one, result in zip(speech, recognized, strict=True)]

    def waveform(self, speech: SpeechSegment) -> torch.Tensor:
        """Return the samples (N,) of a segment of speech at the model's rate."""
        rate = self.model.config.model.frontend.sample_rate
        return torch.from_numpy(speech.samples if rate == RATE else soxr.resample(speech.samples, RATE, rate))

    def _segment(self, speech: SpeechSegment, result: Recognition) -> Segment | HeldBack | None:
        start, end = speech.start, speech.start + speech.seconds
        if result.held_back:
            return HeldBack(start, end, result.held_back)
        if not result.readings or not result.readings[0].text:
            return None
        timed = self.model.network.ctc is not None
        words = self._words(speech, words_of(result.placed, self.model.tokenizer)) if timed else ()
        return Segment(start, end, tuple(result.readings[: self.nbest]), words, result.doubtful)

    def _words(self, speech: SpeechSegment, placed: Sequence[PlacedWord]) -> tuple[Word, ...]:
        """Convert states to seconds.

        CTC aligns a word early and leaves it before its end. So no word begins before the speech does, and each lasts until the next, but at most
        HANGOVER longer than its states.
        """

        def seconds(state: int) -> float:
            return min(max(speech.start + state * self.state_seconds, speech.speech_start), speech.speech_end)

        starts = [seconds(word.start) for word in placed]
        ends = [
            min(seconds(word.end) + HANGOVER, following) for word, following in zip(placed, [*starts[1:], speech.speech_end], strict=True)
        ]
        return tuple(Word(w.text, start, max(start, end), w.probability) for w, start, end in zip(placed, starts, ends, strict=True))


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
    sources = [_file(u, None, None, functools.partial(found.__setitem__, i)) for i, u in enumerate(utterances)]
    for i, result in transcriber._transcribe(sources, lambda _: None):
        missing = found.pop(i, None)
        if isinstance(result, AudioError):
            yield i, result
        elif missing and missing.too_much:
            yield i, AudioError(f"{utterances[i].audio_filepath}: {missing}: its text cannot be compared")
        else:
            yield i, Recognized(result.text, result.duration, result.notes)


def _float_samples(samples: NDArray[Any]) -> Samples:
    """Convert samples (N,) of a type that recordings have to float32 in [-1, 1].

    Raises:
        AudioError: another type or shape, or a sample that is not finite.
    """
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if not (kind == "f" or (kind == "i" and size <= 4) or (kind == "u" and size == 1)):  # wider integers have no known full range
        raise AudioError(f"samples of type {samples.dtype}: expected floats in [-1, 1], or int16, int32 or 8-bit integers")
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AudioError(f"samples of shape {samples.shape}: expected one channel (N,) of finite numbers")
    floats = samples.astype(np.float32, copy=False)
    if kind == "f":
        return floats
    full = np.float32(2 ** (8 * size - 1))
    return (floats - full if kind == "u" else floats) / full


def _file(utterance: Utterance, channel: int | None, track: int | None, also_missing: Callable[[Missing], None] = lambda _: None) -> Source:
    """Open an utterance as a source. Its own track takes precedence over `track`. `also_missing` gets what `on_missing` gets."""
    u = utterance

    def blocks(on_missing: Callable[[Missing], None], on_note: Callable[[str], None]) -> Iterator[Samples]:
        def miss(missing: Missing) -> None:
            on_missing(missing)
            also_missing(missing)

        return stream_audio(u.audio_filepath, RATE, u.offset, u.duration, channel, miss, u.track or track, on_note)

    return Source(str(u.audio_filepath), blocks)


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
    except (RuntimeError, AssertionError, ImportError):
        raise UsageError(f"device {name!r} is not there, or cannot compute: use auto, cpu, or cuda on a machine with a GPU") from None
    return device
