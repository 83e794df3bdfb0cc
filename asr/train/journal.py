"""Output of a run: a progress bar in a terminal or plain lines in a pipe, `log.jsonl`, and TensorBoard."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from asr.speech.batches import Flawed, Skipped
from asr.terminal import SafeConsole, one_line
from asr.train.log import LOG, append_log, filter_log, read_log
from asr.train.state import Position

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Item = TypeVar("Item")
OTHER_COLUMNS = 22  # characters of a short bar, the percentage, the remaining time and the spaces between
PLAIN_SECONDS = 30.0  # between lines without a terminal


class Journal:
    """Output of a run. Ranks other than 0 write nothing.

    Args:
        folder: The run's folder.
        is_main: Whether this is rank 0.
    """

    def __init__(self, folder: Path, is_main: bool):
        self.folder, self.is_main = folder, is_main
        self.console = SafeConsole(stderr=True, quiet=not is_main)
        self.skips: Counter[str] = Counter()
        self.flaws: Counter[str] = Counter()
        self.writer: SummaryWriter | None = None
        self.progress: Progress | None = None
        self.epochs = 0
        self._epochs_done = 0  # by earlier sessions
        self._last_line = 0.0
        self._began: tuple[float, float] | None = None  # (clock, progress) at the session's first step
        self.computations: list[dict[str, Any]] = []  # precision, device, processes, and their first step
        if is_main:
            filter_log(folder, lambda record: not str(record.get("where")).startswith("data."))  # skipped data are logged anew

    def say(self, text: str) -> None:
        """Print a line on standard error."""
        self.console.print(text, markup=False)

    def track(self, items: Iterable[Item], what: str, total: int) -> list[Item]:
        """Return all of `items`, with a progress bar while they come."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self._live) as progress:
            return list(progress.track(items, total=total, description=what))

    def skipped(self, where: str, skipped: list[Skipped]) -> None:
        """Count and log skipped utterances, and print the first few of each `where` with their reasons."""
        for s in skipped:
            self.skips[where] += 1
            if self.skips[where] <= 5:
                self.say(one_line(f"{where}: skipped {s.id}: {s.reason}"))
            elif self.skips[where] == 6:
                self.say(f"{where}: more are skipped; all are in {self.folder / LOG}")
            self._log({"skipped": s.id, "where": where, "reason": s.reason})

    def flawed(self, where: str, flawed: Sequence[Flawed]) -> None:
        """Count and log utterances that lack some of their sound, and print the first few of each `where`."""
        for one in flawed:
            self.flaws[where] += 1
            if self.flaws[where] <= 5:
                self.say(one_line(f"{where}: used {one.id} although sound is missing: {one.missing}"))
            elif self.flaws[where] == 6:
                self.say(f"{where}: more lack sound; all are in {self.folder / LOG}")
            self._log({"flawed": one.id, "where": where, "missing": one.missing})

    def begin(self, introduction: Sequence[str], position: Position, computation: Mapping[str, str | int] | None = None) -> None:
        """Print the introduction, and log the `computation` if it has changed."""
        self._epochs_done = position.epoch
        for line in introduction:
            self.say(line)
        if position.step:
            self.say(f"resuming from step {position.step} ({position.epoch} epochs done) of {self.folder}")
        if self.is_main:
            filter_log(self.folder, lambda record: record.get("step", 0) <= position.step)  # steps after the checkpoint are repeated
            if computation:
                self._compute(computation, position)
            if threading.excepthook is threading.__excepthook__:
                threading.excepthook = _quiet_writer
            with self._named():
                self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=position.step + 1)

    def _compute(self, computation: Mapping[str, str | int], position: Position) -> None:
        """Log the computation, and report it if it differs from the one before."""
        path = self.folder / LOG
        self.computations = [r for r in read_log(self.folder) if computation.keys() <= r.keys()] if path.is_file() else []
        if self.computations and all(self.computations[-1][key] == value for key, value in computation.items()):
            return
        if self.computations:
            self.say(f"so far {computed(self.computations[-1:])}: from here the run differs from one that stayed there")
        self.computations.append({**computation, "step": position.step})
        self._log(self.computations[-1])

    @contextlib.contextmanager
    def display(self, epochs: int) -> Iterator[None]:
        """Show the progress bar inside the context."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),  # shrinks in a narrow terminal
            TextColumn("{task.percentage:.0f} %"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        try:
            with Progress(*columns, console=self.console, disable=not self._live, speed_estimate_period=300) as self.progress:
                done = min(self._epochs_done, epochs)
                place = f"epoch {min(done + 1, epochs)}/{epochs}"
                self.task = self.progress.add_task(place, total=1.0, figures="")
                self.progress.update(self.task, completed=done / epochs)
                self.epochs = epochs
                yield
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to report
                self._flush()
            raise
        finally:
            self.progress = None
        self._flush()

    def step(self, position: Position, epochs: float, progress: float, figures: Mapping[str, float], shown: str) -> None:
        """Report a step.

        Args:
            position: Position after the step.
            epochs: Epochs before the step.
            progress: Completed fraction of the run, in [0, 1].
            figures: For the log and TensorBoard.
            shown: Text for the terminal.
        """
        if not self.is_main:
            return
        now = time.monotonic()
        self._began = self._began or (now, progress)
        epoch = int(epochs) + 1
        if self.progress:
            place = f"epoch {epoch}/{self.epochs}"
            room = self.console.width - len(place) - OTHER_COLUMNS
            figures_shown = shown if len(shown) <= room else f"{shown[: max(0, room - 1)]}…"
            self.progress.update(self.task, completed=progress, figures=figures_shown, description=place)
        if not self._live and now - self._last_line > PLAIN_SECONDS:
            self._last_line = now
            began, at = self._began
            left = f" · {(now - began) * (1 - progress) / (progress - at) / 60:.0f} min left" if progress > at else ""
            self.say(f"epoch {epoch}/{self.epochs} · step {position.step} · {shown}{left}")
        self._log({"step": position.step, "epoch": round(epochs, 4), **{k: round(v, 6) for k, v in figures.items()}})
        unit = "audio_seconds" if "audio_seconds" in figures else "tokens"
        speed = {f"{unit}_per_second": position.heard / max(position.seconds, 1e-9)}
        self._draw({f"train/{name}": value for name, value in {**figures, **speed}.items()}, position.step)

    def evaluation(self, position: Position, figures: Mapping[str, float], shown: str, picture: Figure | None = None) -> None:
        """Report an evaluation as `step` does, with a picture for TensorBoard."""
        self.say(f"epoch {position.epoch} · step {position.step} · {shown}")
        self._log({"step": position.step, **{k: round(v, 4) for k, v in figures.items()}, "seconds": round(position.seconds, 1)})
        self._draw({f"dev/{name.removeprefix('dev_')}": value for name, value in figures.items()}, position.step, picture)
        self._flush()

    @property
    def _live(self) -> bool:
        return self.is_main and self.console.is_terminal

    def _draw(self, scalars: Mapping[str, float], step: int, picture: Figure | None = None) -> None:
        """Add points and a picture to TensorBoard's curves. Raises OSError naming their folder."""
        with self._named():
            if self.writer:
                for name, value in scalars.items():
                    self.writer.add_scalar(name, value, step)
                if picture is not None:
                    self.writer.add_figure("dev/attention", picture, step)

    def _flush(self) -> None:
        with self._named():
            if self.writer:
                self.writer.flush()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Make errors of TensorBoard's files, which its thread has met before, name their folder."""
        try:
            yield
        except OSError as e:
            raise OSError(e.errno, e.strerror, str(self.folder / "tensorboard")) from None

    def _log(self, record: dict[str, object]) -> None:
        if self.is_main:
            append_log(self.folder, record)


def _quiet_writer(failure: threading.ExceptHookArgs) -> None:
    """Print the traceback of a failed thread, except of TensorBoard's writer: its next call raises the same error."""
    if not type(failure.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(failure)


def computed(computations: Sequence[Mapping[str, Any]]) -> str:
    """Describe computations in words: `bf16 on NVIDIA H200; fp32 on cpu from step 120`."""
    words = []
    for c in computations:
        processes = f", {c['processes']} processes" if c["processes"] != 1 else ""
        words.append(f"{c['precision']} on {c['device']}{processes}" + (f" from step {c['step']}" if c["step"] else ""))
    return "; ".join(words)
