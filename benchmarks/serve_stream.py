#!/usr/bin/env python3
"""How soon the first text of a streamed transcription arrives.

    python benchmarks/serve_stream.py                              # 8 clients at once, recordings of 2 minutes
    python benchmarks/serve_stream.py --clients 1 --seconds 600    # one client, 10 minutes
    python benchmarks/serve_stream.py --stream-off                 # without stream=true, for comparison

Each client uploads one recording, made of the clips of examples/ in an order of its own. All start at the same moment. Prints, for each
client, the time to the first event and to the last one, and their ratio. The ratios can be compared on a busy machine; the times cannot.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import time
from pathlib import Path

import httpx
import numpy as np
import soundfile
from running_server import server

from asr.console import one_line_errors
from asr.speech.audio import load_audio

RATE = 16_000
PAUSE_SECONDS = 0.8
WANTED = 0.2
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def recording(seconds: float, seed: int) -> bytes:
    """Join clips in random order to a FLAC file of `seconds`."""
    dice, clips = random.Random(seed), [load_audio(path) for path in sorted(EXAMPLES.glob("*.flac"))]
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < seconds * RATE:
        parts += [dice.choice(clips), np.zeros(round(PAUSE_SECONDS * RATE), np.float32)]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts)[: round(seconds * RATE)], RATE, format="FLAC")
    return file.getvalue()


async def transcribe(client: httpx.AsyncClient, content: bytes, stream: bool) -> tuple[float, float]:
    """Return the seconds from the start of the upload to the first event, and to the end."""
    began, first = time.monotonic(), None
    fields = {"stream": "true"} if stream else {}
    async with client.stream("POST", "/v1/audio/transcriptions", files={"file": ("a.flac", content)}, data=fields) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if first is None and line and not line.startswith(":"):
                first = time.monotonic() - began
    end = time.monotonic() - began
    return first if first is not None else end, end


async def measure(url: str, contents: list[bytes], stream: bool) -> list[tuple[float, float]]:
    """Run one client per recording at once."""
    async with httpx.AsyncClient(base_url=url, timeout=1200, limits=httpx.Limits(max_connections=None)) as client:
        return list(await asyncio.gather(*(transcribe(client, content, stream) for content in contents)))


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of each recording")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--profile", default="balanced", help="of the search")
    parser.add_argument("--stream-off", action="store_true", help="request the whole transcript at once")
    options = parser.parse_args()
    contents = [recording(options.seconds, seed) for seed in range(options.clients)]
    with server("--threads", str(options.threads), "--device", "cpu", "--profile", options.profile) as running:
        asyncio.run(measure(running.url, [recording(20.0, 0)], True))  # warm up
        found = asyncio.run(measure(running.url, contents, not options.stream_off))
    for first, end in sorted(found):
        print(f"first event {first:7.2f} s   end {end:7.2f} s   ratio {first / end:.2f}")
    print(f"greatest ratio {max(first / end for first, end in found):.2f}, wanted: at most {WANTED:g}")


if __name__ == "__main__":
    main()
