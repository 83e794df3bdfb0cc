"""Ctrl-C and SIGTERM, asked politely: the loop ends after its step, with a checkpoint."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """`asked` turns True at the first signal; a second one ends the program at once. Tells so on standard error, if it `speaks`."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, speaks: bool = False) -> None:
        self.speaks = speaks
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
        if self.speaks:
            with contextlib.suppress(OSError):  # not by print, which may be what the signal came into
                os.write(2, b"\nstopping after this step, with a checkpoint; once more to stop at once\n")
