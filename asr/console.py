"""What commands and the programs of recipes/ and benchmarks/ share: errors of one line, notes, and progress bars.

Results go to standard output (`out`), everything else to standard error (`err`).
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
from asr.errors import AsrError, ManifestError
from asr.terminal import SafeConsole, one_line, print_result

out = SafeConsole()
err = SafeConsole(stderr=True)


def one_line_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate the main function of a program, so that an expected failure ends in one line and an exit code.

    An `AsrError` exits with its own code, an `OSError` such as a full disk and a closed output with 1, and Ctrl-C with 130. Other
    exceptions are bugs and pass.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with naming_dependencies():
                command(*args, **kwargs)
            if sys.stdout is not None:  # None: standard output was closed before the program started
                sys.stdout.flush()
        except AsrError as e:
            for problem in e.problems if isinstance(e, ManifestError) else str(e).split("\n"):
                print_error(problem)
            raise SystemExit(e.exit_code) from None
        except BrokenPipeError:
            if sys.stdout is not None:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at exit would fail again
            raise SystemExit(1) from None
        except OSError as e:
            name = f"{e.filename}: " if e.filename else ""
            hint = ": free some space and run the same command again" if e.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            print_error(f"{name}{e.strerror or e}{hint}")
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            print_error("stopped")
            raise SystemExit(130) from None

    return run


def print_error(message: str) -> None:
    """Print `error: message` to standard error, on one line."""
    err.print(one_line(f"error: {message}"), style="red")


def print_note(message: str) -> None:
    """Print a message to standard error, on one line."""
    err.print(one_line(message))


def print_line(text: str) -> None:
    """Print a line to standard output; above a progress bar if one is shown in the same terminal."""
    print_result(one_line(text))


def _progress(*columns: ProgressColumn, disable: bool) -> Progress:
    """Return a transient progress bar on standard error.

    Rich can redirect `print` to the bar's console, so that it appears above the bar. This is right only where standard output is the same
    terminal: into a file or a pipe the text would be lost.
    """
    same_terminal = sys.stdout is not None and sys.stdout.isatty()
    return Progress(*columns, console=err, transient=True, disable=disable, redirect_stdout=same_terminal)


@contextmanager
def progress_bar(task: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with the remaining time, or a spinner for a single step, in a terminal.

    Args:
        task: the text beside the bar.
        total: number of steps.

    Yields:
        A function that advances the bar by a number of steps.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    if total == 1:
        with err.status(f"{task} …"):
            yield lambda steps: None
        return
    with _progress(*columns, disable=not err.is_terminal or total == 0) as bar:
        number = bar.add_task(task, total=total)
        yield lambda steps: bar.advance(number, steps)


class AudioProgress:
    """Seconds of audio that are done, on a progress bar with the speed."""

    def __init__(self, bar: Progress, task: TaskID):
        self._bar, self._task = bar, task
        self._start, self._seconds = time.monotonic(), 0.0

    def advance(self, seconds: float) -> None:
        """Advance the bar by seconds of audio."""
        self._seconds += seconds
        self._bar.update(self._task, advance=seconds, done=format_duration(self._seconds), speed=self.speed)

    @property
    def speed(self) -> str:
        """The speed relative to real time, such as `85×`; empty during the first half second."""
        elapsed = time.monotonic() - self._start
        return f"{self._seconds / elapsed:.0f}×" if self._seconds and elapsed > 0.5 else ""


@contextmanager
def audio_progress(total: float) -> Iterator[AudioProgress]:
    """Show a progress bar over `total` seconds of audio, with speed and remaining time, in a terminal."""
    columns = (
        TextColumn("transcribing"),
        BarColumn(),
        TextColumn("{task.fields[done]} of {task.fields[total_clock]}  {task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with _progress(*columns, disable=not err.is_terminal) as bar:
        yield AudioProgress(bar, bar.add_task("", total=total, done="0:00", total_clock=format_duration(total), speed=""))


def format_duration(seconds: float) -> str:
    """Format seconds as `1:02:03`, or as `2:03` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
