#!/usr/bin/env python3
"""What training by a recipe costs: measures a few steps of it on this machine, and extrapolates to all of them.

    python recipes/librispeech/estimate.py recipes/librispeech/960.yaml --hours 960
    python recipes/librispeech/estimate.py recipes/librispeech/100.yaml --hours 100.6 --stand-in data/librispeech/dev-clean.json
    python recipes/librispeech/estimate.py recipes/librispeech/100.yaml --hours 100.6 --rate 1500    # measure nothing, reckon alone

The steps are the trainer's (network, features, masks, loss, optimizer, precision, batches of the recipe's size) on noise as long
as LibriSpeech's utterances, with random tokens, or on the recordings of a manifest. No file that the recipe names is read: noise also takes
the place of `augment.noise`. `KEY=VALUE` arguments change the recipe, as in `asr train`. On a machine that is too small for the recipe,
choose a smaller `train.batch_seconds`. A run ends with its epochs, `train.minutes` or `train.steps`, whichever are over first.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import soundfile
import torch

from asr.config import Config, OptimizerConfig
from asr.config_file import load_recipe, with_article
from asr.console import err, one_line_errors, progress_bar
from asr.errors import UsageError
from asr.model.las import LAS
from asr.speech.augment import WaveformAugmenter, augment_features
from asr.speech.batches import Batch, BatchDataset, BatchPart, BatchSampler, CachedWaveform, Example, by_length
from asr.speech.manifest import Utterance, read_manifest
from asr.text.tokenizer import EOS
from asr.train.device import enough_memory, loading_processes, make_accelerator, precision_name
from asr.train.learner import Learner

# Deciles of the lengths of LibriSpeech's training utterances (s): 2,766 of train-clean-100, of 12.4 s in the mean.
LENGTHS = (1.64, 5.49, 9.44, 11.97, 13.04, 13.82, 14.37, 14.86, 15.32, 15.79, 17.0)
# Pieces a second in the same utterances by the size of a unigram vocabulary, trained on the transcripts of train-clean-100.
PIECES = {32: 14.49, 128: 7.95, 256: 6.38, 500: 5.38, 1000: 4.60, 5000: 3.33, 10_000: 3.05}
WARM_UP = 2  # steps before the clock starts
PLAIN_SECONDS = 10.0  # between two lines of progress where there is no terminal


@dataclass(frozen=True)
class Measurement:
    """What was measured. Rates are in seconds of audio a second."""

    steps: int
    audio_seconds: float  # in one step, in the mean
    rate: float  # of the network's steps, with their batches ready
    loading: float  # of one process that makes batches
    precision: str
    peak_bytes: int  # of the GPU's memory; where there is none, of the process's

    def overall(self, workers: int) -> float:
        """The rate with so many loading processes, each with a core of its own; with 0 the training process loads between steps."""
        return min(self.rate, workers * self.loading) if workers else 1 / (1 / self.rate + 1 / self.loading)


def random_tokens(seconds: float, vocabulary: int, random: np.random.Generator) -> tuple[int, ...]:
    """Tokens in `seconds` of LibriSpeech; at least one."""
    density = float(np.interp(np.log(vocabulary), np.log(list(PIECES)), list(PIECES.values())))
    return tuple(random.integers(EOS + 1, vocabulary, max(1, round(density * seconds))).tolist())


def noise(config: Config, seconds: float, seed: int = 1) -> BatchDataset:
    """Utterances of at least `seconds` in total: noise of LibriSpeech's lengths, with as many random tokens as such speech has."""
    random = np.random.default_rng(seed)
    rate = config.model.frontend.sample_rate
    sound = np.round(random.normal(0, 2000, 60 * rate)).astype(np.int16)
    examples: list[Example] = []
    memory: dict[int, CachedWaveform] = {}
    while seconds > 0:
        length = float(np.interp(random.uniform(0, 10), range(11), LENGTHS))
        tokens = random_tokens(length, config.tokenizer.vocab_size, random)
        begin = int(random.integers(len(sound) - int(length * rate)))
        memory[len(examples)] = CachedWaveform(sound[begin : begin + int(length * rate)], 1 / 32768)
        examples.append(Example(Utterance(f"noise-{len(examples)}", Path("noise")), tokens, length))
        seconds -= length
    data = BatchDataset(examples, rate, seed, WaveformAugmenter(config.augment, rate))
    data.cache = memory
    return data


def with_synthetic_noise(config: Config, folder: Path) -> Config:
    """The recipe with a recording of noise, written into a folder, in the place of those that `augment.noise` names."""
    if not config.augment.noise:
        return config
    rate = config.model.frontend.sample_rate
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 8 * rate).clip(-1, 1), rate)
    manifest = folder / "noise.json"
    manifest.write_text('{"audio_filepath": "noise.wav"}', encoding="utf-8")
    return config.model_copy(update={"augment": config.augment.model_copy(update={"noise": (manifest,)})})


def recordings(config: Config, manifest: Path, seed: int = 1) -> BatchDataset:
    """A manifest's recordings of usable length, with random tokens in the place of their texts, so that no tokenizer is needed.

    Raises UsageError when there is none.
    """
    random = np.random.default_rng(seed)
    rate, least, most = config.model.frontend.sample_rate, config.data.min_seconds, config.data.max_seconds
    examples = [
        Example(u, random_tokens(u.duration, config.tokenizer.vocab_size, random), u.duration)
        for u in read_manifest(manifest)
        if u.duration and least <= u.duration <= most
    ]
    if not examples:
        raise UsageError(f"{manifest}: no utterance with a `duration` between data.min_seconds and data.max_seconds")
    return BatchDataset(examples, rate, seed, WaveformAugmenter(config.augment, rate))


def steps_of(config: Config, data: BatchDataset) -> Iterator[list[BatchPart]]:
    """First a step of the longest utterances, which needs the most memory, then steps as the trainer takes them, without end.

    They are of epochs with augmentation, which `augment.start_epoch` may put off.
    """
    epoch = config.augment.start_epoch
    longest = by_length([e.seconds for e in data.examples], min(config.train.device_seconds, config.train.batch_seconds))[0]
    tokens = sum(len(data.examples[i].tokens) + 1 for i in longest)
    yield [BatchPart(epoch, 0, 1, tuple(longest), tokens, sum(data.examples[i].seconds for i in longest), last=True)]
    sampler = BatchSampler(
        data.examples, config.train.batch_seconds, config.train.device_seconds, config.seed, epochs=sys.maxsize, epoch=epoch
    )
    for _, shares in itertools.groupby(sampler, key=lambda share: (share.epoch, share.step)):
        yield list(shares)


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar with the time left; in a pipe a line every 10 s."""
    began = last = monotonic()
    done = 0
    with progress_bar(f"measuring on {device_name()}", total) as advance_bar:

        def advance() -> None:
            nonlocal done, last
            done += 1
            advance_bar(1)
            now = monotonic()
            if not err.is_terminal and now - last > PLAIN_SECONDS and done < total:
                last = now
                err.print(f"measuring: {done} of {total} parts, {(now - began) / done * (total - done):.0f} s left", markup=False)

        yield advance


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def measure(config: Config, data: BatchDataset, steps: int) -> Measurement:
    """Take so many steps of the optimizer, after a warm-up, and time them."""
    accelerator, workers = make_accelerator(config.train.precision), loaders(config)
    torch.manual_seed(config.seed)
    network = LAS(config.model, config.tokenizer.vocab_size).to(accelerator.device).train()
    learner = Learner(network, LAS(config.model, config.tokenizer.vocab_size).to(accelerator.device), config.train)
    model = accelerator.prepare_model(network)

    def learn(batch: Batch) -> None:
        device = accelerator.device
        features, frames = network.frontend(batch.waveforms.to(device), batch.samples.to(device))
        features = augment_features(features, frames, batch.draws.to(device), config.augment, config.model.frontend)
        losses = model(
            features, frames, batch.targets.to(device), batch.target_lengths.to(device),
            config.train.label_smoothing, config.train.scheduled_sampling,
        )  # fmt: skip
        accelerator.backward(losses.total / batch.part.tokens)

    loading = training = audio = 0.0
    planned = list(itertools.islice(steps_of(config, data), WARM_UP + steps))
    with progress(sum(len(shares) for shares in planned)) as advance:
        for number, shares in enumerate(planned):
            began = time.perf_counter()
            with one_thread() if workers else contextlib.nullcontext():  # as a loading process has
                batches = [data[share] for share in shares]
            loaded = time.perf_counter()
            for batch in batches:
                with enough_memory(len(batch.waveforms), batch.waveforms.shape[1] / config.model.frontend.sample_rate):
                    learn(batch)
                advance()
            learner.step(number, progress=0.0)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number >= WARM_UP:
                loading, training = loading + loaded - began, training + time.perf_counter() - loaded
                audio += shares[0].seconds
    kilobytes = 1 if sys.platform == "darwin" else 1024
    peak = (
        torch.cuda.max_memory_allocated() if torch.cuda.is_available() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes
    )
    return Measurement(steps, audio / steps, audio / training, audio / loading, precision_name(accelerator), peak)


def training_hours(config: OptimizerConfig, hours: float, step_seconds: float, rate: float) -> tuple[float, str]:
    """Hours that a run takes at `rate` seconds of audio a second, with `hours` of speech in an epoch and `step_seconds` of audio in a step,
    and what ends it."""
    ends = [(hours * config.epochs / rate, f"{hours:g} h x {config.epochs} epochs at {rate:.1f}")]
    if config.minutes:
        ends.append((config.minutes / 60, f"train.minutes={config.minutes:g}"))
    if config.steps:
        ends.append((config.steps * step_seconds / 3600 / rate, f"{config.steps} steps of {step_seconds:.0f} s at {rate:.1f}"))
    return min(ends)


def loaders(config: Config) -> int:
    """Loading processes of the recipe that get a core of this machine."""
    return min(loading_processes(config, min(config.augment.speeds, default=1.0)), os.cpu_count() or 1)


def device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()} CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores, no GPU"


def report(config: Config, m: Measurement, what: str) -> Iterator[str]:
    """The lines that say what was measured."""
    workers, memory = loaders(config), "torch.cuda.max_memory_allocated" if torch.cuda.is_available() else "resident, of the process"
    yield f"measured on {device_name()}: {m.steps} steps of {m.audio_seconds:.0f} s in the mean, after {WARM_UP} to warm up, on {what}"
    yield f"  network and optimizer    {m.rate:10.1f} s of audio a second, in {m.precision}"
    yield f"  loading and augmentation {m.loading:10.1f} s of audio a second in one process"
    yield f"  peak memory              {m.peak_bytes / 1e9:10.2f} GB ({memory}; the longest utterances included)"
    yield "extrapolated:"
    how = (
        f"the slower of the two, with {workers} loading processes; decoding of recordings that are not in memory is not counted"
        if workers
        else "one after the other, as there are no loading processes"
    )
    yield f"  training                 {m.overall(workers):10.1f} s of audio a second: {how}"


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="changes to the recipe, as in `asr train`")
    parser.add_argument("--hours", type=float, required=True, help="speech in one epoch (h)")
    parser.add_argument("--steps", type=int, default=20, help="steps of the optimizer to time (default: 20)")
    parser.add_argument("--stand-in", type=Path, metavar="MANIFEST", help="recordings to train on, in the place of noise")
    parser.add_argument("--rate", type=float, help="seconds of audio a second, measured before: measure nothing now")
    options = parser.parse_intermixed_args(arguments)
    if options.hours <= 0 or options.steps < 1 or (options.rate is not None and options.rate <= 0):
        parser.error("--hours, --steps and --rate must be above 0")
    config = load_recipe(options.recipe, options.changes)
    if not isinstance(config, Config):
        raise UsageError(f"{options.recipe}: trains {with_article(config.kind)}, and this program measures recognisers alone")
    rate, step_seconds = options.rate, config.train.batch_seconds
    if rate is None:
        wanted = max(3600.0, config.train.batch_seconds * (WARM_UP + options.steps))  # an hour has batches of like lengths
        with tempfile.TemporaryDirectory() as folder:
            config = with_synthetic_noise(config, Path(folder))
            data = recordings(config, options.stand_in) if options.stand_in else noise(config, wanted)
            m = measure(config, data, options.steps)
        rate, step_seconds = m.overall(loaders(config)), m.audio_seconds
        print(*report(config, m, str(options.stand_in or "synthetic noise of LibriSpeech's lengths")), sep="\n")
    total, what = training_hours(config.train, options.hours, step_seconds, rate)
    print(f"  {what}  {total:.1f} hours on one such device, evaluations not counted")


if __name__ == "__main__":
    main()
