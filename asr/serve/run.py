"""The process of a server: sockets, signals, start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import uvicorn

from asr.errors import AsrError
from asr.serve.app import make_app
from asr.serve.connections import Connection, Server, fit_descriptors
from asr.serve.request_id import RequestId, log_config
from asr.serve.service import Service
from asr.serve.settings import ServeSettings
from asr.transcribe import Transcriber

KEEP_ALIVE_SECONDS = 65  # longer than the usual 60 of a reverse proxy, so that the proxy closes first
STOP_SECONDS = 30.0  # for which uploads in progress may finish while the server stops
UNSENT_BYTES = 128 * 2**10
"""Most bytes of a response in the kernel that the client has no room for. By default they are up to 4 MB, and the kernel takes more only once a
third of them is read: a client that reads slowly would seem not to read at all."""
LOG_SECONDS, LOG_RECORDS = 10.0, 5  # a message is logged at most LOG_RECORDS times in LOG_SECONDS

log = logging.getLogger("uvicorn.error")


def run(load: Callable[[], Transcriber], settings: ServeSettings, port: int, announce: Callable[[str], None], model: str) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in progress.

    Args:
        load: loads the model; called by a thread of the service.
        settings: limits.
        port: 0 for any free port.
        announce: called with a line for the user: once with the address, once when the model is ready.
        model: name of the model in that line.

    Raises:
        AsrError: the address cannot be used, or `load` failed.
    """
    listeners = listen(settings.host, port)
    settings = replace(settings, loopback=all(_is_loopback(one) for one in listeners))

    def stop() -> None:
        server.should_exit = True

    def ready(seconds: float) -> None:
        announce(f"ready: model {model}, loaded in {seconds:.1f} s")

    service = Service(load, settings, on_failure=stop, on_ready=ready)
    server = make_server(service, lambda: announce(f"listening on {describe(settings.host, listeners)}"))
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises the signal again at its end
        signal.signal(number, lambda *_: stop())
    try:
        server.run(listeners)
    finally:
        service.close()  # after a forced stop
    if service.failure is not None:
        raise service.failure if isinstance(service.failure, AsrError) else AsrError(f"the model cannot be loaded: {service.failure}")


def make_server(service: Service, on_listening: Callable[[], None] = lambda: None) -> Server:
    """Build the server of a service, to be run with its sockets."""
    settings = service.settings
    most = fit_descriptors(settings)
    service.admission.upload_limit = max(1, min(settings.uploads, 3 * most // 4))  # leaves connections for other requests and refusals
    config = uvicorn.Config(
        RequestId(make_app(service)),  # outermost, for the errors of the framework, too
        http=Connection,
        log_config=log_config(),
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.timeout_seconds + STOP_SECONDS),
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    if not any(isinstance(one, RateLimit) for one in log.filters):
        log.addFilter(RateLimit())
    return _Server(config, most, service, on_listening)


class _Server(Server):
    """Calls `on_listening`, and stops the service's uploads when it stops."""

    def __init__(self, config: uvicorn.Config, most: int, service: Service, on_listening: Callable[[], None]):
        super().__init__(config, most)
        self._service, self._on_listening = service, on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stopping = True
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._service.stop_uploads)
        await super().shutdown(sockets)


class RateLimit(logging.Filter):
    """Passes LOG_RECORDS records of a message in LOG_SECONDS, and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}
        """message without its arguments -> start of the current interval, and records in it"""

    def filter(self, record: logging.LogRecord) -> bool:
        message, now = str(record.msg), time.monotonic()
        began, count = self._seen.get(message, (now, 0))
        if now - began > LOG_SECONDS:
            if count > LOG_RECORDS:
                record.msg = f"{message.rstrip()} (and {count - LOG_RECORDS} more times before)"
            began, count = now, 0
        self._seen[message] = began, count + 1
        return count < LOG_RECORDS


def listen(host: str, port: int) -> list[socket.socket]:
    """Open sockets at every address of a host, all at one port. Raises AsrError if there is none."""
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = listeners[0].getsockname()[1] if listeners else port
            try:
                listeners.append(_bound(family, (address[0], chosen, *address[2:])))
            except OSError as e:
                if e.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
                absent = e  # this machine may lack one of several addresses of a name, such as ::1
        if absent is not None and not listeners:
            raise absent
    except (OSError, UnicodeError) as e:  # UnicodeError: a label of the name is empty or too long
        for one in listeners:
            one.close()
        reason = (isinstance(e, OSError) and e.strerror) or "not a host name"
        raise AsrError(f"--host {host} --port {port}: cannot listen: {reason}: choose another address or port") from None
    return listeners


def _bound(family: int, address: tuple[str | int, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # without the protocol, asyncio does not set TCP_NODELAY
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def describe(host: str, listeners: list[socket.socket]) -> str:
    """Return a URL that works on this machine, with a remark if the server listens at all addresses."""
    address, port = listeners[0].getsockname()[:2]
    everywhere = ipaddress.ip_address(address.partition("%")[0]).is_unspecified
    if everywhere:
        name = "[::1]" if ":" in address else "127.0.0.1"
    elif host.strip("[]") != address and ":" not in host:
        name = host  # it may have several addresses
    else:
        name = f"[{address}]" if ":" in address else address
    return f"http://{name}:{port}" + (" (and at every other address of this machine)" if everywhere else "")


def _is_loopback(listener: socket.socket) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback
    return False
