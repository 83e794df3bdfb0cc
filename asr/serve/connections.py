"""Protection against connections that exhaust the server: uvicorn's HTTP/1.1 protocol with deadlines, and an accept loop with a limit.

uvicorn has a timeout for idle connections. It has none for a request whose head arrives slowly or never ends, for a response that the client
does not read, or for closing. asyncio's accept loop accepts connections until no descriptor is left, then logs a traceback for each
attempt. hypercorn uses the same loop. Granian has a timeout for heads and a limit of connections, but runs the application in a child process
and has no timeout for responses.

Every state in which the server waits for the client has a deadline:

| state | deadline |
|---|---|
| `head`: a request has begun to arrive, or none has come on a new connection | HEAD_SECONDS, then 408 |
| `idle`: between two requests | uvicorn's keep-alive timeout |
| `busy`: the application handles a request | the application's |
| `rest`: the response is sent, but the body of the request still arrives | REST_SECONDS |
| `stalled`: the client does not read the response | STALL_SECONDS for each STALL_BYTES |
| `closing`: the last bytes are being sent | the same |

At the limit of connections, the client with the most connections in states other than `busy` and `stalled` loses its oldest such connection,
unless that is fresh.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from asr.serve.errors import ApiError
from asr.serve.request_id import new_request_id, request_id_header
from asr.serve.settings import ServeSettings

HEAD_SECONDS = 10.0
REST_SECONDS = 10.0
STALL_SECONDS, STALL_BYTES = 30.0, 48 * 2**10
SECONDS = {"head": HEAD_SECONDS, "rest": REST_SECONDS, "stalled": STALL_SECONDS, "closing": STALL_SECONDS}
HEAD_BYTES, HEADERS = 16 * 2**10, 100
HEAD_END = re.compile(rb"\r?\n\r?\n")
FREE_LINES, LINE_BYTES = 2000, 64  # a chunked body may have a line end per 64 bytes, and 2,000 more; a recording has about one per 256
FRESH_SECONDS = 0.2  # for which a connection is not closed after a change of its state
FULL_PAUSE_SECONDS = 0.05  # between attempts at the limit, while no connection can be closed
ACCEPT_PAUSE_SECONDS = 1.0  # after a failed accept, for lack of descriptors or memory
FILES_PER_REQUEST = 3  # descriptors beside the connection: the recording, and files that the decoders open
SPARE_FILES = 32  # descriptors for everything else
ASSUMED_OPEN_FILES = 64  # where the system does not list open files

log = logging.getLogger("uvicorn.error")


class Connection(H11Protocol):
    """An HTTP/1.1 connection with deadlines, and errors in OpenAI's form."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.state, self.since = "", 0.0
        self._deadline: asyncio.TimerHandle | None = None
        self._unsent = 0  # bytes in the transport's buffer when the deadline was set
        self._begun = True  # the first head is due at once
        self._received = self._lines = 0  # bytes and line ends of a chunked body
        self._chunked = False
        super().connection_made(transport)  # type: ignore[arg-type]
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._begun = True
        error = self._check_cost(data)
        if error is None:
            super().data_received(data)
            self._watch()
        elif not self.transport.is_closing():
            self._refuse(error)

    def on_response_complete(self) -> None:
        self._begun = bool(self.conn.trailing_data[0])  # pipelined
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch()

    def shutdown(self) -> None:
        super().shutdown()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        self._refuse(ApiError(400, "the request is not valid HTTP/1.1", code="invalid_http"))

    def abort(self) -> None:
        """Close at once, without sending buffered bytes."""
        self.transport.abort()

    @property
    def address(self) -> str:
        """Address of the client."""
        return self.client[0] if self.client else ""

    @property
    def expendable(self) -> bool:
        """Whether the connection can be closed without losing a request."""
        return self.state not in ("busy", "stalled")

    @property
    def fresh(self) -> bool:
        """Whether the client has not yet had time to send a request."""
        return self.loop.time() - self.since < FRESH_SECONDS

    def _refuse(self, error: ApiError) -> None:
        """Respond in place of the application, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application must not respond
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = error.response()
            own = request_id_header(new_request_id())
            headers = [*self.server_state.default_headers, *response.raw_headers, own, (b"connection", b"close")]
            head = h11.Response(status_code=response.status_code, headers=headers, reason=STATUS_PHRASES[response.status_code])
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._watch()

    def _check_cost(self, data: bytes) -> ApiError | None:
        """Return an error for bytes that h11 would parse for so long that other clients wait: many headers, or many tiny chunks."""
        before = bytes(self.conn.trailing_data[0][-HEAD_BYTES:])
        self._chunked |= b"chunked" in before[-16:].lower() + data.lower()  # anywhere, because requests may be pipelined
        if self.conn.their_state is h11.IDLE:
            self._received = self._lines = 0
            start = before + data[: HEAD_BYTES + 4]
            found = HEAD_END.search(start)
            if start.count(b"\n", 0, found.start() if found else len(start)) > HEADERS or (found is None and len(start) > HEAD_BYTES):
                message = f"the head of the request has more than {HEADERS} lines or {HEAD_BYTES // 2**10} KiB: send fewer headers"
                return ApiError(431, message, code="head_too_large")
        if self._chunked:
            self._received += len(data)
            self._lines += data.count(b"\n")  # two per chunk
            if self._lines > FREE_LINES + self._received / LINE_BYTES:
                return ApiError(400, "the body has chunks of a few bytes: send larger chunks", code="chunks_too_small")
        return None

    def _watch(self) -> None:
        """Update the state, and set its deadline if it changed."""
        state = self._current()
        if state == self.state:
            return
        self.state, self.since = state, self.loop.time()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if state in SECONDS:
            self._unsent = self.transport.get_write_buffer_size()
            self._deadline = self.loop.call_later(SECONDS[state], self._expire)

    def _current(self) -> str:
        if self.transport.is_closing():
            return "closing"
        if self.flow.write_paused:
            return "stalled"
        if self.cycle is not None and not self.cycle.response_complete:
            return "busy"
        if self.conn.their_state is h11.IDLE:
            return "head" if self._begun else "idle"
        return "rest"

    def _expire(self) -> None:
        self._deadline = None
        unsent = self.transport.get_write_buffer_size()
        if self.state in ("stalled", "closing") and unsent <= self._unsent - STALL_BYTES:
            self._unsent = unsent
            self._deadline = self.loop.call_later(SECONDS[self.state], self._expire)
        elif self.state == "head" and self.conn.trailing_data[0]:
            message = f"the head of the request did not arrive within {HEAD_SECONDS:g} s"
            self._refuse(ApiError(408, message, code="head_timeout"))
        elif self.state in ("head", "rest"):
            self.transport.close()
            self._watch()
        else:
            self.abort()


class Listener:
    """Accepts connections at a socket while the server has room. Has the methods of `asyncio.Server` that uvicorn calls."""

    def __init__(self, listener: socket.socket, server: Server):
        self._listener, self._server = listener, server
        self._listener.setblocking(False)
        self._task = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        self._task.cancel()
        self._listener.close()

    async def wait_closed(self) -> None:
        await asyncio.wait([self._task])

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._server.wait_for_room()
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except ConnectionError:  # reset by the client in the meantime
                continue
            except OSError as e:
                log.warning("cannot accept connections, trying again in a second: %s", e.strerror or e)
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            try:
                await loop.connect_accepted_socket(self._server.protocol, connection)
            except OSError:
                connection.close()


class Server(uvicorn.Server):
    """uvicorn's server with `Listener` as its accept loop."""

    def __init__(self, config: uvicorn.Config, limit: int):
        super().__init__(config)
        self._limit = limit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(1)
        self.servers: list[Any] = [Listener(one, self) for one in sockets or []]
        self.started = True

    def protocol(self) -> Connection:
        """Create the protocol of a new connection."""
        return Connection(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def wait_for_room(self) -> None:
        """Wait until one more connection is allowed, and close an expendable one if need be."""
        connections: Any = self.server_state.connections
        if len(connections) >= self._limit:
            log.warning("%d connections are open, the limit of this server: those without a request are closed", self._limit)
        while len(connections) >= self._limit:
            expendable = [one for one in connections if one.expendable]
            held = Counter(one.address for one in expendable)
            worst = max(expendable, key=lambda one: (held[one.address], -one.since), default=None)
            if worst is None or worst.fresh:
                await asyncio.sleep(FULL_PAUSE_SECONDS)
            else:
                worst.abort()
                await asyncio.sleep(0)  # lets the loop close it


def fit_descriptors(settings: ServeSettings) -> int:
    """Return the limit of connections for which the process has descriptors, including the files of their requests."""
    try:
        import resource
    except ImportError:  # Windows, where sockets are not file descriptors
        return settings.connections
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return settings.connections
    listed = Path("/proc/self/fd")
    left = limit - SPARE_FILES - (sum(1 for _ in listed.iterdir()) if listed.is_dir() else ASSUMED_OPEN_FILES)
    requests = settings.requests + settings.uploads
    return max(1, min(settings.connections, max(left - FILES_PER_REQUEST * requests, left // (1 + FILES_PER_REQUEST))))
