#!/usr/bin/env python3
"""Whether `asr serve` keeps its promises to good clients while others send broken, slow and dropped uploads.

    python benchmarks/serve_soak.py                                   # 16 clients for ten minutes, and two quiet minutes before and after
    python benchmarks/serve_soak.py --seconds 60 --quiet 20           # sooner
    python benchmarks/serve_soak.py --profile fast --interval 4       # a quicker search, and more requests

Four good clients send a clip of examples/ each few seconds, throughout. In the second of three phases twelve others join them:

- broken: files that are no recordings, forms that are none, requests that are not HTTP, heads and chunks that are costly to parse;
- slow: uploads that drip, stall, or never end their head; one kind is slow but within the limits, and must be answered;
- dropped: connections closed in the head, in the body, after the body, or while the answer is on its way.

Prints the figures, each with the wanted value: texts as offline, no answer of status 500, the latencies of the good clients in each phase,
memory, descriptors, log lines, and files left in the temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from running_server import Running, server

from asr.config import EMBEDDED
from asr.console import one_line_errors
from asr.decode.profiles import Profile, in_profile
from asr.memory import limit_kernel_cache
from asr.model.checkpoint import load_model
from asr.transcribe import Transcriber

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PATHS = ("/v1/audio/transcriptions", "/page/transcription")
START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
END = b"\r\n--b--\r\n"
ANSWER_SECONDS = 300.0  # a client's patience


@dataclass(frozen=True)
class Clip:
    """A recording, and its text offline."""

    content: bytes
    text: str


@dataclass
class Tally:
    """Outcomes of the clients of one phase."""

    latencies: list[float] = field(default_factory=list)
    """of good clients (s)"""
    wrong: list[str] = field(default_factory=list)
    """texts other than offline"""
    failures: Counter[str] = field(default_factory=Counter)
    """of good clients"""
    answers: Counter[str] = field(default_factory=Counter)
    """statuses, by kind of client"""


@dataclass
class Target:
    """The server, and the clips to send."""

    host: str
    port: int
    clips: list[Clip]
    tally: Tally = field(default_factory=Tally)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def head(self, length: int | None, dice: random.Random) -> bytes:
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        kind = "Content-Type: multipart/form-data; boundary=b"
        return f"POST {dice.choice(PATHS)} HTTP/1.1\r\nHost: {self.host}\r\n{kind}\r\n{size}\r\nConnection: close\r\n\r\n".encode()

    def form(self, dice: random.Random) -> bytes:
        return START + dice.choice(self.clips).content + END


async def read_status(reader: asyncio.StreamReader) -> str:
    """Status of the answer, or `closed`."""
    with suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(-1), ANSWER_SECONDS)
        if found := re.match(rb"HTTP/1.1 (\d+)", answer):
            return found[1].decode()
    return "closed"


async def good(target: Target, client: httpx.AsyncClient, dice: random.Random) -> None:
    clip, tally, began = dice.choice(target.clips), target.tally, time.monotonic()
    try:
        answer = await client.post(PATHS[0], files={"file": ("a.flac", clip.content)})
    except httpx.TransportError as e:
        tally.failures[type(e).__name__] += 1
        return
    if answer.status_code != 200:
        tally.failures[str(answer.status_code)] += 1
        return
    tally.latencies.append(time.monotonic() - began)
    if (text := answer.json()["text"]) != clip.text:
        tally.wrong.append(text)


async def broken(target: Target, dice: random.Random) -> str:
    """A whole request with something wrong in it."""
    clip = dice.choice(target.clips).content
    content = dice.choice(
        [b"", b"no sound", clip[:40], dice.randbytes(50_000), b"RIFF\xff\xff\xff\x7fWAVEfmt ", clip[: len(clip) // 2], b"#EXTM3U\nfile:///"]
    )
    form = START + content + END
    request = dice.choice(
        [
            target.head(len(form), dice) + form,
            target.head(len(form), dice) + form,
            target.head(len(form), dice) + form,
            target.head(len(form) - 4, dice) + form[:-4],
            target.head(2**40, dice),
            target.head(8, dice) + b"no form!",
            target.head(20_000, dice) + (b"--b\r\n" + b"a: b\r\n" * 4000)[:20_000],
            target.head(None, dice) + b"1\r\na\r\n" * 20_000,
            target.head(None, dice) + b"zzz\r\n",
            target.head(30, dice).replace(b"multipart/form-data", b"text/plain") + b"x" * 30,
            target.head(0, dice).replace(b"POST", b"BREW"),
            b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 20_000 + b"\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ]
    )
    async with target.connection() as (reader, writer):
        with suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
        return await read_status(reader)


async def slow(target: Target, dice: random.Random) -> str:
    """Bytes that come slowly, or no more."""
    clip = dice.choice(target.clips)
    form = START + clip.content + END
    kind, rate, whole = dice.choice(
        [("drips", 8, False), ("trickles", 4096, False), ("stalls", 0, False), ("keeps to the limit", 40_000, True), ("head", 8, False)]
    )
    request = target.head(len(form), dice) + form
    sent = len(request) - len(form) + len(form) // 2 if kind == "stalls" else 20 if kind == "head" else len(request) - len(form)
    async with target.connection() as (reader, writer):
        answer = asyncio.ensure_future(read_status(reader))
        with suppress(ConnectionError):
            writer.write(request[:sent])
            while sent < len(request) and not answer.done() and rate:
                await asyncio.wait([answer], timeout=0.5)
                writer.write(request[sent : sent + rate // 2])
                await writer.drain()
                sent += rate // 2
        status = await answer
        if whole and status not in ("200", "429"):
            target.tally.failures[f"slow within the limits: {status}"] += 1
        return status


async def dropped(target: Target, dice: random.Random) -> str:
    """A connection that its client closes, in either way of closing."""
    form = target.form(dice)
    request = target.head(len(form), dice) + form
    at = dice.choice([0, 30, len(request) - len(form), dice.randrange(len(request)), len(request), len(request)])
    async with target.connection() as (_, writer):
        if dice.random() < 0.5:  # with a reset
            own = writer.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(request[:at])
        await writer.drain()
        await asyncio.sleep(dice.choice([0.0, 0.1, 1.0]))
    return "left"


HOSTILE: dict[str, Callable[[Target, random.Random], Awaitable[str]]] = {"broken": broken, "slow": slow, "dropped": dropped}


async def soak(target: Target, seconds: float, good_clients: int, hostile_each: int, interval: float, pause: float) -> Tally:
    """Run the clients for a while.

    Args:
        interval: seconds from one request of a good client to its next, or more if it waits longer for the answer.
        pause: mean seconds from the end of a hostile client's request to its next.
    """
    target.tally = tally = Tally()
    until = time.monotonic() + seconds

    async def one_good(number: int) -> None:
        dice = random.Random(number)
        await asyncio.sleep(interval * number / good_clients)
        async with httpx.AsyncClient(base_url=f"http://{target.host}:{target.port}", timeout=ANSWER_SECONDS) as client:
            while time.monotonic() < until:
                next_one = time.monotonic() + interval
                await good(target, client, dice)
                await asyncio.sleep(max(0.0, min(next_one, until) - time.monotonic()))

    async def one_hostile(kind: str, number: int) -> None:
        dice = random.Random(f"{kind} {number}")
        while time.monotonic() < until:
            try:
                tally.answers[f"{kind} {await HOSTILE[kind](target, dice)}"] += 1
            except (OSError, asyncio.TimeoutError) as e:
                tally.answers[f"{kind} {type(e).__name__}"] += 1
            await asyncio.sleep(dice.uniform(0, 2 * pause))

    await asyncio.gather(
        *(one_good(i) for i in range(good_clients)), *(one_hostile(kind, i) for kind in HOSTILE for i in range(hostile_each))
    )
    return tally


def clips(profile: Profile) -> list[Clip]:
    limit_kernel_cache()
    model = Transcriber(in_profile(load_model(EMBEDDED), profile, "fp32"), nbest=1)
    return [Clip(path.read_bytes(), model.transcribe(path).text) for path in sorted(EXAMPLES.glob("*.flac"))]


def figure(name: str, value: str, wanted: str = "") -> None:
    print(f"{name:<44} {value:<34} {wanted}", flush=True)


def latency(name: str, tally: Tally) -> tuple[float, float]:
    """Print and return median and 95 % of the good clients' latencies (s)."""
    p50, p95 = np.quantile(tally.latencies or [float("nan")], [0.5, 0.95])
    figure(f"good clients, {name}", f"{len(tally.latencies)} answers, {p50:.2f} s, {p95:.2f} s", "median, 95 %")
    return float(p50), float(p95)


async def watch(running: Running, seen: list[tuple[float, int]]) -> None:
    """Note memory and descriptors every few seconds."""
    while True:
        seen.append((running.memory(), running.descriptors()))
        await asyncio.sleep(5)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="with all clients")
    parser.add_argument("--quiet", type=float, default=120.0, help="seconds with the good clients alone, before and after")
    parser.add_argument("--good", type=int, default=4, help="good clients")
    parser.add_argument("--hostile", type=int, default=4, help="clients of each hostile kind")
    parser.add_argument("--interval", type=float, default=8.0, help="seconds between two requests of a good client")
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between two requests of a hostile client")
    parser.add_argument("--profile", choices=["fast", "balanced", "accurate"], default="balanced", help="of the search, in fp32")
    given = parser.parse_args()
    figure("machine", f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    recordings = clips(given.profile)
    options = ("--device", "cpu", "--precision", "fp32", "--profile", given.profile)
    with server(*options) as running:
        target = Target(*running.address, recordings)

        def phase(seconds: float, hostile: int) -> tuple[Tally, list[tuple[float, int]]]:
            seen: list[tuple[float, int]] = []

            async def both() -> Tally:
                watching = asyncio.ensure_future(watch(running, seen))
                tally = await soak(target, seconds, given.good, hostile, given.interval, given.pause)
                watching.cancel()
                return tally

            return asyncio.run(both()), seen

        before, seen_before = phase(given.quiet, 0)
        latency("quiet, before", before)
        during, seen = phase(given.seconds, given.hostile)
        _, p95 = latency("with the others", during)
        after, seen_after = phase(given.quiet, 0)
        latency("quiet, after", after)
        _, quiet95 = latency("quiet, both", Tally(before.latencies + after.latencies))
        figure("  95 % by that of the quiet phases", f"{p95 / quiet95:.2f}")
        time.sleep(2)
        memory = [one for one, _ in seen]
        third = max(1, len(memory) // 3)
        metrics, log, files = running.metrics(), running.log.read_text(), running.files()
        requests = sum(float(n) for n in re.findall(r"^asr_requests_total\S* (\S+)$", metrics, re.MULTILINE))
        lines = log.count("\n")
        figure("texts other than offline", str(len(before.wrong + during.wrong + after.wrong)), "wanted: 0")
        figure("failures", str(dict(before.failures + during.failures + after.failures) or 0), "wanted: 0")
        figure("answers to the others", ", ".join(f"{kind}: {n}" for kind, n in sorted(during.answers.items())))
        figure("answers of status 500 and above", str(len(re.findall(r'" 5\d\d', log))), "wanted: 0")
        figure("tracebacks in the log", str(log.count("Traceback")), "wanted: 0")
        figure("log lines, requests for a transcript", f"{lines}, {requests:.0f}", "a line a request")
        figure(
            "memory (MiB): quiet, first and last third, quiet",
            f"{seen_before[-1][0]:.0f}, {max(memory[:third]):.0f}, {max(memory[-third:]):.0f}, {seen_after[-1][0]:.0f}",
        )
        figure(
            "descriptors: quiet, most, quiet, end",
            f"{seen_before[0][1]}, {max(n for _, n in seen)}, {seen_after[-1][1]}, {running.descriptors()}",
        )
        figure("temporary files", str(files or 0), "wanted: 0")
        for name in ("asr_requests_under_way", "asr_uploads_under_way"):
            value = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
            figure(name, value[1] if value else "?", "wanted: 0")


if __name__ == "__main__":
    main()
