"""Stop a command by a signal without losing or garbling what it writes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, a request to end, and the end of the terminal; Windows has no SIGHUP"""


class Stopped(KeyboardInterrupt):
    """The command was asked to stop.

    Attributes:
        exit_code: the exit code that shells use for the signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Stops:
    """Raise `Stopped` at the signals in `SIGNALS` within a block. Signals that the parent process ignores (`nohup`) stay ignored.

    Only the main thread can handle signals; in another one, the block changes nothing.
    """

    def __init__(self) -> None:
        self._held, self._waiting = False, 0
        self._before: dict[int, Any] = {}
        self._terminals: list[int] = []

    def __enter__(self) -> Stops:
        if threading.current_thread() is threading.main_thread():
            self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay a signal to the end of the block. A second one takes effect at once, as the block may wait for a pipe or a network."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        waiting, self._waiting = self._waiting, 0
        if waiting:
            raise Stopped(waiting)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        for descriptor in self._terminals:
            if not os.isatty(descriptor):  # the terminal was closed: writing to it would fail
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        if self._held and not self._waiting:
            self._waiting = number
        else:
            raise Stopped(number)
