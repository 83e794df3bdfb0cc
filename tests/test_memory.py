"""Memory goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr import memory
from asr.config import SegmentConfig
from asr.speech.audio import load_audio
from asr.speech.manifest import Utterance
from asr.speech.segment import RATE, SpeechSegment
from asr.speech.windows import End, Source, Window
from asr.transcribe import Transcriber, load_model
from asr.transcript import Reading, Segment, Transcript

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_memory_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    now = [0.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    trimmer = memory.Trimmer()
    monkeypatch.setattr(trimmer, "_malloc_trim", given.append)
    for now[0] in (0.1, 0.6, 0.7, 1.2):
        trimmer.trim()
    assert given == [0, 0]


FREED = """
import ctypes, os
from asr.memory import Trimmer

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
before = resident()
libc.free(libc.malloc(30 << 20))  # glibc takes its size for the new bound between kept and returned blocks
held = []
for _ in range(40):
    block = libc.malloc(4 << 20)
    ctypes.memset(block, 1, 4 << 20)
    held += [block, libc.malloc(200_000)]  # a block in use after each: the heap cannot shrink below it
for block in held[:-1:2]:
    libc.free(block)
kept = resident() - before
trimmer = Trimmer()
trimmer._last = float("-inf")
trimmer.trim()
print(round(kept), round(resident() - before))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc")
def test_large_blocks_between_blocks_in_use_are_returned() -> None:
    kept, grown = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout.split()
    assert int(kept) > 100  # MiB
    assert int(grown) < 20


def test_the_kernel_cache_is_bounded_unless_the_user_bounds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    memory.limit_kernel_cache()
    assert memory.os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "64"
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    memory.limit_kernel_cache()
    assert memory.os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"


def test_a_long_recording_holds_two_windows_and_its_text(monkeypatch: pytest.MonkeyPatch, embedded: Transcriber) -> None:
    """Memory is trimmed after every batch, and no segment is held once it has been recognised."""
    alive = most = trims = 0

    class Counted(SpeechSegment):
        def __init__(self, *values: object) -> None:
            nonlocal alive, most
            super().__init__(*values)  # type: ignore[arg-type]
            alive, most = alive + 1, max(most, alive + 1)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def trim(_: memory.Trimmer) -> None:
        nonlocal trims
        trims += 1

    def windows(sources: list[Source], config: SegmentConfig, seconds: float, stop: object, first: float) -> Iterator[Window]:
        for number in range(50):
            segments = [(0, Counted(10.0 * (4 * number + i), np.zeros(RATE, np.float32), 0.0, 1.0)) for i in range(4)]
            yield Window(segments, [End(0, 2_000.0, None)] if number == 49 else [], 40.0)

    heard = Segment(0.0, 1.0, (Reading("A", (1,), 0.0, {"attention": 0.0}),), ())
    monkeypatch.setattr("asr.transcribe.read_windows", windows)
    monkeypatch.setattr(Transcriber, "recognize", lambda _, speech: [replace(heard, start=one.start) for one in speech])
    monkeypatch.setattr(memory.Trimmer, "trim", trim)
    [transcript] = embedded.transcribe_many([Utterance("a", Path("a.wav"))])
    assert isinstance(transcript, Transcript)
    assert [segment.start for segment in transcript.segments] == [10.0 * i for i in range(200)]
    assert trims == 50
    assert (most <= 12, alive) == (True, 0)


def test_the_readings_that_nobody_asked_for_are_not_kept(embedded: Transcriber) -> None:
    """A beam of 16 would hold some 25 MB for three hours of speech."""
    speech = load_audio(EXAMPLES / "river.flac")
    for nbest, kept in ((1, 1), (3, 3), (None, 4)):
        transcriber = Transcriber(embedded.model, embedded.decode.model_copy(update={"beam": 4}), nbest=nbest)
        assert [len(segment.readings) for segment in transcriber.transcribe(speech).segments] == [kept]


@pytest.fixture(scope="module")
def embedded() -> Transcriber:
    return load_model(device="cpu", language_model="none")
