"""Uploads of many clients at once, slow and fast: none keeps another from the model."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import httpx
import pytest
from serve_support import EXAMPLES, Live, Parrot, said, serving

from asr.serve import connections, run
from asr.serve.settings import ServeSettings
from asr.speech.segment import SpeechSegment
from asr.transcript import Segment, Word

RIVER = (EXAMPLES / "river.flac").read_bytes()
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + RIVER + b"\r\n--b--\r\n"
PATH = "/v1/audio/transcriptions"


def head(length: int = len(FORM), path: str = PATH, more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n"
        f"Connection: close\r\n{more}\r\n"
    ).encode()


def answer(line: socket.socket) -> bytes:
    received = bytearray()
    while part := line.recv(1 << 16):
        received += part
    return bytes(received)


def wait_until(what: Callable[[], bool]) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


@contextmanager
def parrots(let: bool = True, **settings: float | tuple[str, ...]) -> Iterator[tuple[Live, Parrot]]:
    parrot = Parrot()
    if let:
        parrot.let.set()
    with serving(lambda: parrot, ServeSettings(**settings)) as live:  # type: ignore[arg-type, return-value]
        yield live, parrot
        parrot.let.set()
        assert live.is_clean()


def test_uploads_in_progress_hold_no_recognition_place() -> None:
    with parrots(requests=2) as (live, _), ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(live.connect()).sendall(head() + FORM[:1000])
        wait_until(lambda: live.figure("asr_uploads_under_way") == 20)
        assert live.figure("asr_requests_under_way") == 0
        assert live.post(RIVER).json()["text"] == "3.907"


def test_sixty_four_slow_uploads_lock_out_nobody() -> None:
    """Each sends a byte now and then. None lasts beyond the time that it may lag behind."""
    stop = threading.Event()
    with parrots(upload_seconds=2.0) as (live, _), ExitStack() as stack:
        lines = [stack.enter_context(live.connect()) for _ in range(64)]
        for line in lines:
            line.sendall(head() + FORM[:100])

        def drip() -> None:
            for i in range(100, len(FORM)):
                for line in list(lines):
                    try:
                        line.sendall(FORM[i : i + 1])
                    except OSError:
                        lines.remove(line)
                if stop.wait(0.2):
                    return

        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            dripping = pool.submit(drip)
            while lines and time.monotonic() - began < 30:
                assert live.post(RIVER).json()["text"] == "3.907"
                time.sleep(0.1)
            stop.set()
            dripping.result()
        assert not lines
        assert time.monotonic() - began < 15


def test_the_slowest_upload_is_dropped_for_a_new_one() -> None:
    with parrots(uploads=4, upload_seconds=60.0) as (live, _), ExitStack() as stack:
        lines = [stack.enter_context(live.connect()) for _ in range(2)]  # the share of one client
        for line in lines:
            line.sendall(head() + FORM[:1000])
        wait_until(lambda: live.figure("asr_uploads_under_way") == 2)
        early = live.post(RIVER)
        assert (early.status_code, early.json()["error"]["code"]) == (429, "too_many_from_client")
        time.sleep(2.1)  # from now on their rate counts
        assert live.post(RIVER).json()["text"] == "3.907"
        assert live.figure("asr_uploads_under_way") == 1
        ended = [line for line in lines if b"was ended for another" in peek(line)]
        assert len(ended) == 1


def peek(line: socket.socket) -> bytes:
    line.settimeout(0.5)
    try:
        return answer(line)
    except TimeoutError:
        return b""


def test_one_client_is_limited_to_its_share() -> None:
    with parrots(let=False, requests=5, requests_per_client=2) as (live, parrot), ExitStack() as stack:
        lines = [stack.enter_context(live.connect(source)) for source in ("127.0.0.2", "127.0.0.2", "127.0.0.2")]
        for line in lines[:2]:
            line.sendall(head() + FORM)
        wait_until(lambda: live.figure("asr_requests_under_way") == 2)
        lines[2].sendall(head() + FORM)
        refused = answer(lines[2])
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: " in refused
        assert b"too_many_from_client" in refused
        other = stack.enter_context(live.connect("127.0.0.3"))
        other.sendall(head() + FORM)
        wait_until(lambda: live.figure("asr_requests_under_way") == 3)
        parrot.let.set()
        assert all(b"3.907" in answer(line) for line in (*lines[:2], other))


@pytest.mark.parametrize(("trusted", "status"), [(("127.0.0.1",), 200), ((), 429), (("10.0.0.0/8",), 429)])
def test_a_proxy_names_its_clients_only_if_trusted(trusted: tuple[str, ...], status: int) -> None:
    with parrots(let=False, requests_per_client=1, trusted_proxies=trusted) as (live, parrot), live.connect() as line:
        line.sendall(head(more="X-Forwarded-For: 192.0.2.1\r\n") + FORM)
        wait_until(lambda: live.figure("asr_requests_under_way") == 1)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(httpx.post, live.url + PATH, files={"file": RIVER}, headers={"X-Forwarded-For": "192.0.2.2"}, timeout=60)
            wait_until(lambda: second.done() or live.figure("asr_requests_under_way") == 2)
            parrot.let.set()
            assert second.result().status_code == status
        assert b"3.907" in answer(line)


@pytest.mark.parametrize("path", [PATH, "/page/transcription"])
def test_leaving_after_the_upload_frees_the_place(path: str) -> None:
    with parrots(let=False, requests=2) as (live, _):
        for _ in range(6):
            with live.connect() as line:
                line.sendall(head(path=path) + FORM)
        assert live.is_clean()


class Chatty(Parrot):
    """Has more to say than the buffers on the way to the client hold."""

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | None]:
        return [replace(said(one), words=(Word("x" * 8_000_000, one.start, one.start + one.seconds, 1.0),)) for one in speech]


def test_an_unread_answer_holds_no_place() -> None:
    with serving(lambda: Chatty(), ServeSettings(requests=1)) as live, live.connect() as line:  # type: ignore[arg-type, return-value]
        line.sendall(head(path="/page/transcription") + FORM)
        wait_until(lambda: live.figure("asr_audio_seconds_total") > 0 and live.figure("asr_requests_under_way") == 0)
        assert live.post(RIVER).status_code == 200
        assert answer(line).endswith(b"}\n\r\n0\r\n\r\n")


def test_a_slowly_read_answer_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes several deadlines to read; in each, enough bytes leave the server."""
    monkeypatch.setitem(connections.SECONDS, "stalled", 2.0)
    with serving(lambda: Chatty()) as live, live.connect() as line:  # type: ignore[arg-type, return-value]
        line.sendall(head(path="/page/transcription") + FORM)
        received, end, began = 0, b"", time.monotonic()
        while part := line.recv(1 << 16):
            received, end = received + len(part), (end + part)[-20:]
            if time.monotonic() - began < 5:
                time.sleep(len(part) / 1_500_000)
    assert received > 8_000_000
    assert end.endswith(b"}\n\r\n0\r\n\r\n")


def test_a_body_that_stalls_late_has_the_same_deadline() -> None:
    """Bytes that came fast do not buy an hour of silence."""
    with parrots(upload_seconds=1.0) as (live, _), live.connect() as line:
        line.sendall(head(2**21) + FORM[:100] + b"\0" * 2**20)
        began = time.monotonic()
        assert answer(line).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 10


def test_a_slow_upload_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that finishes in time is answered; one that does not is refused, and the server ends."""
    monkeypatch.setattr(run, "STOP_SECONDS", 1.0)
    parrot = Parrot()
    parrot.let.set()
    with ExitStack() as stack:
        live = stack.enter_context(serving(lambda: parrot, ServeSettings(upload_seconds=60.0)))  # type: ignore[arg-type, return-value]
        slow, fast = live.connect(), live.connect()
        for line in (slow, fast):
            line.sendall(head() + FORM[:1000])
        wait_until(lambda: live.figure("asr_uploads_under_way") == 2)
        with ThreadPoolExecutor(1) as pool:
            began = time.monotonic()
            ended = pool.submit(stack.close)
            wait_until(lambda: live.service.stopping)
            fast.sendall(FORM[1000:])
            assert b"3.907" in answer(fast)
            assert b"the server is stopping" in answer(slow)
            ended.result()
        assert time.monotonic() - began < 15


def test_refused_bodies_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a refused upload goes to memory or to the disk, though it is read to its end."""
    with parrots(let=False, requests=1) as (live, parrot), live.connect() as line, live.connect() as large:
        line.sendall(head() + FORM)
        wait_until(lambda: live.figure("asr_requests_under_way") == 1)
        monkeypatch.setattr("asr.serve.uploads.FormParser", None)
        large.sendall(head(50 * 2**20))
        for _ in range(50):
            large.sendall(b"\0" * 2**20)
        assert answer(large).startswith(b"HTTP/1.1 429 ")
        parrot.let.set()
        assert b"3.907" in answer(line)
