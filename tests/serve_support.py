"""Servers for tests: in a thread of the test's own process, at a port that was free."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from asr.config import SegmentConfig
from asr.serve.run import listen, make_server
from asr.serve.service import Service
from asr.serve.settings import ServeSettings
from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber
from asr.transcript import Reading, Segment, Word

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


@dataclass
class Live:
    """A running server."""

    service: Service
    url: str
    others: set[str]
    """temporary files of the test's own process"""

    def post(self, file: bytes | Path, url: str = "/v1/audio/transcriptions", name: str = "a.wav", **fields: str) -> httpx.Response:
        content = file.read_bytes() if isinstance(file, Path) else file
        return httpx.post(self.url + url, files={"file": (name, content)}, data=fields, timeout=120)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection from some loopback address."""
        return socket.create_connection(self.address, timeout=30, source_address=(source, 0))

    def figure(self, name: str) -> float:
        """A value of /metrics."""
        [line] = [line for line in self.service.metrics.text().decode().splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])

    def is_clean(self) -> bool:
        """Within a moment, no recording is left on the disk, and no upload and no recording is under way."""
        for _ in range(100):
            busy = self.figure("asr_requests_under_way") + self.figure("asr_uploads_under_way")
            if not busy and temporary_files() <= self.others:
                return True
            time.sleep(0.05)
        return False


def temporary_files() -> set[str]:
    """Temporary files that this process holds open: anonymous ones (`/tmp/#123 (deleted)`), and those of a server's folder."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            name = str(descriptor.readlink())
            if name.startswith(f"{tempfile.gettempdir()}/#") or "/asr-serve-" in name:
                found.add(name)
    return found


@contextmanager
def serving(load: Callable[[], Transcriber], settings: ServeSettings | None = None, wait: bool = True) -> Iterator[Live]:
    service = Service(load, settings or ServeSettings())
    listeners, others = listen("127.0.0.1", 0), temporary_files()
    server = make_server(service)
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    thread = threading.Thread(target=server.run, args=[listeners])
    thread.start()
    try:
        url = f"http://127.0.0.1:{listeners[0].getsockname()[1]}"
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        while wait and not service.ready:
            assert service.failure is None, service.failure
            time.sleep(0.01)
        yield Live(service, url, others)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def node_modules(package: str) -> Path:
    """Return the folder of npm packages that holds `package`, or skip the test: $ASR_NODE_MODULES, or that of `npm install -g`."""
    npm = shutil.which("npm")
    named = os.environ.get("ASR_NODE_MODULES")
    root = named or (subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=True).stdout.strip() if npm else "")
    if not root or not (Path(root) / package).is_dir():
        pytest.skip(f"the npm package {package} is not installed: npm install -g {package}, or set ASR_NODE_MODULES to its node_modules")
    return Path(root)


@dataclass
class Parrot:
    """Stands in for a model: waits for `let`, then returns the length of each segment as its text."""

    let: threading.Event = field(default_factory=threading.Event)
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    readable: None = None
    batches: list[int] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    """`recognize` was called"""
    language: str = "en"

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | None]:
        self.begun.set()
        self.let.wait(60)
        self.batches.append(len(speech))
        return [said(one) for one in speech]


def said(speech: SpeechSegment) -> Segment:
    text = f"{speech.seconds:.3f}"
    end = speech.start + speech.seconds
    return Segment(speech.start, end, (Reading(text, (1,), 0.0, {"attention": 0.0}),), (Word(text, speech.start, end, 1.0),))
