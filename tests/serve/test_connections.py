"""Connections that want nothing good: they end in time, and everybody else is served meanwhile."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.serve import connections, run
from asr.serve.settings import ServeSettings

RIVER = EXAMPLES / "river.flac"
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    parrot = Parrot()
    parrot.let.set()
    with pytest.MonkeyPatch.context() as patch:
        for state, seconds in {"head": 1.0, "rest": 1.0, "stalled": 1.0, "closing": 1.0}.items():
            patch.setitem(connections.SECONDS, state, seconds)
        with serving(lambda: parrot, ServeSettings(connections=20)) as running:  # type: ignore[arg-type, return-value]
            yield running
            assert running.post(RIVER).json()["text"] == "3.907"  # after all that
            assert running.is_clean()


def until_closed(line: socket.socket) -> bytes:
    """Everything that the server sends until it closes the connection."""
    received = b""
    try:
        while part := line.recv(1 << 16):
            received += part
    except ConnectionResetError:
        pass
    return received


def error_of(answer: bytes) -> dict[str, str]:
    error: dict[str, str] = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_half_a_head_is_answered_in_time(live: Live) -> None:
    with live.connect() as line:
        line.sendall(HALF_A_HEAD)
        answer = until_closed(line)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert error_of(answer)["code"] == "head_timeout"


def test_dripping_bytes_do_not_extend_the_deadline(live: Live) -> None:
    began = time.monotonic()
    with live.connect() as line:
        line.sendall(HALF_A_HEAD)
        while time.monotonic() - began < 20:
            try:
                line.sendall(b"a")
            except OSError:
                break
            time.sleep(0.1)
    assert time.monotonic() - began < 10


def test_a_second_head_has_the_same_time(live: Live) -> None:
    with live.connect() as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + HALF_A_HEAD)
        answer = until_closed(line)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer


def test_a_silent_connection_is_closed_without_an_answer(live: Live) -> None:
    with live.connect() as line:
        assert until_closed(line) == b""


def test_many_half_heads_keep_nobody_out(live: Live) -> None:
    """Three times as many as there is room for: the oldest go, a request is answered at once."""
    with ExitStack() as stack:
        for _ in range(60):
            line = stack.enter_context(live.connect())
            line.sendall(HALF_A_HEAD)
        assert live.post(RIVER).json()["text"] == "3.907"


def test_an_address_at_its_limit_loses_its_own_connections(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit, the address with most idle connections loses one; that of another stays."""
    monkeypatch.setitem(connections.SECONDS, "head", 60.0)
    with live.connect("127.0.0.2") as other, ExitStack() as stack:
        other.sendall(HALF_A_HEAD)
        for _ in range(60):
            stack.enter_context(live.connect()).sendall(HALF_A_HEAD)
        assert httpx.get(f"{live.url}/healthz").status_code == 200
        other.sendall(b": a\r\n\r\n")
        assert other.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def test_an_unread_answer(live: Live) -> None:
    """The server's buffers are full of it; it gives the connection up."""
    requests = b"GET /swagger/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
    with ExitStack() as stack:
        for _ in range(30):
            line = stack.enter_context(live.connect())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(requests)
        assert live.post(RIVER).json()["text"] == "3.907"


def test_an_unexpected_body_is_ignored(live: Live) -> None:
    with live.connect() as line:
        line.sendall(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        began, answered = time.monotonic(), b""
        while time.monotonic() - began < 20:
            try:
                line.sendall(b"1000\r\n" + b"\0" * 4096 + b"\r\n")
            except OSError:
                break
            time.sleep(0.05)
        assert time.monotonic() - began < 10
        answered = until_closed(line)
        assert answered == b"" or answered.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("head", [b"a:b\r\n" * 50_000, b"a: " + b"b" * 100_000 + b"\r\n", b"a:b\r\n" * 101])
def test_a_large_head(live: Live, head: bytes) -> None:
    with live.connect() as line:
        with suppress(ConnectionError):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
        answer = until_closed(line)
    assert answer == b"" or error_of(answer)["code"] == "head_too_large"


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize("apart", [True, False])
def test_chunks_of_a_byte(live: Live, before: bytes, apart: bool) -> None:
    """Parsing them costs a thousand times what sending them does."""
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Transfer-Encoding: Chunked\r\n\r\n"
    )
    with live.connect() as line:
        with suppress(ConnectionError):
            if apart:
                line.sendall(before + head)
                head = before = b""
                time.sleep(0.1)
            line.sendall(before + head + b"1\r\na\r\n" * 40_000)
        answer = until_closed(line)
    assert not answer or b"chunks_too_small" in answer


def test_a_recording_in_chunks_without_a_length(live: Live) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + RIVER.read_bytes() + b"\r\n--b--\r\n"

    def parts() -> Iterator[bytes]:
        for i in range(0, len(form), 1000):
            yield form[i : i + 1000]

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert httpx.post(f"{live.url}/v1/audio/transcriptions", content=parts(), headers=kind).json()["text"] == "3.907"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"HEAD /healthz", 200), (b"HEAD /", 200), (b"OPTIONS /healthz", 405), (b"OPTIONS *", 404), (b"BREW /healthz", 405),
        (b"DELETE /v1/models", 405), (b"CONNECT localhost:443", 404), (b"GET http://localhost/healthz", 404), (b"GET /..%2f..%2fetc/passwd", 404),
        (b"TRACE /healthz", 405), (b"GET /static/../settings.py", 404), (b"\x16\x03\x01", 400), (b"GET  /healthz", 400),
    ],
)  # fmt: skip
def test_methods_and_addresses(live: Live, request_line: bytes, status: int) -> None:
    with live.connect() as line:
        line.sendall(request_line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = until_closed(line)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    _head, body = answer.split(b"\r\n\r\n", 1)
    if request_line.startswith(b"HEAD"):
        assert body == b""
    elif status >= 400:
        error_of(answer)


def test_an_upgrade_is_ignored(live: Live) -> None:
    with live.connect() as line:
        line.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_expects_continue(live: Live) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + RIVER.read_bytes() + b"\r\n--b--\r\n"
    head = (
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "Expect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
    )
    with live.connect() as line:
        line.sendall(head.format(len(form)).encode())
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
        line.sendall(form)
        assert b"3.907" in until_closed(line)
    with live.connect() as line:  # too large: it need not send anything
        line.sendall(head.format(2**40).encode())
        assert until_closed(line).startswith(b"HTTP/1.1 413 ")


def test_descriptors_that_run_out_are_logged_seldom(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    parrot = Parrot()
    parrot.let.set()
    failures = iter(range(30))

    class Poor:
        """A socket that has no descriptor for the next connections."""

        def __init__(self, own: socket.socket):
            self._own = own

        def __getattr__(self, name: str) -> object:
            return getattr(self._own, name)

        def accept(self) -> object:
            if next(failures, None) is not None:
                raise OSError(24, "Too many open files")
            return self._own.accept()

    monkeypatch.setattr(connections, "ACCEPT_PAUSE_SECONDS", 0.02)
    listen = run.listen
    monkeypatch.setattr("serve_support.listen", lambda *address: [Poor(one) for one in listen(*address)])
    with serving(lambda: parrot) as live:  # type: ignore[arg-type, return-value]
        assert httpx.get(f"{live.url}/healthz").status_code == 200
    said = capfd.readouterr().err
    assert 1 <= said.count("cannot accept connections, trying again in a second: Too many open files") <= run.LOG_RECORDS
    assert "Traceback" not in said
    assert next(failures, None) is None


def test_room_is_left_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    for limit in (256, 1024, 4096):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        most = connections.fit_descriptors(ServeSettings())
        requests = min(most, ServeSettings().requests + ServeSettings().uploads)
        assert 10 < most + connections.FILES_PER_REQUEST * requests < limit - 32


def test_requests_wait_for_room() -> None:
    """The only connection has a request: it is not given up, and the next are taken in their turn."""
    parrot = Parrot()
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + RIVER.read_bytes() + b"\r\n--b--\r\n"
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nConnection: close\r\n"
    with serving(lambda: parrot, ServeSettings(connections=1)) as live, ExitStack() as stack:  # type: ignore[arg-type, return-value]
        lines = []
        for _ in range(3):
            lines.append(stack.enter_context(live.connect()))
            lines[-1].sendall(head + b"Content-Length: %d\r\n\r\n" % len(form) + form)
        assert parrot.begun.wait(30)
        parrot.let.set()
        assert all(until_closed(line).startswith(b"HTTP/1.1 200 ") for line in lines)
