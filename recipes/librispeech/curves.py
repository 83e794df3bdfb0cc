#!/usr/bin/env python3
"""Learning curves of runs as a picture: the training losses, and the dev WER.

    python recipes/librispeech/curves.py runs/mini --output curves.png
    python recipes/librispeech/curves.py runs/librispeech-100 runs/librispeech-100-no-ctc --against epochs --output curves.png

Reads each run's `log.jsonl`, also of a run that is under way. Losses are in nats for a token, with label smoothing and augmentation, so
they stay well above those of undisturbed speech; every point is the mean over some neighbouring steps. Pictures are 60 to 90 kB.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asr.console import one_line_errors
from asr.errors import UsageError
from asr.files import write_atomically
from asr.train.log import read_log

COLOURS = ("#0b6ea8", "#d1495b", "#3d8b40", "#8a5fbf", "#c77d0a", "#555555")
SMOOTHED_SHARE = 1 / 60  # of all steps, that one point of a loss is the mean of


@dataclass(frozen=True)
class Curves:
    """One run. Steps and evaluations have the same two measures of how far the run was."""

    name: str
    hours: np.ndarray  # (steps,) of speech heard
    epochs: np.ndarray  # (steps,)
    attention: np.ndarray  # (steps,) nats for a token
    ctc: np.ndarray  # (steps,) the same; zero without CTC
    dev_at: np.ndarray  # (evaluations,) steps taken; 0 where a run looked at what it started from
    dev_wer: np.ndarray  # (evaluations,) percent


def read_curves(run: Path) -> Curves:
    """The log of a run. Raises what `read_log` raises, and UsageError when nothing of a step is in it yet."""
    records = read_log(run)
    steps = [r for r in records if "attention_loss" in r]
    tests = [r for r in records if "dev_wer" in r]
    if not steps:
        raise UsageError(f"{run / 'log.jsonl'}: no step of a recogniser's training in it yet")
    columns = {key: np.array([r[key] for r in steps], dtype=float) for key in ("epoch", "audio_seconds", "attention_loss", "ctc_loss")}
    return Curves(
        run.name,
        columns["audio_seconds"].cumsum() / 3600,
        columns["epoch"],
        columns["attention_loss"],
        columns["ctc_loss"],
        np.array([r["step"] for r in tests], dtype=int),
        np.array([r["dev_wer"] for r in tests], dtype=float),
    )


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """(N,) means over `width` neighbours, fewer at either end. Steps without a finite loss have no part in them."""
    real = np.isfinite(values)
    window = np.ones(width)
    sums = np.convolve(np.where(real, values, 0.0), window, mode="full")
    counts = np.convolve(real.astype(float), window, mode="full")
    centre = slice((width - 1) // 2, (width - 1) // 2 + len(values))
    return np.divide(sums[centre], counts[centre], out=np.full(len(values), np.nan), where=counts[centre] > 0)


def draw(runs: Sequence[Curves], against: str) -> Figure:
    """Losses on the left, dev WER on the right; a colour for each run. `against` is "hours" or "epochs"."""
    figure = Figure(figsize=(11, 4.4), dpi=110, layout="constrained")
    losses, errors = figure.subplots(1, 2)
    highest = 0.0
    for run, colour in zip(runs, (COLOURS[i % len(COLOURS)] for i in range(len(runs))), strict=True):
        along = run.hours if against == "hours" else run.epochs
        width = max(1, round(SMOOTHED_SHARE * len(along)))
        attention, ctc = smoothed(run.attention, width), smoothed(run.ctc, width)
        prefix = f"{run.name}: " if len(runs) > 1 else ""
        losses.plot(along, attention, color=colour, linewidth=1.8, label=f"{prefix}attention")
        if run.ctc.any():
            losses.plot(along, ctc, color=colour, linewidth=1.4, linestyle=(0, (4, 2)), label=f"{prefix}CTC")
        highest = max(highest, np.nanmax(attention, initial=0.0))
        if len(run.dev_wer):
            at = np.concatenate([[0.0], along])[np.minimum(run.dev_at, len(along))]
            label = f"{prefix}{run.dev_wer[-1]:.1f} % at the last"
            errors.plot(at, run.dev_wer, color=colour, linewidth=1.8, marker="o", markersize=4.5, label=label)
    unit = "hours of speech heard" if against == "hours" else "epochs"
    style(losses, "training loss, nats a token", unit)
    losses.legend(fontsize=11, frameon=False)
    losses.set_ylim(0, 1.1 * highest)  # CTC starts far above it, for a few steps that would flatten all the others
    style(errors, "dev WER, %", unit)
    if errors.lines:
        errors.set_xlim(losses.get_xlim())
        errors.set_yscale("log")
        errors.yaxis.set_major_formatter("{x:g}")
        errors.yaxis.set_minor_formatter("{x:g}")
        errors.legend(fontsize=11, frameon=False)
    else:
        errors.set_yticks([])
        errors.text(0.5, 0.5, "no evaluation yet", transform=errors.transAxes, ha="center", fontsize=12, color="#777777")
    return figure


def style(axes: Axes, title: str, unit: str) -> None:
    """Large letters, few lines."""
    axes.set_title(title, fontsize=13, loc="left")
    axes.set_xlabel(unit, fontsize=12)
    axes.tick_params(labelsize=11, which="both")
    axes.grid(color="#dddddd", linewidth=0.7, which="both")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--output", type=Path, required=True, help="the picture (.png, .svg, .pdf)")
    parser.add_argument("--against", choices=("hours", "epochs"), default="hours", help="what runs along the bottom")
    options = parser.parse_args(arguments)
    figure, picture = draw([read_curves(run) for run in options.runs], options.against), io.BytesIO()
    try:
        figure.savefig(picture, format=options.output.suffix.removeprefix("."))
    except ValueError as e:  # a kind of picture that matplotlib cannot write
        raise UsageError(f"--output {options.output}: {e}") from None
    write_atomically(options.output, picture.getvalue())
    print(f"{options.output}: {len(picture.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
