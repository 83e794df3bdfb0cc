#!/usr/bin/env python3
"""How `asr serve` bears up under many clients at once.

    python benchmarks/serve.py                                        # 32 clients for 2 minutes, then 2,000 requests
    python benchmarks/serve.py --seconds 20 --requests 200            # sooner, and less to be trusted
    python benchmarks/serve.py --manifest dev.json                    # recordings of your own
    python benchmarks/serve.py --profile fast --lengths 2 6           # another search, other lengths (s)

Without a manifest, the clips of examples/ are joined to recordings of that length. Four runs, one after the other, on the same cores:

- offline: all recordings in batches, in this process, as `asr transcribe` does; also the texts that the server has to give back;
- batched: the server, each client sending its next recording as soon as it has the last one's text;
- one at a time: the same with batches of one;
- memory: so many requests more, and the server's resident memory on the way.

Prints the figures, each with what it should be. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import soundfile
from running_server import server

import asr
from asr.config import EMBEDDED
from asr.console import one_line_errors
from asr.decode.profiles import in_profile
from asr.errors import AsrError, UsageError
from asr.memory import limit_kernel_cache
from asr.model.checkpoint import load_model
from asr.speech.audio import load_audio, probe
from asr.speech.manifest import read_manifest
from asr.transcribe import Transcriber

RATE = 16_000
RECORDINGS = 64
PARTS = 10  # of the requests over which memory is watched
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@dataclass(frozen=True)
class Clip:
    """A recording, and what is to come back of it."""

    content: bytes
    seconds: float
    text: str


@dataclass
class Tally:
    """What came back."""

    latencies: list[float] = field(default_factory=list)
    audio: float = 0.0
    """seconds of recordings that were answered"""
    errors: Counter[str] = field(default_factory=Counter)
    other_text: int = 0
    """not the text that the recording has offline"""
    mixed_up: int = 0
    """but that of another recording"""


def recordings(manifest: Path | None, shortest: float, longest: float, folder: Path) -> list[Path]:
    """Files of `shortest` to `longest` seconds. Raises UsageError where the manifest has none."""
    if manifest:
        found = [u for u in read_manifest(manifest) if shortest <= (u.duration or probe(u.audio_filepath).seconds) <= longest]
        if not found:
            raise UsageError(f"{manifest}: no recording of {shortest:g} to {longest:g} s: choose others with --lengths")
        sounds = [load_audio(u.audio_filepath, RATE, u.offset, u.duration) for u in found[:RECORDINGS]]
    else:
        clips = [load_audio(path) for path in sorted(EXAMPLES.glob("*.flac"))]
        dice = random.Random(0)
        sounds = []
        for _ in range(RECORDINGS):
            length, parts = dice.uniform(shortest, longest), [dice.choice(clips)]
            while sum(map(len, parts)) / RATE < length:
                parts += [np.zeros(RATE // 4, np.float32), dice.choice(clips)]
            sounds.append(np.concatenate(parts)[: round(longest * RATE)])
    paths = [folder / f"{i}.flac" for i in range(len(sounds))]
    for path, sound in zip(paths, sounds, strict=True):
        soundfile.write(path, sound, RATE)
    return paths


def offline(transcriber: Transcriber, paths: list[Path], seconds: float) -> tuple[list[Clip], float]:
    """The recordings with their texts, and how many seconds of them are transcribed in a second."""
    texts: dict[int, str] = {}
    began, audio = time.monotonic(), 0.0
    while not texts or time.monotonic() - began < seconds:
        for i, found in enumerate(transcriber.transcribe_many(paths)):
            assert isinstance(found, asr.Transcript), found
            texts[i] = found.text
            audio += found.duration
    passed = time.monotonic() - began
    return [Clip(path.read_bytes(), probe(path).seconds, texts[i]) for i, path in enumerate(paths)], audio / passed


async def load(url: str, clips: list[Clip], clients: int, seconds: float = float("inf"), requests: int | None = None) -> Tally:
    """So many clients at once, for so long or for so many requests."""
    tally = Tally()
    texts = {clip.text for clip in clips}
    numbers, until = count(), time.monotonic() + seconds

    async def one_client(number: int, client: httpx.AsyncClient) -> None:
        dice = random.Random(number)
        while time.monotonic() < until and (requests is None or next(numbers) < requests):
            clip = dice.choice(clips)
            began = time.monotonic()
            try:
                answer = await client.post(f"{url}/v1/audio/transcriptions", files={"file": ("a.flac", clip.content)})
            except httpx.TransportError as e:
                tally.errors[type(e).__name__] += 1
                continue
            if answer.status_code != 200:
                tally.errors[str(answer.status_code)] += 1
                continue
            tally.latencies.append(time.monotonic() - began)
            tally.audio += clip.seconds
            text = answer.json()["text"]
            tally.other_text += text != clip.text
            tally.mixed_up += text != clip.text and text in texts

    async with httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None)) as client:
        await asyncio.gather(*(one_client(i, client) for i in range(clients)))
    return tally


def throughput(url: str, clips: list[Clip], clients: int, seconds: float) -> tuple[Tally, float]:
    asyncio.run(load(url, clips, clients, requests=clients))  # the first requests warm it up
    began = time.monotonic()
    tally = asyncio.run(load(url, clips, clients, seconds))
    return tally, tally.audio / (time.monotonic() - began)


def figure(what: str, value: str, wanted: str = "") -> None:
    print(f"{what:<44} {value:<26} {wanted}", flush=True)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=120.0, help="of load")
    parser.add_argument("--requests", type=int, default=2000, help="over which memory is watched")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--profile", choices=["fast", "balanced", "accurate"], default="balanced", help="of the search, offline and in the server"
    )
    parser.add_argument("--lengths", type=float, nargs=2, default=(5.0, 15.0), help="of the shortest and the longest recording (s)")
    asked = parser.parse_args()

    import torch

    torch.set_num_threads(asked.threads)
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    figure("machine", f"{platform.processor() or platform.machine()}, {asked.threads} threads, load {load_average:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        shortest, longest = asked.lengths
        paths = recordings(asked.manifest, shortest, longest, Path(folder))
        limit_kernel_cache()
        transcriber = Transcriber(in_profile(load_model(EMBEDDED), asked.profile), nbest=1)
        transcriber.transcribe(paths[0])
        clips, offline_speed = offline(transcriber, paths, asked.seconds / 4)
    del transcriber
    figure("recordings", f"{len(clips)}, {statistics.mean(c.seconds for c in clips):.1f} s on average")
    figure("offline", f"{offline_speed:.1f} x real time")

    options = ("--threads", str(asked.threads), "--device", "cpu", "--profile", asked.profile, "--max-requests", str(2 * asked.clients))
    with server(*options) as running:
        tally, speed = throughput(running.url, clips, asked.clients, asked.seconds)
    if not tally.latencies:
        raise AsrError(f"no answer at all: {dict(tally.errors)}")
    p50, p99 = np.quantile(tally.latencies, [0.5, 0.99])
    figure(f"{asked.clients} clients, batched", f"{speed:.1f} x real time", f"{len(tally.latencies)} answers in {asked.seconds:g} s")
    figure("  of offline", f"{speed / offline_speed:.0%}", "wanted: 70 % or more")
    figure("  errors", str(dict(tally.errors) or 0), "wanted: 0")
    figure("  mixed up", str(tally.mixed_up), "wanted: 0")
    figure("  other text than offline", str(tally.other_text), "rounding may tip a close decision")
    figure("  latency, median and 99 %", f"{p50:.2f} s, {p99:.2f} s")
    figure("  99 % by median", f"{p99 / p50:.1f}", "wanted: less than 5")

    with server(*options, "--batch-seconds", "1") as running:
        _, alone = throughput(running.url, clips, asked.clients, asked.seconds / 2)
    figure(f"{asked.clients} clients, one at a time", f"{alone:.1f} x real time")
    figure("  batched by that", f"{speed / alone:.1f}", "wanted: 2 or more")

    with server(*options) as running:
        memory = []
        for part in range(PARTS):
            asyncio.run(load(running.url, clips, asked.clients, requests=asked.requests // PARTS))
            memory.append(running.memory())
            figure(f"memory after {(part + 1) * (asked.requests // PARTS)} requests", f"{memory[-1]:.0f} MiB")
    figure(
        "  second half by first, the greatest of each", f"{max(memory[PARTS // 2 :]) / max(memory[: PARTS // 2]):.2f}", "wanted: 1.0, flat"
    )


if __name__ == "__main__":
    main()
