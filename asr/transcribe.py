"""Recordings to transcripts, however many and however long.

A reading thread decodes recordings block by block and cuts them into segments of speech, a window of some minutes at a time. The
segments of a window, of whatever recordings, are recognised in batches of like length while the next window fills. So memory holds
two windows, and a recording's transcript is whole with its last segment.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from asr.config import EMBEDDED, DecodeConfig, SegmentConfig
from asr.decode.align import PlacedWord, words_of
from asr.decode.examine import Examined, examine
from asr.decode.hotwords import Hotwords
from asr.decode.recognize import check_search
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
from asr.speech.windows import Source, Window, read_windows
from asr.transcript import HeldBack, Reading, Segment, Transcript, Word

BATCH_SECONDS = 120.0  # of speech recognised together; more costs memory and gains nothing on a CPU
HANGOVER = 0.16  # seconds for which a word goes on after CTC has seen the last of it
WINDOW_BATCHES = 5  # in a window: enough to find segments of like length


def load_model(folder: Path | str | None = None, device: str = "auto", language_model: Path | str | None = None) -> Transcriber:
    """A model ready to transcribe: the one in the package, or the one in `folder`.

    >>> model = asr.load_model()
    >>> transcript = model.transcribe("talk.mp3")
    >>> transcript.text, transcript.words[0].start

    `device` is auto, cpu, or a torch device; `language_model` a folder to use in place of the model's own, or "none". Raises
    UsageError for a folder or device that is not there, ModelError for a folder that is damaged.
    """
    model = load_folder(Path(folder) if folder else EMBEDDED, pick_device(device))
    if language_model is not None:
        model = model.with_lm(None if str(language_model) == "none" else Path(language_model))
    return Transcriber(model)


class Transcriber:
    """A model, ready to transcribe.

    >>> Transcriber(load_folder(EMBEDDED)).transcribe("recording.flac").text
    """

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
            segment: how speech is found; default: the model's own.
            batch_seconds: speech recognised together (s).
            hotwords: phrases that the search favours, see `asr.load_hotwords`.
            nbest: readings kept of each segment; default: the whole beam, some 20 kB a segment for a beam of 16.

        Raises:
            UsageError: the model cannot do this search.
        """
        if model.config.model.frontend.high_hz > RATE / 2:
            raise UsageError(
                f"the model hears up to {model.config.model.frontend.high_hz:g} Hz, and speech is found in recordings at {RATE} Hz: use asr evaluate"
            )
        self.model, self.batch_seconds, self.hotwords, self.nbest = model, batch_seconds, hotwords, nbest
        self._trimmer = Trimmer()
        self.decode = decode or model.search
        self.segment = segment or model.config.segment
        check_search(model, self.decode, hotwords)
        self.language = model.config.language
        self.state_seconds = model.config.model.state_seconds

    def transcribe(self, audio: Path | str | NDArray[Any], channel: int | None = None, track: int | None = None) -> Transcript:
        """Transcribe a file, or samples (N,) at 16 kHz, of any length.

        Samples are floats in [-1, 1], or integers as WAV files have them: int8, int16 or int32, whose full range that is, or uint8, in which
        128 is silence. `channel` of a file is 1 for the first; None is the mean of all. `track` is that of a file with several sound
        tracks, 1 for the first; None is the one flagged as default. Raises AudioError.
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
        """Transcribe many recordings, or parts of them: yields (index, transcript or what is wrong with the recording), in order.

        `on_progress` is told how many seconds of recordings more are done.
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
                    for share in self._recognize(window, found):
                        on_progress(share * window.seconds)
                    for end in window.ends:
                        name, heard = sources[end.recording].name, found.pop(end.recording, [])
                        yield end.recording, end.error or Transcript.of(name, end.seconds, heard, end.missing, self.language, end.notes)
            finally:
                stop.set()

    def _recognize(self, window: Window, found: dict[int, list[Segment | HeldBack]]) -> Iterator[float]:
        """Recognise a window, adding to `found` by recording; yields the share of the window that each batch was.

        Free memory goes back to the system after each batch: the next has another shape, and would not fit into the gaps.
        """
        seconds = [speech.seconds for _, speech in window.segments]
        if not seconds:
            yield 1.0
        for batch in by_length(seconds, self.batch_seconds):
            recognized = self.recognize([window.segments[i][1] for i in batch])
            for i, heard in zip(batch, recognized, strict=True):
                if heard:
                    found[window.segments[i][0]].append(heard)
            self._trimmer.trim()
            yield sum(seconds[i] for i in batch) / sum(seconds)

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | HeldBack | None]:
        """What is said in each of some segments of speech, of whatever recordings, heard in one batch; None where no words are found."""
        examined = examine(self.model, [self.waveform(one) for one in speech], self.decode, self.hotwords)
        return [self._heard(one, what) for one, what in zip(speech, examined, strict=True)]

    def _heard(self, speech: SpeechSegment, what: Examined) -> Segment | HeldBack | None:
        if what.held_back:
            return HeldBack(speech.start, speech.start + speech.seconds, what.held_back)
        return self._segment(speech, what) if what.readings and what.readings[0].text else None

    def waveform(self, speech: SpeechSegment) -> torch.Tensor:
        """(N,) at the model's rate; speech is found at 16 kHz."""
        rate = self.model.config.model.frontend.sample_rate
        return torch.from_numpy(speech.samples if rate == RATE else soxr.resample(speech.samples, RATE, rate))

    def _segment(self, speech: SpeechSegment, what: Examined) -> Segment:
        readings = tuple(
            Reading(r.text, tuple(h.tokens), h.score, h.attention_score, h.ctc_score, h.lm_score, h.internal_lm_score)
            for r, h in ((r, r.hypothesis) for r in what.readings[: self.nbest])
        )

        timed = self.model.network.ctc is not None
        words = self._words(speech, words_of(what.placed, self.model.tokenizer)) if timed else ()
        return Segment(speech.start, speech.start + speech.seconds, readings, words, what.doubtful)

    def _words(self, speech: SpeechSegment, placed: Sequence[PlacedWord]) -> tuple[Word, ...]:
        """States to seconds. CTC sees a word early and lets go of it before its end: no word begins before the speech does, and
        each goes on until the next, but for HANGOVER at most."""

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
) -> Iterator[tuple[int, Recognized | AudioError]]:
    """Recognise the utterances of a manifest as `Transcriber` does, so that its texts are those that are measured.

    A recording that breaks off is an error: its text is that of the whole. A model that needs frequencies above 8 kHz, which `Transcriber`
    does not take, recognises each utterance as it was cut.

    Yields:
        The utterance's index, and its text or what is wrong with its recording.
    """
    if model.config.model.frontend.high_hz > RATE / 2:
        yield from recognize_utterances(model, utterances, decode, batch_seconds, hotwords)
        return
    transcriber = Transcriber(model, decode, batch_seconds=batch_seconds, hotwords=hotwords, nbest=1)
    for i, result in transcriber.transcribe_many(utterances):
        if isinstance(result, AudioError):
            yield i, result
        elif result.missing:
            path = utterances[i].audio_filepath
            yield i, AudioError(f"{path}: breaks off, {result.missing:.2f} s are missing: its text cannot be compared")
        else:
            yield i, Recognized(result.text, result.duration)


def _float_samples(samples: NDArray[Any]) -> Samples:
    """Samples (N,) of a type that recordings have to float32 in [-1, 1]. Raises AudioError for other types and shapes, and what is not finite."""
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if not (kind == "f" or (kind == "i" and size <= 4) or (kind == "u" and size == 1)):  # wider integers tell no full range
        raise AudioError(f"samples of type {samples.dtype}: expected floats in [-1, 1], or int16, int32 or 8-bit integers")
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AudioError(f"samples of shape {samples.shape}: expected one channel (N,) of finite numbers")
    floats = samples.astype(np.float32, copy=False)
    if kind == "f":
        return floats
    full = np.float32(2 ** (8 * size - 1))
    return (floats - full if kind == "u" else floats) / full


def _file(utterance: Utterance, channel: int | None, track: int | None) -> Source:
    path, offset, duration = utterance.audio_filepath, utterance.offset, utterance.duration

    def blocks(on_missing: Callable[[Missing], None], on_note: Callable[[str], None]) -> Iterator[Samples]:
        return stream_audio(path, RATE, offset, duration, channel, on_missing, track, on_note)

    return Source(str(path), blocks)


def pick_device(name: str) -> torch.device:
    """`auto` is the first GPU, or else the CPU. Raises UsageError when the device is unknown, not there, or one that computes nothing."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # a number comes of it: not of `meta`, which knows shapes alone
    except (RuntimeError, AssertionError, ImportError):
        raise UsageError(f"device {name!r} is not there, or cannot compute: use auto, cpu, or cuda on a machine with a GPU") from None
    return device
