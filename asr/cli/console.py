"""What every command does alike, scripts of recipes/ and benchmarks/ among them: results to standard output, all else to standard error,
a mistake in one line.

Heavy modules (torch, …) are imported in the commands that need them, so that `asr --help` answers at once.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn

from asr.dependencies import naming_dependencies
from asr.errors import AsrError
from asr.terminal import SafeConsole

out = SafeConsole()
err = SafeConsole(stderr=True)


def speaks_plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a user's mistake, a full disk or Ctrl-C into one line and an exit code. Serves any program, with typer or without."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with naming_dependencies():
                command(*args, **kwargs)
            if sys.stdout is not None:  # None: it was closed before we began
                sys.stdout.flush()
        except AsrError as e:
            for line in str(e).split("\n"):
                complain(line)
            raise SystemExit(e.exit_code) from None
        except BrokenPipeError:
            if sys.stdout is not None:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what reads our output has had enough
            raise SystemExit(1) from None
        except OSError as e:
            name = f"{e.filename}: " if e.filename else ""
            hint = ": free some space and run the same command again" if e.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            complain(f"{name}{e.strerror or e}{hint}")
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            complain("stopped")
            raise SystemExit(130) from None

    return run


def complain(message: str) -> None:
    err.print(f"error: {message}", markup=False, style="red")


def _progress(*columns: ProgressColumn, disable: bool) -> Progress:
    """A bar on standard error that goes when it is done. Rich would send what is printed there too, above the bar: right where
    standard output is the same terminal, and lost to a file or a pipe."""
    same = sys.stdout is not None and sys.stdout.isatty()
    return Progress(*columns, console=err, transient=True, disable=disable, redirect_stdout=same)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left, in a terminal and for more than one thing; nothing in a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with _progress(*columns, disable=not err.is_terminal or total < 2) as bar:
        task = bar.add_task(what, total=total)
        yield lambda n: bar.advance(task, n)


class Pace:
    """How fast recordings go by."""

    def __init__(self, bar: Progress, task: TaskID):
        self._bar, self._task = bar, task
        self._began, self._seconds = time.monotonic(), 0.0

    def advance(self, seconds: float) -> None:
        """Add `seconds` of finished recordings."""
        self._seconds += seconds
        self._bar.update(self._task, advance=seconds, done=clock(self._seconds), speed=self.speed)

    @property
    def speed(self) -> str:
        """Seconds of recordings per second, once known: `85×`."""
        passed = time.monotonic() - self._began
        return f"{self._seconds / passed:.0f}×" if self._seconds and passed > 0.5 else ""


@contextmanager
def audio_progress(total: float) -> Iterator[Pace]:
    """A bar over seconds of recordings, with their speed and the time left, in a terminal; nothing in a pipe."""
    columns = (
        TextColumn("transcribing"),
        BarColumn(),
        TextColumn("{task.fields[done]} of {task.fields[total_clock]}  {task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with _progress(*columns, disable=not err.is_terminal) as bar:
        yield Pace(bar, bar.add_task("", total=total, done="0:00", total_clock=clock(total), speed=""))


def clock(seconds: float) -> str:
    """`1:02:03`, or `2:03` under an hour."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
