#!/usr/bin/env python3
"""How fast this machine trains and transcribes, and where the time goes.

    python benchmarks/stages.py                                       # the embedded model, the clips of examples/
    python benchmarks/stages.py --model runs/an4/model --manifest data/an4/test.json --beam 8

Prints seconds of audio per second (x real time) for training steps and for beam search, and the share of each stage:
audio (decoding files), features (log-mel), listener, speller (the network's steps in the search), and search (all else:
CTC prefix scores, choosing hypotheses, writing text). Run it on an idle machine; the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from asr.config import AugmentConfig, DecodeConfig
from asr.decode.recognize import recognize
from asr.model.checkpoint import TrainedModel, load_model
from asr.model.las import LAS
from asr.speech.audio import load_audio
from asr.speech.augment import WaveformAugmenter, augment_features
from asr.speech.batches import BatchDataset, BatchSampler, Example, by_length
from asr.speech.manifest import read_manifest
from asr.transcribe import embedded_model

STAGES = ("audio", "features", "listener", "speller", "search")


class Stopwatch:
    """Seconds spent in named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        began = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds[name] += time.perf_counter() - began

    def wrap(self, name: str, function: Any) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return timed


def transcribe(model: TrainedModel, examples: list[Example], decode: DecodeConfig, batch_seconds: float) -> dict[str, float]:
    """One pass over all examples; seconds by stage."""
    watch, network = Stopwatch(), model.network
    originals = {"frontend": network.frontend.forward, "listener": network.listener.forward, "step": network.speller.step}
    network.frontend.forward = watch.wrap("features", originals["frontend"])  # type: ignore[method-assign]
    network.listener.forward = watch.wrap("listener", originals["listener"])  # type: ignore[method-assign]
    network.speller.step = watch.wrap("speller", originals["step"])  # type: ignore[method-assign]
    try:
        for batch in by_length([e.seconds for e in examples], batch_seconds):
            with watch.stage("audio"):
                rate = model.config.model.frontend.sample_rate
                us = [examples[i].utterance for i in batch]
                waveforms = [torch.from_numpy(load_audio(u.audio_filepath, rate, u.offset, u.duration)) for u in us]
            with watch.stage("all else"):
                recognize(model, waveforms, decode)
    finally:
        network.frontend.forward, network.listener.forward = originals["frontend"], originals["listener"]  # type: ignore[method-assign]
        network.speller.step = originals["step"]  # type: ignore[method-assign]
    inner = sum(watch.seconds[name] for name in ("features", "listener", "speller"))
    watch.seconds["search"] = watch.seconds.pop("all else") - inner
    return dict(watch.seconds)


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
            features = augment_features(features, frames, batch.dice.to(device), config)
        with watch.stage("forward"):
            losses = network(features, frames, batch.targets.to(device), batch.target_lengths.to(device), 0.1)
        with watch.stage("backward"):
            (losses.total / share.tokens).backward()
        with watch.stage("optimizer"):
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
    return {**watch.seconds, "heard": audio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=embedded_model())
    parser.add_argument("--manifest", type=Path, default=Path(__file__).parents[1] / "manifests" / "example.json")
    parser.add_argument("--beam", type=int, default=8)
    parser.add_argument("--batch-seconds", type=float, default=60.0)
    parser.add_argument("--at-least", type=float, default=120.0, help="repeat the manifest until it has so many seconds")
    parser.add_argument("--steps", type=int, default=10, help="training steps")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    model = load_model(arguments.model, arguments.device)
    decode = model.config.decode.model_copy(update={"beam": arguments.beam})
    utterances = read_manifest(arguments.manifest, need_text=True)
    rate = model.config.model.frontend.sample_rate
    once = []
    for u in utterances:
        seconds = len(load_audio(u.audio_filepath, rate, u.offset, u.duration)) / rate
        once.append(Example(u, tuple(model.tokenizer.encode(u.text or "")), seconds))
    total = sum(e.seconds for e in once)
    examples = once * max(1, round(arguments.at_least / total))
    total = sum(e.seconds for e in examples)

    recognize(model, [torch.zeros(rate)], decode)  # warm-up
    rounds = [transcribe(model, examples, decode, arguments.batch_seconds) for _ in range(arguments.rounds)]
    trained = train(model, examples, arguments.batch_seconds, arguments.steps)

    console = Console(highlight=False)
    name = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else f"{platform.machine()} CPU, {arguments.threads} threads"
    console.print(f"{name}, torch {torch.__version__}; {len(examples)} utterances, {total:.0f} s; {arguments.model}")
    whole = statistics.median(sum(r.values()) for r in rounds)
    table = Table(title=f"beam {decode.beam}, CTC weight {decode.ctc_weight:g}: {total / whole:.0f}× real time", title_justify="left")
    table.add_column("stage")
    table.add_column("share", justify="right")
    table.add_column("ms for a second of audio", justify="right")
    for stage in STAGES:
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
