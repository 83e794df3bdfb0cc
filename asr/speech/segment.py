"""Segmentation by voice activity detection: a stream of samples becomes segments of speech, each short enough for one pass.

A recogniser trained on sentences fails on hours of audio, and writes words over silence. Therefore silero-vad estimates the probability of
speech every 32 ms, and the stream is cut where that is lowest. Memory holds one segment and one block of the stream.

Shapes: N samples, S frames of 512 samples.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.config import SegmentConfig
from asr.speech.reader import Samples

RATE = 16_000  # Hz: silero-vad's, and no other
FRAME = 512  # samples that it judges at once
CONTEXT = 64  # samples before them that the network reads too
BLOCK_FRAMES = 512  # frames in one call: 16 s


@dataclass(frozen=True)
class SpeechSegment:
    """A piece of a recording in which somebody speaks."""

    start: float
    """seconds from the start of the recording"""
    samples: Samples
    """(N,) at 16 kHz: the speech, and a little of the quiet around it"""
    speech_start: float
    """seconds from the start of the recording, as `start`, to where the speech itself begins"""
    speech_end: float

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


class VoiceActivity:
    """silero-vad over a stream: each call continues the previous one."""

    def __init__(self) -> None:
        with _loading:
            self._session = _load_silero()
        self._hidden = self._cell = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT, np.float32)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """(512 S,) samples at 16 kHz -> the probability of speech in each frame (S,)."""
        frames = samples.reshape(-1, FRAME)
        before = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:].copy()
        feeds = {"input": np.concatenate([before, frames], axis=1), "h": self._hidden, "c": self._cell}
        probabilities, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], feeds)
        return np.asarray(probabilities, np.float32).reshape(-1)


_loading = threading.Lock()


@functools.cache
def _load_silero() -> Any:
    """Load the network, once for all streams and threads: it has no state of its own."""
    import onnxruntime

    # Only its file is used: importing the package would set torch to one thread.
    package = importlib.util.find_spec("silero_vad")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("silero-vad is not installed: pip install silero-vad")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it keeps a block of memory for every thread
    path = Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def speech_segments(blocks: Iterable[Samples], config: SegmentConfig) -> Iterator[SpeechSegment]:
    """Cut a stream into segments of speech, in order and without overlap.

    A stream of up to `longest_seconds` is one segment: the recogniser is trained on utterances of that length, and words beside a cut
    lose their context. A longer stream is cut at its pauses. Speech is never dropped, except stretches under `shortest_seconds`.

    Args:
        blocks: samples (N,) at 16 kHz.
        config: lengths, pauses and thresholds.
    """
    judged = _judged(blocks)
    head: list[tuple[Samples, NDArray[np.float32]]] = []
    length = 0
    for part in judged:
        head.append(part)
        length += len(part[0])
        if length > config.longest_seconds * RATE:
            break
    else:
        yield from _one_segment(head, config)
        return
    cutter = _Cutter(config)
    cutter.joined = min(cutter.longest, round(config.first_seconds * RATE / FRAME))
    for samples, probabilities in itertools.chain(head, judged):
        yield from cutter.take(samples, probabilities)
    yield from cutter.end()


def _one_segment(parts: Sequence[tuple[Samples, NDArray[np.float32]]], config: SegmentConfig) -> Iterator[SpeechSegment]:
    """All speech of a short stream as one segment, with up to `edge_seconds` of the quiet before and after it."""
    cutter = _Cutter(config)
    pieces = [piece for part in parts for piece in cutter.take(*part)]
    pieces += cutter.end()
    if pieces:
        speech_start, speech_end = pieces[0].speech_start, pieces[-1].speech_end
        samples = np.concatenate([samples for samples, _ in parts])
        first = max(0, round((speech_start - config.edge_seconds) * RATE))
        last = round((speech_end + config.edge_seconds) * RATE)
        yield SpeechSegment(first / RATE, samples[first:last].copy(), speech_start, speech_end)


def _judged(blocks: Iterable[Samples]) -> Iterator[tuple[Samples, NDArray[np.float32]]]:
    """Yield blocks of whole frames with the probability of speech in each frame. A short last frame is padded with silence."""
    detector: VoiceActivity | None = None
    held: list[Samples] = []
    # Long blocks are split: the memory of the detector grows with its input.
    for part in (block[i : i + BLOCK_FRAMES * FRAME] for block in blocks for i in range(0, len(block), BLOCK_FRAMES * FRAME)):
        held.append(part)
        if sum(map(len, held)) >= BLOCK_FRAMES * FRAME:
            samples = np.concatenate(held)
            whole = len(samples) // FRAME * FRAME
            detector = detector or VoiceActivity()
            yield samples[:whole], detector(samples[:whole])
            held = [samples[whole:]]
    rest = np.concatenate(held) if held else np.zeros(0, np.float32)
    if len(rest):
        yield rest, (detector or VoiceActivity())(np.pad(rest, (0, -len(rest) % FRAME)))


class _Cutter:
    """State of the segmentation. Positions are frames from the start of the stream.

    A stretch of speech starts when the probability rises over `threshold` and ends when it has been below `threshold - hysteresis` for
    `pause_seconds`. Stretches are joined into a segment up to `longest_seconds`, if the gap between them is at most `join_seconds`. The first
    segment is joined up to `first_seconds`.
    """

    def __init__(self, config: SegmentConfig):
        self.config = config
        frames = RATE / FRAME  # a second
        self.pause = max(1, round(config.pause_seconds * frames))
        self.gap = round(config.join_seconds * frames)
        self.longest = max(2, int(config.longest_seconds * frames))
        self.joined = self.longest  # to which stretches are joined
        self.pad = round(config.pad_seconds * frames)
        self.shortest = max(1, round(config.shortest_seconds * frames))
        self.samples = np.zeros(0, np.float32)
        self.probabilities = np.zeros(0, np.float32)
        self.first = 0  # the frame that both begin with
        self.now = 0  # the next frame to be looked at
        self.speech: int | None = None  # where the stretch under way began
        self.quiet = 0  # frames since its last speech
        self.waiting: tuple[int, int] | None = None  # stretches joined so far: from, to
        self.done = 0  # no segment may begin before

    def take(self, samples: Samples, probabilities: NDArray[np.float32]) -> Iterator[SpeechSegment]:
        self.samples = np.concatenate([self.samples, samples])
        self.probabilities = np.concatenate([self.probabilities, probabilities])
        low = self.config.threshold - self.config.hysteresis
        for probability in probabilities.tolist():
            if self.speech is None:
                if probability >= self.config.threshold:
                    self.speech, self.quiet = self.now, 0
            else:
                self.quiet = self.quiet + 1 if probability < low else 0
            self.now += 1
            if self.speech is not None:
                if self.quiet >= self.pause:
                    yield from self._stretch(self.speech, self.now - self.quiet)
                    self.speech = None
                elif self.now - self.speech >= self.longest:
                    cut = self._quietest(self.speech + self.longest // 2, self.now)
                    yield from self._stretch(self.speech, cut)
                    self.speech = cut
            elif self.waiting and self.now - self.waiting[1] > self.gap + 2 * self.pad:
                yield from self._emit(self.now)
        self._forget()

    def end(self) -> Iterator[SpeechSegment]:
        if self.speech is not None:
            yield from self._stretch(self.speech, self.now - self.quiet)
        yield from self._emit(self.now)

    def _stretch(self, start: int, end: int) -> Iterator[SpeechSegment]:
        """Add a complete stretch of speech: join it to the waiting ones, or emit those first."""
        if end - start < self.shortest and not (self.waiting and start == self.waiting[1]):
            return
        if self.waiting and (start - self.waiting[1] > self.gap or end - self.waiting[0] > self.joined):
            yield from self._emit(start)
        self.waiting = (self.waiting[0] if self.waiting else start, end)

    def _emit(self, following: int) -> Iterator[SpeechSegment]:
        """Emit the waiting segment, padded on both sides; `following` is the start of the next speech."""
        if self.waiting is None:
            return
        speech_start, speech_end = self.waiting
        start = max(self.done, speech_start - self.pad)
        end = min(speech_end + self.pad, max(speech_end, (speech_end + following) // 2), self.first + len(self.probabilities))
        self.waiting, self.done, self.joined = None, end, self.longest
        samples = self.samples[(start - self.first) * FRAME : (end - self.first) * FRAME].copy()
        last = min(speech_end * FRAME, start * FRAME + len(samples))  # the stream's last frame may be short
        yield SpeechSegment(start * FRAME / RATE, samples, speech_start * FRAME / RATE, last / RATE)

    def _quietest(self, start: int, end: int) -> int:
        """Return the frame from `start` to `end` with the lowest probability of speech around it, where a long stretch is cut."""
        around = np.convolve(self.probabilities[start - self.first : end - self.first], np.ones(3) / 3, mode="same")
        around[:1] = around[-1:] = np.inf  # half their surroundings are unknown
        return start + int(around.argmin())

    def _forget(self) -> None:
        """Drop samples that no later segment can contain."""
        begins = [p for p in (self.speech, self.waiting[0] if self.waiting else None) if p is not None]
        keep = max(self.first, self.done, min(begins, default=self.now) - self.pad)
        keep = min(keep, self.now)
        self.samples = self.samples[(keep - self.first) * FRAME :]
        self.probabilities = self.probabilities[keep - self.first :]
        self.first = keep
