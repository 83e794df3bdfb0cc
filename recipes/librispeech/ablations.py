#!/usr/bin/env python3
"""What each part of a recipe buys: trains variants of it one after another, each for the recipe's epochs, and writes a table.

    python recipes/librispeech/ablations.py recipes/librispeech/mini.yaml --list
    python recipes/librispeech/ablations.py recipes/librispeech/mini.yaml --set train.epochs=4 --table ablations.md
    python recipes/librispeech/ablations.py recipes/librispeech/mini.yaml --set train.epochs=4 --table ablations.md --only baseline no-ctc
    python recipes/librispeech/ablations.py recipes/librispeech/mini.yaml --set train.epochs=4 --table ablations.md --only baseline no-ctc --seeds 1 2

Each variant is an `asr train` of its own in a folder under `--output`, then an `asr evaluate` on the dev manifests with the recipe's search.
The same command goes on where it was stopped: a variant that is finished is not trained again, one that was broken off is continued.
A variant that fails is reported and counted, and the others continue. The table is rewritten after every variant, with all that are
finished under `--output`, be they of this call or of others; so variants may be run one at a time. A variant that leaves out speech is
trained for as many epochs as the others, and so for fewer steps, unless `train.steps` says how many: the table has the hours of speech.

With `--seeds` every variant is trained once with each seed; a seed that is not the recipe's is in the name, `baseline-seed2`. The column
"CTC alone" is the WER of the most likely label of each listener state, without a search.

Variants with a teacher need its targets in the recipe (`--set data.teacher=[FOLDER]`, see teacher.py); `codes-…` read FOLDER-codes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import numpy as np
import torch

from asr.config import Config, PyramidConfig
from asr.config_file import load_config
from asr.console import one_line_errors
from asr.errors import AsrError, AudioError, ConfigError, UsageError
from asr.files import write_atomically
from asr.model.checkpoint import TrainedModel, load_model
from asr.score.bootstrap import Bootstrap, Interval
from asr.score.wer import word_errors
from asr.speech.audio import load_audio
from asr.speech.manifest import Utterance, read_manifest, write_manifest
from asr.train.log import read_log

RESAMPLES = 2_000  # of the bootstrap
INTERRUPTED = 130  # exit code of `asr train` after Ctrl-C


@dataclass(frozen=True)
class Variant:
    """A change to the recipe."""

    name: str
    what: str
    changes: Callable[[Config], list[str] | None]  # from the recipe to `key=value`; None where it has no such part to change


def changed(*changes: str) -> Callable[[Config], list[str] | None]:
    return lambda recipe: list(changes)


def without(*words: str) -> Callable[[Config], list[str] | None]:
    """Leaves out the training manifests that have one of `words` in their names."""

    def changes(recipe: Config) -> list[str] | None:
        kept = [str(path) for path in recipe.data.train if not any(word in path.stem for word in words)]
        return [f"data.train={json.dumps(kept)}"] if 0 < len(kept) < len(recipe.data.train) else None

    return changes


def codes(weight: float) -> Callable[[Config], list[str] | None]:
    """With a teacher's targets as codes, in a folder beside that of the vectors."""

    def changes(recipe: Config) -> list[str] | None:
        folders = [f"{folder}-codes" for folder in recipe.data.teacher]
        return [f"data.teacher={json.dumps(folders)}", f"train.teacher_weight={weight}"] if folders else None

    return changes


def quarter_rate(recipe: Config) -> list[str] | None:
    """A pyramid that reduces the frame rate by 4 in its stem alone; None for another kind of listener."""
    listener = recipe.model.listener
    if not isinstance(listener, PyramidConfig):
        return None
    return ["model.listener.stem_strides=[2,2]", f"model.listener.pyramid={[1] * len(listener.pyramid)}"]


def taught(weight: float, *more: str) -> Callable[[Config], list[str] | None]:
    """With the recipe's teacher."""
    return lambda recipe: [f"train.teacher_weight={weight}", *more] if recipe.data.teacher else None


VARIANTS = (
    Variant("baseline", "the recipe", changed()),
    Variant("baseline-seed", "the recipe, another seed: how far chance goes", lambda recipe: [f"seed={recipe.seed + 1}"]),
    Variant("no-ctc", "without CTC, in training and in the search", changed("model.ctc_weight=0", "decode.ctc_weight=0")),
    Variant("ctc-0.3", "CTC weight 0.3 in training", changed("model.ctc_weight=0.3")),
    Variant("no-masks", "without SpecAugment", changed("augment.frequency_masks=0", "augment.time_masks=0")),
    Variant(
        "no-noise", "without noise", lambda recipe: ["augment.noise=[]", "augment.noise_probability=0"] if recipe.augment.noise else None
    ),
    Variant("no-pseudo", "without machine-labelled speech", without("pseudo")),
    Variant("no-synthetic", "without synthetic speech", without("synthetic")),
    Variant("no-recombined", "without recombined speech", without("recombined")),
    Variant("transcribed", "the transcribed speech alone", without("pseudo", "synthetic", "recombined")),
    Variant(
        "input-feeding",
        "input feeding, multi-head attention",
        changed("model.speller.input_feeding=true", "model.attention.kind=multihead"),
    ),
    Variant(
        "location",
        "input feeding, location-aware attention",
        changed("model.speller.input_feeding=true", "model.attention.kind=location"),
    ),
    Variant(
        "reduction-4",
        "listener's rate / 4",
        quarter_rate,
    ),
    Variant(
        "pieces-256",
        "256 pieces learnt, as the next two, from the training texts alone",
        changed("tokenizer.vocab_size=256", "tokenizer.model=null"),
    ),
    Variant("pieces-128", "128 pieces", changed("tokenizer.vocab_size=128", "tokenizer.model=null")),
    Variant("pieces-500", "500 pieces", changed("tokenizer.vocab_size=500", "tokenizer.model=null")),
    Variant("teacher-3", "a teacher's vectors, weight 3", taught(3.0)),
    Variant("teacher-10", "a teacher's vectors, weight 10", taught(10.0)),
    Variant("teacher-30", "a teacher's vectors, weight 30", taught(30.0)),
    Variant("teacher-100", "a teacher's vectors, weight 100", taught(100.0)),
    Variant("teacher-10-layer-2", "the same with weight 10 on the listener's second layer", taught(10.0, "train.teacher_layer=2")),
    Variant("codes-2", "a teacher's codes, weight 2", codes(2.0)),
    Variant("codes-5", "a teacher's codes, weight 5", codes(5.0)),
    Variant("codes-15", "a teacher's codes, weight 15", codes(15.0)),
)


def with_seed(variant: Variant, seed: int, own: int) -> Variant:
    """A variant with a seed; as it is with the recipe's `own`."""
    if seed == own:
        return variant

    def changes(recipe: Config) -> list[str] | None:
        found = variant.changes(recipe)
        return None if found is None else [*found, f"seed={seed}"]

    return Variant(f"{variant.name}-seed{seed}", f"{variant.what}, seed {seed}", changes)


@dataclass(frozen=True)
class Result:
    """What a finished variant came to."""

    wer: float  # percent, over all utterances of the dev manifests
    interval: Interval | None  # of the WER, 95 %; None as for `Bootstrap.interval`
    ctc: float | None  # WER in percent of the CTC head by itself; None without one
    hours: float  # of speech heard in training
    speed: float  # seconds of audio a second in training, evaluations not counted
    parameters: int


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


def terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


class Ablations:
    """The runs of a recipe's variants."""

    def __init__(self, recipe: Path, common: Sequence[str], output: Path):
        """Raises ConfigError when the recipe, or a common change to it, cannot be used."""
        self.recipe, self.common, self.output = recipe, list(common), output
        self.base = load_config(Config, recipe, self.common)

    def changes(self, variant: Variant) -> list[str] | None:
        """The `key=value` that make a variant; None where the recipe has no such part, or is like that already."""
        changes = variant.changes(self.base)
        if not changes:
            return changes
        try:
            return None if load_config(Config, self.recipe, [*self.common, *changes]) == self.base else changes
        except ConfigError:  # it does not fit this recipe: `result` says why
            return changes

    def finished(self, variant: Variant) -> bool:
        """Whether this very variant has been trained and scored before."""
        folder = self.output / variant.name
        scored = all((folder / f"dev-{i}.json").is_file() for i in range(len(self.base.data.dev)))
        return scored and (folder / "model").is_dir() and self._is_same(folder, self._arguments(variant))

    def _arguments(self, variant: Variant) -> list[str]:
        return [*self.common, *(self.changes(variant) or []), f"output={self.output / variant.name}"]

    def _is_same(self, folder: Path, arguments: list[str]) -> bool:
        """Whether the run in a folder is of the recipe with these changes."""
        found = load_config(Config, folder / "config.yaml").model_copy(update={"output": folder})
        return found == load_config(Config, self.recipe, arguments)

    def result(self, variant: Variant) -> Result:
        """Train and score a variant, as far as that is not done yet.

        Raises AsrError with the last line of `asr`'s complaint when it fails, KeyboardInterrupt when it was stopped.
        """
        folder, arguments = self.output / variant.name, self._arguments(variant)
        if not (folder / "model").is_dir():
            self._asr("train", str(self.recipe), *arguments, name=variant.name)
        elif not self._is_same(folder, arguments):
            raise UsageError(f"{folder}: holds a finished run with other settings: choose another --output, or delete it")
        errors, words = np.concatenate([self._errors(folder, i, manifest) for i, manifest in enumerate(self.base.data.dev)]).T
        interval = Bootstrap(samples=RESAMPLES).interval(errors, words)
        heard, seconds = training(folder)
        model = load_model(folder / "model")
        parameters = sum(p.numel() for p in model.network.parameters())
        ctc = None
        if model.network.ctc is not None:
            wrong, said = np.concatenate([self._ctc_errors(folder, i, manifest, model) for i, manifest in enumerate(self.base.data.dev)]).T
            ctc = 100 * float(wrong.sum() / said.sum())
        return Result(100 * float(errors.sum() / words.sum()), interval, ctc, heard / 3600, heard / seconds, parameters)

    def _errors(self, folder: Path, number: int, manifest: Path) -> np.ndarray:
        """(N, 2) word errors and words of each utterance of a dev manifest, transcribed unless that was done before."""
        written, partial = folder / f"dev-{number}.json", folder / f".dev-{number}.json"
        if not written.is_file():
            arguments = ("--model", str(folder / "model"), "--manifest", str(manifest), "--output", str(partial))
            self._asr("evaluate", *arguments, name=folder.name)
            partial.rename(written)
        return counted(written)

    def _ctc_errors(self, folder: Path, number: int, manifest: Path, model: TrainedModel) -> np.ndarray:
        """The same of the CTC head by itself."""
        written = folder / f"ctc-{number}.json"
        if not written.is_file():
            utterances = read_manifest(manifest, need_text=True)
            write_manifest(written, [replace(u, extra={**u.extra, "pred_text": greedy_ctc(model, u)}) for u in utterances])
        return counted(written)

    def _asr(self, *arguments: str, name: str) -> None:
        """Run `asr` with its words going to the log of the variant `name`."""
        log = self.output / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as f:
            print("$ asr", shlex.join(arguments), file=f, flush=True)
            process = subprocess.Popen([sys.executable, "-m", "asr", *arguments], stdout=f, stderr=subprocess.STDOUT)
            try:
                code = process.wait()
            except Terminated:  # which `asr` was not told of
                process.terminate()
                process.wait()
                raise
            except KeyboardInterrupt:  # which the terminal sends to `asr` too: it leaves a checkpoint
                process.wait()
                raise
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            lines = log.read_text(encoding="utf-8").split("$ asr ")[-1].split("\n")
            said = next((line for line in reversed(lines[1:]) if line.strip()), "it said nothing").removeprefix("error: ")
            raise AsrError(f"asr {arguments[0]} failed ({code}): {said} (all of it in {log})")


def counted(written: Path) -> np.ndarray:
    """(N, 2) word errors and words of each utterance of a manifest with `pred_text`."""
    utterances = read_manifest(written, need_text=True)
    counts = [word_errors([u.text or ""], [str(u.extra["pred_text"])]) for u in utterances]
    return np.array([(c.errors, c.reference_length) for c in counts], dtype=np.int64)


@torch.inference_mode()
def greedy_ctc(model: TrainedModel, utterance: Utterance) -> str:
    """The text of the most likely label of each state; none of a recording that cannot be read."""
    try:
        samples = load_audio(
            utterance.audio_filepath, model.config.model.frontend.sample_rate, utterance.offset, utterance.duration, track=utterance.track
        )
    except AudioError:
        return ""
    states, _ = model.network.listen(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    log_probs = model.network.ctc_log_probs(states)
    assert log_probs is not None
    return model.tokenizer.decode(log_probs[0].argmax(1).unique_consecutive().tolist())


def training(run: Path) -> tuple[float, float]:
    """From a run's log: seconds of audio heard, and seconds that took. Raises what `read_log` raises, and AsrError without an evaluation."""
    records = read_log(run)
    seconds = max((r["seconds"] for r in records if "seconds" in r), default=0.0)
    if not seconds:
        raise AsrError(f"{run / 'log.jsonl'}: no evaluation is in it, which would tell how long training took")
    return sum(r.get("audio_seconds", 0.0) for r in records), seconds


def table(variants: Sequence[Variant], results: dict[str, Result | str], common: Sequence[str], recipe: Path) -> Iterator[str]:
    """Markdown: a row for each variant that was run; one that failed says why."""
    yield f"Measured by `{Path(__file__).name} {recipe}{''.join(f' --set {shlex.quote(c)}' for c in common)}` on {machine()}."
    yield ""
    yield "| variant | | dev WER | 95 % interval | CTC alone | speech heard | training, × real time | parameters |"
    yield "|---|---|---|---|---|---|---|---|"
    for variant in variants:
        match results.get(variant.name):
            case Result() as r:
                spread = f"{100 * r.interval.low:.2f} – {100 * r.interval.high:.2f}" if r.interval else ""
                ctc = "" if r.ctc is None else f"{r.ctc:.2f} %"
                figures = f"{r.wer:.2f} % | {spread} | {ctc} | {r.hours:.1f} h | {r.speed:.1f} | {r.parameters / 1e6:.2f} M"
                yield f"| `{variant.name}` | {variant.what} | {figures} |"
            case str(why):
                yield f"| `{variant.name}` | {variant.what} | failed: {why.splitlines()[0].replace('|', '/')} | | | | | |"


def machine() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} {platform.machine()} cores"


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--set", dest="common", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="changes common to all")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these variants alone")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="train each variant once with each seed (default: the recipe's)")
    parser.add_argument("--output", type=Path, default=Path("runs/ablations"), help="folder of the runs (default: runs/ablations)")
    parser.add_argument("--table", type=Path, help="write the table here (default: print it)")
    parser.add_argument("--list", action="store_true", help="show the variants and what they change, and do nothing")
    options = parser.parse_args(arguments)
    names = [v.name for v in VARIANTS]
    if unknown := [name for name in options.only or [] if name not in names]:
        raise UsageError(f"there is no variant {', '.join(unknown)}: choose from {', '.join(names)}")
    ablations = Ablations(options.recipe, options.common, options.output)

    seeds, own = options.seeds or [ablations.base.seed], ablations.base.seed
    variants = [with_seed(v, seed, own) for v in VARIANTS for seed in dict.fromkeys(seeds)]
    chosen = [with_seed(v, seed, own) for v in VARIANTS if not options.only or v.name in options.only for seed in dict.fromkeys(seeds)]
    if options.list:
        for variant in chosen:
            changes = ablations.changes(variant)
            print(f"{variant.name:14} {variant.what}: {'not for this recipe' if changes is None else shlex.join(changes) or 'no change'}")
        return

    signal.signal(signal.SIGTERM, terminate)
    results: dict[str, Result | str] = {}
    names = [v.name for v in chosen]
    for variant in (v for v in variants if v.name not in names and ablations.changes(v) is not None):
        try:
            if ablations.finished(variant):
                results[variant.name] = ablations.result(variant)
        except AsrError as e:
            results[variant.name] = str(e)
            print(f"{variant.name}: cannot be read, going on without it: {e}", file=sys.stderr, flush=True)
    for variant in chosen:
        if ablations.changes(variant) is None:
            print(f"{variant.name}: left out, the recipe has no such part, or is so already", flush=True)
            continue
        try:
            print(f"{variant.name}: {variant.what}", flush=True)
            results[variant.name] = found = ablations.result(variant)
            print(f"  dev WER {found.wer:.2f} %", flush=True)
        except AsrError as e:
            results[variant.name] = str(e)
            print(f"  failed, going on without it: {e}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            parser.exit(INTERRUPTED, f"stopped in {variant.name}: the same command goes on from there\n")
        if options.table:
            write_atomically(options.table, "\n".join(table(variants, results, options.common, options.recipe)) + "\n")
    if results and not options.table:
        print(*table(variants, results, options.common, options.recipe), sep="\n")
    if failed := [name for name, result in results.items() if isinstance(result, str)]:
        parser.exit(1, f"{len(failed)} of {len(results)} variants failed: {', '.join(failed)}\n")


if __name__ == "__main__":
    main()
