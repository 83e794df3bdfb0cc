#!/usr/bin/env python3
"""How fast this machine trains and transcribes, and where the time goes.

    python benchmarks/stages.py                                       # the embedded model, the clips of examples/
    python benchmarks/stages.py --model runs/an4/model --manifest data/an4/test.json --beam 8

Prints seconds of audio per second (x real time) for training steps and for transcription as `asr transcribe` does it, but with one
stage after the other (the command reads the next recordings while it recognises), and the share of each stage:

    audio          decoding files, resampling
    speech         finding it (silero-vad) and cutting it into segments
    features       log-mel
    listener       the BiLSTM, and the CTC head on it
    speller        its steps in the search
    own LM         its steps on the mean encoder state: the internal language model
    LM             the language model's steps
    CTC            prefix scores
    alignment      the words in their places
    search         all else: choosing hypotheses, writing text

Run it on an idle machine; the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from asr.config import EMBEDDED, AugmentConfig
from asr.console import one_line_errors
from asr.decode import ctc, recognize
from asr.model.attention import Memory
from asr.model.checkpoint import TrainedModel
from asr.model.las import LAS
from asr.model.speller import SpellerState
from asr.speech import segment
from asr.speech.audio import load_audio, stream_audio
from asr.speech.augment import WaveformAugmenter, augment_features
from asr.speech.batches import BatchDataset, BatchSampler, Example, by_length
from asr.speech.manifest import Utterance, read_manifest
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE
from asr.speech.windows import Source, read_windows
from asr.transcribe import WINDOW_BATCHES, Transcriber, load_model

STAGES = ("audio", "speech", "features", "listener", "speller", "own LM", "LM", "CTC", "alignment", "search")


class Stopwatch:
    """Seconds spent in named stages. What passes in a stage within a stage counts for the inner one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running = ["nothing"]
        self._since = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._lap()
        self._running.append(name)
        try:
            yield
        finally:
            self._lap()
            self._running.pop()

    def _lap(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def wrap(self, name: str | Callable[..., str], function: Any) -> Any:
        """The function, timed. `name` may depend on its arguments."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name if isinstance(name, str) else name(*args)):
                return function(*args, **kwargs)

        return timed


def transcribe(model: Transcriber, utterances: list[Utterance]) -> dict[str, float]:
    """One pass over all recordings; seconds by stage, 0 for those that the model has not."""
    watch, network = Stopwatch(), model.model.network

    def speller_or_own(tokens: Tensor, state: SpellerState, memory: Memory, twin: SpellerState | None = None) -> str:
        return "speller" if memory.mask.shape[1] > 1 else "own LM"  # what it foretells of its own accord, it says to a single state

    timed: list[tuple[Any, str, str | Callable[..., str]]] = [
        (segment.VoiceActivity, "__call__", "speech"),
        (network.frontend, "forward", "features"),
        (network.listener, "forward", "listener"),
        (network, "ctc_log_probs", "listener"),
        (network.speller, "step", speller_or_own),
        (ctc.CTCPrefixScorer, "score", "CTC"),
        (ctc.CTCPrefixScorer, "advance", "CTC"),
        (recognize, "place_tokens", "alignment"),
    ]
    if model.model.lm:
        timed.append((model.model.lm.network, "step", "LM"))
    with ExitStack() as patches:
        for owner, name, stage in timed:
            patches.enter_context(patch.object(owner, name, _timed_method(watch, stage, owner, name)))
        sources = [Source(u.id, lambda on_missing, on_note, u=u: _timed_blocks(watch, u, on_missing)) for u in utterances]  # type: ignore[misc]
        windows = read_windows(sources, model.segment, WINDOW_BATCHES * model.batch_seconds, threading.Event())
        with watch.stage("speech"):
            for window in windows:
                with watch.stage("search"):
                    for batch in by_length([s.seconds for _, s in window.segments], model.batch_seconds):
                        model.recognize([window.segments[i][1] for i in batch])
    return {stage: watch.seconds.get(stage, 0.0) for stage in STAGES}


def _timed_method(watch: Stopwatch, stage: str | Callable[..., str], owner: Any, name: str) -> Any:
    """A method of a class, or a function of an instance or a module, timed."""
    original = getattr(owner, name)
    if not isinstance(owner, type):
        return watch.wrap(stage, original)
    return lambda self, *args: watch.wrap(stage, original)(self, *args)


def _timed_blocks(watch: Stopwatch, u: Utterance, on_missing: Callable[[Missing], None]) -> Iterator[Samples]:
    """The recording's samples at 16 kHz, block by block."""
    blocks = stream_audio(u.audio_filepath, RATE, u.offset, u.duration, None, on_missing)
    while True:
        with watch.stage("audio"):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def train(model: TrainedModel, examples: list[Example], batch_seconds: float, steps: int) -> dict[str, float]:
    """Optimizer steps on a copy of the network; seconds by stage, and the audio heard."""
    torch.manual_seed(0)
    device = model.network.frontend.mean.device
    network = LAS(model.config.model, len(model.tokenizer)).to(device).train()
    network.load_state_dict(model.network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters())
    config = AugmentConfig()
    data = BatchDataset(examples, network.config.frontend.sample_rate, 1, WaveformAugmenter(config, network.config.frontend.sample_rate))
    watch, audio = Stopwatch(), 0.0
    shares = list(BatchSampler(examples, batch_seconds, 1e9, 1, 1_000))[: steps + 1]
    for i, share in enumerate(shares):
        if i == 1:  # the first is a warm-up
            watch, audio = Stopwatch(), 0.0
        audio += share.seconds
        with watch.stage("audio"):
            batch = data[share]
        with watch.stage("features"):
            features, frames = network.frontend(batch.waveforms.to(device), batch.samples.to(device))
            features = augment_features(features, frames, batch.draws.to(device), config, network.frontend.config)
        with watch.stage("forward"):
            losses = network(features, frames, batch.targets.to(device), batch.target_lengths.to(device), 0.1)
        with watch.stage("backward"):
            (losses.total / share.tokens).backward()
        with watch.stage("optimizer"):
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
    del watch.seconds["nothing"]
    return {**watch.seconds, "heard": audio}


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=EMBEDDED)
    parser.add_argument("--manifest", type=Path, default=Path(__file__).parents[1] / "manifests" / "example.json")
    parser.add_argument("--beam", type=int, help="the model's own if left out")
    parser.add_argument("--batch-seconds", type=float, default=100.0, help="of a training step")
    parser.add_argument("--at-least", type=float, default=120.0, help="repeat the manifest until it has so many seconds")
    parser.add_argument("--steps", type=int, default=10, help="training steps")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    model = load_model(arguments.model, arguments.device)
    if arguments.beam:
        model.decode = model.decode.model_copy(update={"beam": arguments.beam})
    utterances = read_manifest(arguments.manifest, need_text=True)
    once = []
    for u in utterances:
        seconds = len(load_audio(u.audio_filepath, RATE, u.offset, u.duration)) / RATE
        once.append(Example(u, tuple(model.model.tokenizer.encode(u.text or "")), seconds))
    examples = once * max(1, round(arguments.at_least / sum(e.seconds for e in once)))
    total = sum(e.seconds for e in examples)

    transcribe(model, utterances[:2])  # warm-up
    rounds = [transcribe(model, [e.utterance for e in examples]) for _ in range(arguments.rounds)]
    trained = train(model.model, examples, arguments.batch_seconds, arguments.steps)

    console = Console(highlight=False)
    name = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else f"{platform.machine()} CPU, {arguments.threads} threads"
    console.print(f"{name}, torch {torch.__version__}; {len(examples)} utterances, {total:.0f} s; {arguments.model}")
    whole = statistics.median(sum(r.values()) for r in rounds)
    table = Table(title=f"transcription, beam {model.decode.beam}: {total / whole:.0f}× real time", title_justify="left")
    table.add_column("stage")
    table.add_column("share", justify="right")
    table.add_column("ms for a second of audio", justify="right")
    for stage in STAGES:
        if not any(r[stage] for r in rounds):
            continue
        seconds = statistics.median(r[stage] for r in rounds)
        table.add_row(stage, f"{100 * seconds / whole:.0f} %", f"{1000 * seconds / total:.2f}")
    console.print(table)
    heard = trained.pop("heard")
    whole = sum(trained.values())
    table = Table(title=f"training, {arguments.batch_seconds:g} s a step: {heard / whole:.0f}× real time", title_justify="left")
    table.add_column("stage")
    table.add_column("share", justify="right")
    table.add_column("ms for a second of audio", justify="right")
    for stage, seconds in trained.items():
        table.add_row(stage, f"{100 * seconds / whole:.0f} %", f"{1000 * seconds / heard:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
