#!/usr/bin/env python3
"""How fast error rates are measured, beside jiwer's command line and, where it is installed, sclite.

    python benchmarks/score.py                                 # 100,000 made-up utterances, each round paired
    python benchmarks/score.py --utterances 20000 --rounds 5

Every tool runs as a process of its own on the same texts, so that starting up counts for all. jiwer's command line gives the WER
alone; `asr score` gives with it CER, SER, lists and groups, and in the last rows intervals, comparisons and the report in four
forms. The median of the rounds and the most memory that was held are shown; counts are compared, and must be equal. Seconds are the
processor's, so that what else runs on the machine matters less.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from asr.console import one_line_errors
from asr.errors import AsrError

VOCABULARY = 20_000
SPEAKERS = 500
SCLITE = shutil.which("sclite") or next((p for p in ("/usr/lib/sctk/bin/sclite",) if Path(p).is_file()), None)


def make_texts(count: int, rate: float, seed: int) -> tuple[list[str], list[str], list[str]]:
    """References of 3 to 30 words whose frequencies fall as in speech, and two systems that make about `rate` word errors."""
    chance = random.Random(seed)
    words = [f"{chance.choice('BCDFGHKLMNPRSTVW')}{chance.choice('AEIOU')}{i:X}" for i in range(VOCABULARY)]
    weights = [1 / (rank + 3) for rank in range(VOCABULARY)]
    drawn = iter(chance.choices(words, weights, k=count * 40))

    def heard(text: list[str], rate: float) -> str:
        result = []
        for word in text:
            luck = chance.random()
            if luck < rate * 0.2:
                continue
            result.append(next(drawn) if luck < rate * 0.85 else word)
            if rate * 0.85 < luck < rate:
                result.append(next(drawn))
        return " ".join(result) or text[0]

    references = [[next(drawn) for _ in range(chance.randint(3, 30))] for _ in range(count)]
    first, second = ([heard(text, r) for text in references] for r in (rate, rate * 0.95))
    return [" ".join(text) for text in references], first, second


def run(command: Sequence[str]) -> tuple[float, float, str]:
    """Processor seconds, MB at most, and what was printed."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as p:
        assert p.stdout
        printed = p.stdout.read()
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            raise AsrError(f"{' '.join(command)}: exit code {p.returncode}\n{p.stderr.read() if p.stderr else ''}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, printed


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--error-rate", type=float, default=0.12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        # In a process of its own: a command's memory is counted from that of the process that starts it.
        writer = multiprocessing.get_context("spawn").Process(
            target=write_texts, args=(Path(name), arguments.utterances, arguments.error_rate)
        )
        writer.start()
        writer.join()
        if writer.exitcode:
            raise AsrError(f"{name}: could not be filled")
        measure(Path(name), arguments.utterances, arguments.rounds)


def write_texts(folder: Path, utterances: int, rate: float) -> None:
    """The same texts in every form that the commands read: `ref` and the systems `a` and `b` as .txt, .trn and .json."""
    for file, texts in zip(("ref", "a", "b"), make_texts(utterances, rate, seed=1), strict=True):
        (folder / f"{file}.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        (folder / f"{file}.trn").write_text("".join(f"{t} (s{i % SPEAKERS}-{i})\n" for i, t in enumerate(texts)), encoding="utf-8")
        key = "text" if file == "ref" else "pred_text"
        records = ({"id": i, key: t, "speaker": f"s{i % SPEAKERS}", "duration": len(t) / 15} for i, t in enumerate(texts))
        (folder / f"{file}.json").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")


def measure(folder: Path, utterances: int, rounds: int) -> None:
    asr = [sys.executable, "-m", "asr", "score"]
    jiwer = [sys.executable, "-c", "from jiwer.cli import cli; cli()"]
    ref, a, b = (str(folder / name) for name in ("ref", "a", "b"))
    commands = {
        "jiwer (WER)": [*jiwer, "-r", f"{ref}.txt", "-h", f"{a}.txt"],
        "jiwer -c (CER)": [*jiwer, "-c", "-r", f"{ref}.txt", "-h", f"{a}.txt"],
        "asr score, no bootstrap": [*asr, f"{ref}.txt", f"{a}.txt", "--samples", "0"],
        "asr score": [*asr, f"{ref}.txt", f"{a}.txt"],
        "asr score --alignment sclite": [*asr, f"{ref}.trn", f"{a}.trn", "--alignment", "sclite"],
        "asr score, report of a system": [*asr, f"{ref}.json", f"{a}.json", "--report", str(folder / "one")],
        "asr score, report of two systems": [*asr, f"{ref}.json", f"{a}.json", f"{b}.json", "--report", str(folder / "two")],
    }
    if SCLITE:
        commands["sclite"] = [SCLITE, "-r", f"{ref}.trn", "trn", "-h", f"{a}.trn", "trn", "-i", "rm", "-o", "rsum", "stdout"]
    taken: dict[str, list[tuple[float, float, str]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(run(command))
    table = Table(title=f"{utterances} utterances, {rounds} rounds")
    for column in ("", "CPU seconds", "times jiwer's", "MB"):
        table.add_column(column, justify="left" if not column else "right")
    for name, results in taken.items():
        ratio = statistics.median(one[0] / other[0] for one, other in zip(results, taken["jiwer (WER)"], strict=True))
        table.add_row(name, f"{statistics.median(r[0] for r in results):.2f}", f"{ratio:.2f}", f"{max(r[1] for r in results):.0f}")
    Console().print(table)
    check(taken)


def check(taken: dict[str, list[tuple[float, float, str]]]) -> None:
    """The tools' figures must be the same."""
    row = r"words \(WER\)\D+([\d.]+) %\D+(\d+)\D+(\d+)\D+(\d+)\D+(\d+)\D+(\d+)"
    ours = re.search(row, taken["asr score"][0][2])
    assert ours
    wer = float(taken["jiwer (WER)"][0][2])
    assert f"{100 * wer:.2f}" == ours[1], (wer, ours[1])
    print(f"WER equal to jiwer's: {ours[1]} %")
    if "sclite" in taken:
        sums = re.search(r"\| Sum\s*\|\s*\d+\s+\d+\s*\|\s*\d+\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", taken["sclite"][0][2])
        theirs = re.search(row, taken["asr score --alignment sclite"][0][2])
        assert sums
        assert theirs
        assert sums.groups() == (*theirs.groups()[3:], theirs[2]), (sums.groups(), theirs.groups())
        print(f"counts equal to sclite's: {sums[1]} substitutions, {sums[2]} deletions, {sums[3]} insertions")


if __name__ == "__main__":
    main()
