"""Signals that stop a command."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from asr.cli.stopping import SIGNALS, Stopped, Stops


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_with_its_exit_code(number: int) -> None:
    with pytest.raises(Stopped) as stopped, Stops():
        send(number)
    assert stopped.value.exit_code == 128 + number


def test_a_signal_waits_for_the_end_of_a_block() -> None:
    done = []
    with pytest.raises(Stopped), Stops() as stops:
        with stops.held():
            send(signal.SIGINT)
            done.append("held")
        done.append("after")
    assert done == ["held"]


def test_a_second_signal_does_not_wait() -> None:
    done = []
    with pytest.raises(Stopped) as stopped, Stops() as stops, stops.held():
        send(signal.SIGINT)
        done.append("first")
        send(signal.SIGTERM)
        done.append("second")
    assert done == ["first"]
    assert stopped.value.exit_code == 128 + signal.SIGTERM


def test_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Stops():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_an_ignored_signal_stays_ignored() -> None:
    """`nohup asr …` outlives its terminal."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Stops():
            send(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_may_run_the_command() -> None:
    done = []

    def run() -> None:
        with Stops() as stops, stops.held():
            done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]
