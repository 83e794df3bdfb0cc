"""Ctrl-C and SIGTERM, asked politely: the loop ends after its step, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """`asked` turns True at the first signal; a second one ends the program at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # signals can be caught nowhere else
            self._before = {s: signal.signal(s, self._ask) for s in self.SIGNALS}
        else:
            self._before = {}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
