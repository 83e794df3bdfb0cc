"""Places for simultaneous work: uploads in progress, and recordings in recognition.

An upload in progress holds no recognition place, so slow uploads cannot keep anyone from the model. Each kind has a total limit and a limit
per client. When uploads are at a limit, a new one displaces the slowest upload below the least rate, if there is one.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from fastapi import Request

from asr.serve.errors import ApiError
from asr.serve.metrics import Metrics
from asr.serve.settings import ServeSettings

SETTLED_SECONDS = 2.0  # age from which the rate of an upload is judged
IPV6_PREFIX = 64  # bits; one subscriber has a whole /64


def client_of(request: Request) -> str:
    """Address of the client; the /64 network of an IPv6 address."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


@dataclass(eq=False)
class Arrival:
    """An upload in progress."""

    client: str
    began: float
    received: int = 0
    """bytes"""
    refused: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Holds an ApiError once the server ends the upload early."""

    def refuse(self, error: ApiError) -> None:
        if not self.refused.done():
            self.refused.set_exception(error)
            self.refused.exception()  # marks it as seen: the upload may have ended at the same moment

    def rate(self, now: float) -> float:
        """Mean bytes/s since its beginning."""
        return self.received / max(now - self.began, 1e-3)


class Places:
    """Not thread-safe: only the event loop's thread may use it.

    Args:
        retry_after: returns the seconds after which a refused client should try again.
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics, retry_after: Callable[[], int]):
        self._settings, self._metrics, self._retry_after = settings, metrics, retry_after
        self.most_uploads = settings.uploads
        self._arrivals: set[Arrival] = set()
        self._recordings: Counter[str] = Counter()

    @contextmanager
    def upload(self, client: str) -> Iterator[Arrival]:
        """Hold an upload place. Raises ApiError 429 if there is none."""
        self._check_recognition(client)  # spares the client an upload in vain
        arrival = Arrival(client, asyncio.get_running_loop().time())
        share = max(1, self.most_uploads // 2)
        if sum(a.client == client for a in self._arrivals) >= share and not self._displace(client):
            raise self._full(f"{share} uploads from your address are in progress, as many as one client may have", "too_many_from_client")
        if len(self._arrivals) >= self.most_uploads and not self._displace():
            raise self._full(f"{self.most_uploads} uploads are in progress, as many as this server takes", "queue_full")
        self._arrivals.add(arrival)
        self._metrics.uploads.set(len(self._arrivals))
        try:
            yield arrival
        finally:
            self._arrivals.discard(arrival)
            self._metrics.uploads.set(len(self._arrivals))

    @contextmanager
    def recognition(self, client: str) -> Iterator[Callable[[], None]]:
        """Hold a place for a whole recording, until the end or until the yielded function is called. Raises ApiError 429 if there is none."""
        self._check_recognition(client)
        self._count(client, 1)
        with ExitStack() as stack:
            stack.callback(self._count, client, -1)
            yield stack.close

    def refuse_uploads(self, error: ApiError) -> None:
        """End all uploads in progress."""
        for arrival in list(self._arrivals):
            arrival.refuse(error)

    def _count(self, client: str, more: int) -> None:
        self._recordings[client] += more
        if not self._recordings[client]:
            del self._recordings[client]  # or the table grows with every client ever seen
        self._metrics.under_way.set(self._recordings.total())

    def _check_recognition(self, client: str) -> None:
        most, share = self._settings.requests, self._settings.requests_per_client
        if self._recordings.total() >= most:
            raise self._full(f"{most} requests are under way, as many as this server takes", "queue_full")
        if self._recordings[client] >= share:
            raise self._full(f"{share} requests from your address are under way, as many as one client may have", "too_many_from_client")

    def _displace(self, client: str | None = None) -> bool:
        """End the slowest of the uploads (of one client, or of all) that are below the least rate. Returns whether there was one."""
        now = asyncio.get_running_loop().time()
        slow = [
            a
            for a in self._arrivals
            if client in (None, a.client) and now - a.began > SETTLED_SECONDS and a.rate(now) < self._settings.upload_rate
        ]
        if not slow:
            return False
        slowest = min(slow, key=lambda a: a.rate(now))
        message = f"the upload was slower than {self._settings.upload_rate / 2**10:g} KiB/s and gave way to another: send it again by a faster connection"
        slowest.refuse(ApiError(408, message, code="upload_timeout", headers={"Connection": "close"}))
        self._arrivals.discard(slowest)
        return True

    def _full(self, what: str, code: str) -> ApiError:
        self._metrics.refused.inc()
        wait = self._retry_after()
        return ApiError(429, f"{what}: try again in {wait} s", code=code, headers={"Retry-After": str(wait)})
