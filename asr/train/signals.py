"""SIGINT (Ctrl-C) and SIGTERM during training.

The first signal ends the loop after its step, with a checkpoint. The second ends the process at once, and so does any signal outside the loop.

A signal handler runs on the stack of the thread that it interrupts. In the backward pass of an LSTM on a CPU, oneDNN's just-in-time fp32
matrix product points the stack register into the heap, and a handler that runs then overwrites the heap (oneDNN issue 4845, fixed by
its pull request 4855; torch 2.11.0 has the bug, torch 2.14.1 does not). So `asr train` blocks both signals before torch is imported, and a
dedicated thread receives them (`signal_thread`). All later threads inherit the mask, and no handler ever runs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPED = 130  # exit code for both signals
SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"  # and clear the line of the progress bar, which hides the cursor


class Interruption:
    """A context in which the first signal sets `requested`, and the second ends the program.

    Inside `signal_thread`, the thread receives the signals. Elsewhere, as when `Trainer` is used from Python, handlers are installed if this is
    the main thread, and the second signal raises KeyboardInterrupt. Handlers are safe with torch 2.14.1 or newer, and on a GPU. With an older
    torch on a CPU, enter `signal_thread` before torch is imported.

    Args:
        announce: Print a line on standard error when the first signal arrives.
    """

    def __init__(self, announce: bool = False) -> None:
        self.announce = announce
        self.requested = False
        self._process = os.getpid()

    def __enter__(self) -> Interruption:
        self._before = {}
        if _thread is not None:
            _thread.interruption = self
        elif threading.current_thread() is threading.main_thread():  # no other thread can install handlers
            self._before = {s: signal.signal(s, self._handle) for s in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if _thread is not None:
            _thread.interruption = None
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def request(self) -> bool:
        """Request a stop. Returns whether this is the first request."""
        first, self.requested = not self.requested, True
        if first and self.announce:
            with contextlib.suppress(OSError):  # not print: the signal may have interrupted a print
                os.write(2, b"\nstopping after this step, with a checkpoint; once more to stop at once\n")
        return first

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._process and not self.request():  # a forked process inherits the handler
            raise KeyboardInterrupt


class _SignalThread(threading.Thread):
    """Receive the blocked signals one by one, until `end`."""

    def __init__(self) -> None:
        super().__init__(name="signals", daemon=True)
        self.interruption: Interruption | None = None
        self.last_lines: Callable[[], Iterable[str]] = lambda: ["error: stopped"]
        self._over = False

    def run(self) -> None:
        while True:
            signal.sigwait(SIGNALS)
            if self._over:
                return
            interruption = self.interruption
            if interruption is None or not interruption.request():
                _exit_at_once(self.last_lines)

    def end(self) -> None:
        self._over = True
        if self.ident is not None:
            signal.pthread_kill(self.ident, signal.SIGTERM)  # blocked in that thread, so it only ends sigwait
        self.join()


_thread: _SignalThread | None = None


@contextlib.contextmanager
def signal_thread() -> Iterator[None]:
    """Block SIGINT and SIGTERM in this thread and all threads that it starts, and receive them in a dedicated thread.

    Enter it before torch and numpy are imported, since their threads must inherit the mask. A signal outside an `Interruption` ends the
    process at once. Checkpoints are written atomically, so only one that is being written is lost. No effect on systems without signal
    masks (Windows).
    """
    global _thread
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    _thread = _SignalThread()
    _thread.start()
    try:
        yield
    finally:
        _thread.end()
        _thread = None
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def report_at_exit(lines: Callable[[], Iterable[str]]) -> None:
    """Set the lines that are printed when a signal ends the process at once. They are computed then, in the thread of the signals.

    Modules that `lines` imports must have been imported before: the main thread may hold the lock of an import. No effect outside
    `signal_thread`.
    """
    if _thread is not None:
        _thread.last_lines = lines


def ignore_signals(_: int = 0) -> None:
    """Ignore both signals, in a loader process. It ends with its parent.

    Ctrl-C and many cluster schedulers signal all processes of a group.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _exit_at_once(last_lines: Callable[[], Iterable[str]]) -> None:
    """End this process and its loader processes, even in the middle of a computation, and print the last lines on rank 0."""
    with contextlib.suppress(Exception):
        for child in multiprocessing.active_children():
            child.kill()
    if os.environ.get("RANK", "0") == "0":
        text = "error: stopped\n"
        with contextlib.suppress(Exception):
            text = "".join(f"{line}\n" for line in last_lines())
        with contextlib.suppress(OSError):
            terminal = os.dup(2)
            null = os.open(os.devnull, os.O_WRONLY)
            for descriptor in (1, 2):  # other threads, such as the progress bar's, must not write after these lines
                os.dup2(null, descriptor)
            os.write(terminal, (SHOW_CURSOR if os.isatty(terminal) else b"") + text.encode(errors="backslashreplace"))
    os._exit(STOPPED)
