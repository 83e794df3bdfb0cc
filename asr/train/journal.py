"""Progress of a run: a live line in a terminal, plain lines in a pipe, `log.jsonl`, and TensorBoard."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from asr.files import write_atomically
from asr.json_text import decode_json
from asr.speech.batches import Flawed, Skipped
from asr.terminal import SafeConsole
from asr.train.log import read_log
from asr.train.state import Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Item = TypeVar("Item")
PLAIN_SECONDS = 30.0  # between two lines where there is no terminal


class Journal:
    """Everything that a run says, from its main process alone."""

    def __init__(self, folder: Path, speaks: bool):
        self.folder, self.speaks = folder, speaks
        self.console = SafeConsole(stderr=True, quiet=not speaks)
        self.skips: Counter[str] = Counter()
        self.flaws: Counter[str] = Counter()
        self.writer: SummaryWriter | None = None
        self.progress: Progress | None = None
        self.epochs = 0
        self._last_line = 0.0
        self._began: tuple[float, float] | None = None  # (clock, progress) at this sitting's first step
        self.computations: list[dict[str, Any]] = []  # precision, device, processes, and the step from which they hold
        if speaks:
            self._keep(lambda record: not str(record.get("where")).startswith("data."))  # what is left out of the data is told anew

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def track(self, items: Iterable[Item], what: str, total: int) -> list[Item]:
        """All of `items`, with a bar while they come."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self._live) as progress:
            return list(progress.track(items, total=total, description=what))

    def skipped(self, where: str, skipped: list[Skipped]) -> None:
        """Count utterances that are not used, and show the first few of each place with their reasons."""
        for s in skipped:
            self.skips[where] += 1
            if self.skips[where] <= 5:
                self.say(f"{where}: left out {s.id}: {s.reason}")
            elif self.skips[where] == 6:
                self.say(f"{where}: more are left out; all are in {self.folder / 'log.jsonl'}")
            self._log({"skipped": s.id, "where": where, "reason": s.reason})

    def flawed(self, where: str, flawed: Sequence[Flawed]) -> None:
        """Count utterances that lack a little of their sound, and show the first few of each place."""
        for one in flawed:
            self.flaws[where] += 1
            if self.flaws[where] <= 5:
                self.say(f"{where}: used {one.id}, of which a little is missing: {one.missing}")
            elif self.flaws[where] == 6:
                self.say(f"{where}: more lack a little; all are in {self.folder / 'log.jsonl'}")
            self._log({"flawed": one.id, "where": where, "missing": one.missing})

    def begin(self, introduction: Sequence[str], place: Place, computation: Mapping[str, str | int] | None = None) -> None:
        """Print the first lines, once all is ready. `computation` is logged where it differs from the one before."""
        for line in introduction:
            self.say(line)
        if place.step:
            self.say(f"going on from step {place.step} (epoch {place.epoch + 1}) of {self.folder}")
        if self.speaks:
            self._keep(lambda record: record.get("step", 0) <= place.step)  # what lies after the checkpoint comes again
            if computation:
                self._compute(computation, place)
            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=place.step + 1)

    def _compute(self, computation: Mapping[str, str | int], place: Place) -> None:
        """Log the computation, and report it if an earlier part of the run was computed otherwise."""
        path = self.folder / "log.jsonl"
        self.computations = [r for r in read_log(self.folder) if computation.keys() <= r.keys()] if path.is_file() else []
        if self.computations and all(self.computations[-1][key] == value for key, value in computation.items()):
            return
        if self.computations:
            self.say(f"so far {computed(self.computations[-1:])}: from here the run differs from one that stayed there")
        self.computations.append({**computation, "step": place.step})
        self._log(self.computations[-1])

    @contextlib.contextmanager
    def display(self, epochs: int) -> Iterator[None]:
        """The live line, while the block runs."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        try:
            with Progress(*columns, console=self.console, disable=not self._live, speed_estimate_period=300) as self.progress:
                self.task = self.progress.add_task(f"epoch 1/{epochs}", total=1.0, figures="")
                self.epochs = epochs
                yield
        finally:
            self.progress = None
            if self.writer:
                self.writer.flush()

    def step(self, place: Place, epochs: float, progress: float, figures: Mapping[str, float], shown: str) -> None:
        """One step, begun after so many `epochs`: `figures` go into the log and to TensorBoard, and `shown` is what a person reads.

        `progress` is the share of the run that lies behind, in [0, 1].
        """
        if not self.speaks:
            return
        now = time.monotonic()
        self._began = self._began or (now, progress)
        epoch = int(epochs) + 1
        if self.progress:
            self.progress.update(self.task, completed=progress, figures=shown, description=f"epoch {epoch}/{self.epochs}")
        if not self._live and now - self._last_line > PLAIN_SECONDS:
            self._last_line = now
            began, at = self._began
            left = f" · {(now - began) * (1 - progress) / (progress - at) / 60:.0f} min left" if progress > at else ""
            self.say(f"epoch {epoch}/{self.epochs} · step {place.step} · {shown}{left}")
        self._log({"step": place.step, "epoch": round(epochs, 4), **{k: round(v, 6) for k, v in figures.items()}})
        if self.writer:
            for name, value in figures.items():
                self.writer.add_scalar(f"train/{name}", value, place.step)
            self.writer.add_scalar("train/heard a second", place.heard / max(place.seconds, 1e-9), place.step)

    def evaluation(self, place: Place, figures: Mapping[str, float], shown: str, picture: Figure | None = None) -> None:
        """How good it is now, as `step`, and where it looks."""
        self.say(f"epoch {place.epoch} · step {place.step} · {shown}")
        self._log({"step": place.step, **{k: round(v, 4) for k, v in figures.items()}, "seconds": round(place.seconds, 1)})
        if self.writer:
            for name, value in figures.items():
                self.writer.add_scalar(f"dev/{name.removeprefix('dev_')}", value, place.step)
            if picture is not None:
                self.writer.add_figure("dev/attention", picture, place.step)
            self.writer.flush()

    @property
    def _live(self) -> bool:
        return self.speaks and self.console.is_terminal

    def _log(self, record: dict[str, object]) -> None:
        if self.speaks:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / "log.jsonl", "a", encoding="utf-8") as f:
                f.write(json.dumps(record) + "\n")

    def _keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Take other lines out of the log, and what a power cut or a full disk left torn, lest the next be written into it."""
        path = self.folder / "log.jsonl"
        if path.is_file():
            kept = []
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, AttributeError, TypeError):  # no JSON, no object, or a step that is no number
                    if wanted(decode_json(line)):
                        kept.append(line + "\n")
            write_atomically(path, "".join(kept))


def computed(computations: Sequence[Mapping[str, Any]]) -> str:
    """In words: `bf16 on NVIDIA H200; fp32 on cpu from step 120`."""
    words = []
    for c in computations:
        processes = f", {c['processes']} processes" if c["processes"] != 1 else ""
        words.append(f"{c['precision']} on {c['device']}{processes}" + (f" from step {c['step']}" if c["step"] else ""))
    return "; ".join(words)
