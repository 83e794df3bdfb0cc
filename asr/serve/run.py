"""The server's process: from its first line to its last."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import uvicorn

from asr.errors import AsrError, UsageError
from asr.serve.app import make_app
from asr.serve.service import Service
from asr.serve.settings import ServeSettings
from asr.transcribe import Transcriber

KEEP_ALIVE_SECONDS = 65  # longer than a reverse proxy's usual 60: it shall be the one that hangs up


def run(load: Callable[[], Transcriber], settings: ServeSettings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is under way. Raises UsageError where the address cannot be had, and what `load` raises."""
    listener = _listen(host, port)

    def stop() -> None:
        server.should_exit = True

    service = Service(load, settings, on_failure=stop)
    config = uvicorn.Config(
        make_app(service),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.timeout_seconds + settings.upload_seconds),
        server_header=False,
    )
    server = _Server(config, service)
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises the one that stopped it again, once all is done
        signal.signal(number, lambda *_: stop())
    server.run([listener])
    if service.failure is not None:
        raise service.failure if isinstance(service.failure, AsrError) else AsrError(f"the model cannot be loaded: {service.failure}")


class _Server(uvicorn.Server):
    """Says that it is stopping as soon as it is told to."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stopping = True
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as e:
        raise UsageError(f"--host {host} --port {port}: cannot listen there: {e.strerror or e}") from None
    return listener
