"""Servers for tests: in a thread of the test's own process, at a port that was free."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn

from asr.config import SegmentConfig
from asr.serve.app import make_app
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

    def post(self, file: bytes | Path, url: str = "/v1/audio/transcriptions", name: str = "a.wav", **fields: str) -> httpx.Response:
        content = file.read_bytes() if isinstance(file, Path) else file
        return httpx.post(self.url + url, files={"file": (name, content)}, data=fields, timeout=120)

    def is_clean(self) -> bool:
        """No recording is left on the disk and no request counts as under way, within a moment."""
        for _ in range(100):
            if not list(self.service.folder.iterdir()) and self.service.metrics.under_way._value.get() == 0:
                return True
            time.sleep(0.05)
        return False


@contextmanager
def serving(load: Callable[[], Transcriber], settings: ServeSettings | None = None, wait: bool = True) -> Iterator[Live]:
    service = Service(load, settings or ServeSettings())
    server = uvicorn.Server(uvicorn.Config(make_app(service), port=0, log_level="warning", timeout_graceful_shutdown=30))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        while wait and not service.ready:
            assert service.failure is None, service.failure
            time.sleep(0.01)
        yield Live(service, url)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@dataclass
class Parrot:
    """In place of a model: says how long each segment is, when it is let."""

    let: threading.Event = field(default_factory=threading.Event)
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    batches: list[int] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    """it has been asked"""
    language: str = "en"

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | None]:
        self.begun.set()
        self.let.wait(60)
        self.batches.append(len(speech))
        return [said(one) for one in speech]


def said(speech: SpeechSegment) -> Segment:
    text = f"{speech.seconds:.3f}"
    end = speech.start + speech.seconds
    return Segment(speech.start, end, (Reading(text, (1,), 0.0, 0.0, 0.0),), (Word(text, speech.start, end, 1.0),))
