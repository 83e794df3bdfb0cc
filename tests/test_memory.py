"""Memory is given back to the system, but not more often than it pays."""

from __future__ import annotations

import pytest

from asr import memory


def test_memory_is_given_back_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    now = [0.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    trimmer = memory.Trimmer()
    monkeypatch.setattr(trimmer, "_malloc_trim", given.append)
    for now[0] in (0.1, 0.6, 0.7, 1.2):
        trimmer.trim()
    assert given == [0, 0]
