"""Connections that cannot wear the server out: uvicorn's HTTP/1.1 protocol with deadlines, and an accept loop with a limit.

uvicorn has a timeout for idle connections and none for a request whose head arrives slowly or never ends, for an answer that the client does
not read, or for closing. asyncio's own accept loop takes connections until no descriptor is left, then logs a traceback for each attempt
(150,000 in 100 s at 256 descriptors). Of the alternatives, hypercorn has that loop too. Granian has a timeout for heads and a limit of
connections, but runs the application in a child process and has no timeout for answers.

Every state in which the client has to act has a deadline:

| state | deadline |
|---|---|
| `head`: a request has begun to arrive, or none has come on a new connection | HEAD_SECONDS, then 408 |
| `idle`: between two requests | uvicorn's keep-alive timeout |
| `busy`: a request is being answered | the application's |
| `rest`: answered, but its body still arrives | REST_SECONDS |
| `stalled`: the client does not read the answer | STALL_SECONDS for each STALL_BYTES |
| `closing`: the last bytes are on their way | the same |

At the limit of connections, the client with most connections in a state other than `busy` and `stalled` loses its oldest one, if that is not
fresh.
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
from asr.serve.settings import ServeSettings

HEAD_SECONDS = 10.0
REST_SECONDS = 10.0
STALL_SECONDS, STALL_BYTES = 30.0, 48 * 2**10
SECONDS = {"head": HEAD_SECONDS, "rest": REST_SECONDS, "stalled": STALL_SECONDS, "closing": STALL_SECONDS}
HEAD_BYTES, HEADERS = 16 * 2**10, 100
HEAD_END = re.compile(rb"\r?\n\r?\n")
FREE_LINES, LINE_BYTES = 2000, 64  # a chunked body may have a line end for each 64 bytes, and 2,000 more; a recording has one for each 256
FRESH_SECONDS = 0.2  # for which a connection is safe in its state
FULL_PAUSE_SECONDS = 0.05  # between looks for room while no connection can go
ACCEPT_PAUSE_SECONDS = 1.0  # after a failed accept: descriptors or memory are short
FILES_PER_REQUEST = 3  # descriptors beside its connection: the recording, and what the decoders open
SPARE_FILES = 32  # descriptors left for everything else
UNKNOWN_OPEN_FILES = 64  # where the system does not list them

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
        error = self._costly(data)
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
        """Close at once; bytes that wait to be sent are lost."""
        self.transport.abort()

    @property
    def address(self) -> str:
        """The peer's."""
        return self.client[0] if self.client else ""

    @property
    def expendable(self) -> bool:
        """No request is lost with the connection."""
        return self.state not in ("busy", "stalled")

    @property
    def fresh(self) -> bool:
        """Its client has not yet had time to send a request."""
        return self.loop.time() - self.since < FRESH_SECONDS

    def _refuse(self, error: ApiError) -> None:
        """Answer in place of the application, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application answers no more
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = error.response()
            headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
            head = h11.Response(status_code=response.status_code, headers=headers, reason=STATUS_PHRASES[response.status_code])
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._watch()

    def _costly(self, data: bytes) -> ApiError | None:
        """The refusal of bytes that h11 would parse for long while the whole server waits: 0.6 s for 50,000 headers, 1.6 s for 44,000 chunks."""
        before = bytes(self.conn.trailing_data[0][-HEAD_BYTES:])
        self._chunked |= b"chunked" in before[-16:].lower() + data.lower()  # somewhere: requests may be pipelined
        if self.conn.their_state is h11.IDLE:
            self._received = self._lines = 0
            start = before + data[: HEAD_BYTES + 4]
            found = HEAD_END.search(start)
            if start.count(b"\n", 0, found.start() if found else len(start)) > HEADERS or (found is None and len(start) > HEAD_BYTES):
                message = f"the head of the request has more than {HEADERS} lines or {HEAD_BYTES // 2**10} KiB"
                return ApiError(431, message, code="head_too_large")
        if self._chunked:
            self._received += len(data)
            self._lines += data.count(b"\n")  # two for each chunk
            if self._lines > FREE_LINES + self._received / LINE_BYTES:
                return ApiError(400, "the body comes in chunks of a few bytes: send larger ones", code="chunks_too_small")
        return None

    def _watch(self) -> None:
        """Set the deadline of the state that the connection is in now; unchanged if the state is."""
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
    """Accepts connections at a socket, one at a time, while there is room. In place of an `asyncio.Server`, as far as uvicorn uses one."""

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
            await self._server.room()
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except ConnectionError:  # it was reset while it waited
                continue
            except OSError as e:
                log.warning("cannot accept connections for now: %s", e.strerror or e)
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            try:
                await loop.connect_accepted_socket(self._server.protocol, connection)
            except OSError:
                connection.close()


class Server(uvicorn.Server):
    """uvicorn's server with that accept loop."""

    def __init__(self, config: uvicorn.Config, most: int):
        super().__init__(config)
        self._most = most

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(1)
        self.servers: list[Any] = [Listener(one, self) for one in sockets or []]
        self.started = True

    def protocol(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def room(self) -> None:
        """Wait until there is room for one more connection."""
        connections: Any = self.server_state.connections
        if len(connections) >= self._most:
            log.warning("%d connections are open, as many as this server takes: those without a request give way", self._most)
        while len(connections) >= self._most:
            expendable = [one for one in connections if one.expendable]
            held = Counter(one.address for one in expendable)
            worst = max(expendable, key=lambda one: (held[one.address], -one.since), default=None)
            if worst is None or worst.fresh:
                await asyncio.sleep(FULL_PAUSE_SECONDS)
            else:
                worst.abort()
                await asyncio.sleep(0)  # in which it goes


def fit_descriptors(settings: ServeSettings) -> int:
    """Most connections for which the process has descriptors, the files of their requests included."""
    try:
        import resource
    except ImportError:  # Windows, whose sockets are no descriptors
        return settings.connections
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return settings.connections
    listed = Path("/proc/self/fd")
    left = limit - SPARE_FILES - (sum(1 for _ in listed.iterdir()) if listed.is_dir() else UNKNOWN_OPEN_FILES)
    requests = settings.requests + settings.uploads
    return max(1, min(settings.connections, max(left - FILES_PER_REQUEST * requests, left // (1 + FILES_PER_REQUEST))))
