"""Addresses to listen at, how they are printed, and a log that does not grow with every mistake of a client."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import serve_support  # noqa: F401 - the server's packages are there

from asr.errors import AsrError
from asr.serve import run


@contextmanager
def listening(host: str) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        try:
            listeners = run.listen(host, 0)
        except AsrError as e:
            if ":" in host:
                pytest.skip(f"no IPv6 on this machine: {e}")
            raise
        for one in listeners:
            stack.enter_context(one)
        yield listeners


@pytest.mark.parametrize(
    ("host", "shown", "loopback"),
    [
        ("127.0.0.1", "http://127.0.0.1:{}", True),
        ("127.0.0.2", "http://127.0.0.2:{}", True),
        ("localhost", "http://localhost:{}", True),
        ("::1", "http://[::1]:{}", True),
        ("0.0.0.0", "http://127.0.0.1:{} (and at every other address of this machine)", False),
        ("::", "http://[::1]:{} (and at every other address of this machine)", False),
    ],
)
def test_an_address_that_works_is_shown(host: str, shown: str, loopback: bool) -> None:
    with listening(host) as listeners:
        port = listeners[0].getsockname()[1]
        assert run.describe(host, listeners) == shown.format(port)
        assert all(run._is_loopback(one) for one in listeners) == loopback
        name = shown.split("/")[2].rsplit(":", 1)[0].strip("[]")
        socket.create_connection((name, port), timeout=5).close()


async def accept(listener: socket.socket) -> int:
    """Return the value of TCP_NODELAY of an accepted connection."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    with socket.create_connection(listener.getsockname()[:2]):
        connection, _ = await loop.sock_accept(listener)
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, connection)
        value = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
        return int(value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_responses_are_not_delayed(host: str) -> None:
    """With Nagle's algorithm, the body of a response waits about 40 ms for the acknowledgement of its head."""
    with listening(host) as listeners:
        assert asyncio.run(accept(listeners[0])) != 0


def test_a_host_name_listens_on_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "192.0.2.1", "127.0.0.3", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with listening("name") as listeners:  # without the one that this machine has not, and that it would have twice
        assert [one.getsockname()[0] for one in listeners] == ["127.0.0.2", "127.0.0.3"]
        assert len({one.getsockname()[1] for one in listeners}) == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "", "no..name", "a" * 300, "300.1.1.1"])
def test_an_address_in_use(host: str) -> None:
    with pytest.raises(AsrError, match=r"^--host .*: cannot listen: ") as caught:
        run.listen(host, 0)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_message_is_logged_a_few_times_then_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(run.time, "monotonic", lambda: now[0])
    sparing = run.RateLimit()

    def passed(message: str, *arguments: object) -> str | None:
        record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, message, arguments, None)
        return record.getMessage() if sparing.filter(record) else None

    assert [passed("bad %d", i) for i in range(7)] == [*(f"bad {i}" for i in range(5)), None, None]
    assert passed("other") == "other"
    now[0] = 11.0
    assert passed("bad %d", 7) == "bad 7 (and 2 more times before)"
    assert passed("bad %d", 8) == "bad 8"
