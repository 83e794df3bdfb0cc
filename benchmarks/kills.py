#!/usr/bin/env python3
"""Kill and stop a small training at random moments, and compare the results with those of a run that nothing disturbed.

    python benchmarks/kills.py --kills 200 --stops 200 --output /tmp/kills
    python benchmarks/kills.py --kills 20 --stops 20 --workers 2 --output /tmp/kills-with-workers

A kill is SIGKILL, a stop is SIGINT or SIGTERM, or two of them in quick succession. After each signal the same command runs again, until the
run ends. Then its weights, optimizer state, averages, best checkpoints and log must equal those of the undisturbed run to the bit. As many
runs follow as the signals need. The corpus and the network are made here and are tiny; a checkpoint follows every step. About 6 s a signal on one idle core.

Exit code 0 if all runs are equal; 1 otherwise, and the folders of the runs that differ are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asr.console import one_line_errors
from asr.errors import AsrError
from asr.train.log import read_log

WORDS = {"LOW": 300.0, "MID": 900.0, "HIGH": 2700.0}  # Hz
RATE = 16_000
IN_TRAINING = 0.75  # share of the signals that wait until the training loop has begun
LONGEST_DELAY = 3.0  # seconds after it has begun
TIMEOUT = 300.0  # seconds for a process to end after a stop
BEGUN = "training on "  # printed when the training loop begins


def write_corpus(folder: Path, name: str, count: int, seed: int) -> Path:
    """Write sentences of one to four tones and their manifest; return its path."""
    noise = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    t = np.arange(RATE // 5) / RATE
    for i in range(count):
        words = noise.choice(list(WORDS), noise.integers(1, 5)).tolist()
        tones = [np.append(0.3 * np.sin(2 * np.pi * WORDS[w] * t) * np.hanning(len(t)), np.zeros(RATE // 20)) for w in words]
        samples = np.concatenate(tones)
        soundfile.write(folder / f"{name}-{i}.wav", samples + 0.003 * noise.standard_normal(len(samples)), RATE)
        lines.append(json.dumps({"audio_filepath": f"{name}-{i}.wav", "text": " ".join(words), "duration": len(samples) / RATE}))
    path = folder / f"{name}.json"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_recipe(folder: Path, epochs: int, workers: int) -> Path:
    """Write the corpus and a recipe of about 13 steps an epoch; return the path of the recipe."""
    recipe = {
        "data": {
            "train": [str(write_corpus(folder / "data", "train", 48, seed=1))],
            "dev": [str(write_corpus(folder / "data", "dev", 8, seed=2))],
            "workers": workers,
        },
        "tokenizer": {"kind": "char", "vocab_size": 20},
        "model": {
            "frontend": {"mels": 20},
            "listener": {"stem_channels": [4], "stem_strides": [2], "hidden": 16, "pyramid": [2, 1], "dropout": 0.1},
            "attention": {"kind": "location", "size": 16, "heads": 2, "location_channels": 3, "location_width": 5},
            "speller": {"embedding": 8, "hidden": 24, "layers": 1, "dropout": 0.1},
        },
        "augment": {"time_width": 10, "frequency_width": 4},
        "train": {
            "epochs": epochs, "batch_seconds": 4, "warmup_steps": 5, "evaluate_epochs": 3, "ema_decay": 0.9, "keep_best": 3,
            "dev_beam": 2, "precision": "fp32", "checkpoint_minutes": 1e-6,
        },
        "decode": {"beam": 2},
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")  # JSON is YAML
    return path


@dataclass
class Process:
    """`asr train` in a process of its own, and the lines it printed so far."""

    recipe: Path
    run: Path
    lines: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "asr", "train", str(self.recipe), f"output={self.run}"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        self.popen = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.popen.stderr or ():
            self.lines.append(line.rstrip())
            if line.startswith(BEGUN):
                self.begun.set()
        self.begun.set()  # it ended before

    def end(self) -> int:
        """Wait for the end; returns the exit code. Raises AsrError if it does not come."""
        try:
            code = self.popen.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise AsrError(f"{self.run}: still running {TIMEOUT:.0f} s after the signal: {self.lines[-3:]}") from None
        self.reader.join(TIMEOUT)
        return code


def fingerprint(run: Path) -> dict[str, Any]:
    """All results of a run: files byte by byte, and what the log and the checkpoint say, except times."""
    found: dict[str, Any] = {}
    for path in [*run.rglob("*.safetensors"), run / "tokenizer.model", run / "model" / "config.yaml"]:
        found[str(path.relative_to(run))] = path.read_bytes()
    (last,) = sorted((run / "states").glob("step-*"))[-1:]
    place = json.loads((last / "training.json").read_text(encoding="utf-8"))
    found["place"] = {key: place[key] for key in ("step", "epoch", "step_in_epoch", "heard", "examples", "best")}
    found["log"] = [{key: value for key, value in record.items() if key != "seconds"} for record in read_log(run)]
    found["litter"] = sorted(str(path.relative_to(run)) for path in run.rglob(".*") if path.suffix in (".partial", ".old"))
    return found


def disturb(process: Process, dice: random.Random, kill: bool) -> str:
    """Send one kill or one stop at a random moment; returns its name, or an empty string if the run ended before."""
    if dice.random() < IN_TRAINING:
        process.begun.wait(TIMEOUT)
        time.sleep(dice.uniform(0, LONGEST_DELAY))
    else:
        time.sleep(dice.uniform(0, 5))
    if process.popen.poll() is not None:
        return ""
    if kill:
        process.popen.kill()
        return "SIGKILL"
    number = dice.choice([signal.SIGINT, signal.SIGTERM])
    process.popen.send_signal(number)
    if dice.random() < 0.25:
        time.sleep(dice.uniform(0, 0.2))
        with contextlib.suppress(OSError):
            process.popen.send_signal(dice.choice([signal.SIGINT, signal.SIGTERM]))
        return f"{number.name} twice"
    return number.name


def check_end(code: int, sent: str, lines: list[str], begun: bool, over: bool) -> str:
    """Return the fault in how a process ended after a signal, if any. `over`: the run's model is written, so Python may have been exiting."""
    if any("Traceback" in line for line in lines) and begun:
        return "a traceback"
    if sent == "SIGKILL":
        allowed: tuple[int, ...] = (-signal.SIGKILL, 0)
    elif begun and not over and "twice" not in sent:
        allowed = (130, 0)
    else:  # the interpreter itself may have been starting, or exiting after the first signal
        allowed = (130, 0, -signal.SIGINT, -signal.SIGTERM)
    return "" if code in allowed else f"exit code {code}"


def disturbed_run(recipe: Path, run: Path, dice: random.Random, left: Counter[str]) -> Iterator[tuple[str, str]]:
    """Run until the end, with signals from `left`; yields each signal that was sent, and the fault it led to, if any."""
    while True:
        process = Process(recipe, run)
        kinds = [kind for kind in left if left[kind] > 0]
        sent = ""
        if kinds:
            kind = dice.choices(kinds, [left[kind] for kind in kinds])[0]
            sent = disturb(process, dice, kind == "kills")
            left[kind] -= bool(sent)
        code = process.end()
        if sent:
            begun = any(line.startswith(BEGUN) for line in process.lines)
            yield sent, check_end(code, sent, process.lines, begun, (run / "model").is_dir())
        elif code:
            raise AsrError(f"{run}: exit code {code}: {process.lines[-3:]}")
        if code == 0:
            return


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs to send (default: 200)")
    parser.add_argument("--stops", type=int, default=200, help="SIGINTs and SIGTERMs to send (default: 200)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of a run (default: 10)")
    parser.add_argument("--workers", type=int, default=0, help="loading processes of a run (default: 0)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the signals (default: 1)")
    parser.add_argument("--output", type=Path, required=True, help="a new folder for the corpus and the runs")
    options = parser.parse_args(arguments)
    if options.output.exists():
        parser.error(f"--output: {options.output} exists")
    options.output.mkdir(parents=True)
    recipe = write_recipe(options.output.resolve(), options.epochs, options.workers)
    undisturbed = Process(recipe, options.output.resolve() / "undisturbed")
    began = time.monotonic()
    if code := undisturbed.end():
        raise AsrError(f"{undisturbed.run}: exit code {code}: {undisturbed.lines[-3:]}")
    expected = fingerprint(undisturbed.run)
    print(f"undisturbed: {expected['place']['step']} steps in {time.monotonic() - began:.0f} s", flush=True)

    dice = random.Random(options.seed)
    left: Counter[str] = Counter(kills=options.kills, stops=options.stops)
    signals: Counter[str] = Counter()
    faults: list[str] = []
    number = unequal = 0
    while left.total() > 0:
        number += 1
        run = options.output.resolve() / f"run-{number}"
        sent: Counter[str] = Counter()
        for name, fault in disturbed_run(recipe, run, dice, left):
            sent[name] += 1
            if (done := signals.total() + sent.total()) % 10 == 0:
                print(f"{done} signals after {time.monotonic() - began:.0f} s", flush=True)
            if fault:
                faults.append(f"{run}: after {name}: {fault}")
                print(faults[-1], flush=True)
        found = fingerprint(run)
        different = [name for name in sorted(expected.keys() | found.keys()) if expected.get(name) != found.get(name)]
        signals += sent
        if different:
            unequal += 1
            faults.append(f"{run}: differs in {', '.join(different)}")
        else:
            shutil.rmtree(run)
        told = ", ".join(f"{count} {name}" for name, count in sorted(sent.items()))
        print(f"run {number}: {told}: {'differs in ' + ', '.join(different) if different else 'equal'}; left: {dict(left)}", flush=True)
    print(f"{number} runs, {signals.total()} signals ({dict(sorted(signals.items()))}), {time.monotonic() - began:.0f} s")
    print(f"{number - unequal} of {number} runs equal to the undisturbed one to the bit; {len(faults)} faults")
    if faults:
        raise AsrError("\n".join(faults))


if __name__ == "__main__":
    main()
