"""Admission control: limits of concurrent uploads, and of recordings in recognition.

An upload in progress does not count as a recording in recognition, so slow uploads cannot keep others from the model. Each kind has a total
limit and a limit per client. When uploads reach a limit, a new upload displaces the slowest one below the least rate, if any.
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

SETTLED_SECONDS = 2.0  # age of an upload from which its rate is judged
IPV6_PREFIX = 64  # bits: one subscriber has a whole /64


def client_address(request: Request) -> str:
    """Return the address of the client; of an IPv6 client, its /64 network."""
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
class PendingUpload:
    """An upload in progress."""

    client: str
    began: float
    received: int = 0
    """bytes"""
    refused: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """holds an ApiError once the server ends the upload early"""

    def refuse(self, error: ApiError) -> None:
        if not self.refused.done():
            self.refused.set_exception(error)
            self.refused.exception()  # marks it as retrieved: the upload may have ended at the same moment

    def rate(self, now: float) -> float:
        """Return the mean rate since the start (bytes/s)."""
        return self.received / max(now - self.began, 1e-3)


class Admission:
    """Counts concurrent work. Not thread-safe: for the event loop's thread only."""

    def __init__(self, settings: ServeSettings, metrics: Metrics, retry_after: Callable[[], int]):
        """Start with no work.

        Args:
            settings: the limits.
            metrics: show the counts.
            retry_after: returns the seconds after which a refused client should try again.
        """
        self._settings, self._metrics, self._retry_after = settings, metrics, retry_after
        self.upload_limit = settings.uploads
        self._uploads: set[PendingUpload] = set()
        self._recordings: Counter[str] = Counter()

    @contextmanager
    def upload(self, client: str) -> Iterator[PendingUpload]:
        """Count an upload. Raises ApiError 429 at a limit."""
        self._check_recognition(client)  # before the client uploads in vain
        upload = PendingUpload(client, asyncio.get_running_loop().time())
        share = max(1, self.upload_limit // 2)
        if sum(a.client == client for a in self._uploads) >= share and not self._displace(client):
            raise self._full(f"{share} uploads from your address are in progress, the limit of one client", "too_many_from_client")
        if len(self._uploads) >= self.upload_limit and not self._displace():
            raise self._full(f"{self.upload_limit} uploads are in progress, the limit of this server", "queue_full")
        self._uploads.add(upload)
        self._metrics.uploads.set(len(self._uploads))
        try:
            yield upload
        finally:
            self._uploads.discard(upload)
            self._metrics.uploads.set(len(self._uploads))

    @contextmanager
    def recognition(self, client: str) -> Iterator[Callable[[], None]]:
        """Count a recording until the end, or until the yielded function is called. Raises ApiError 429 at a limit."""
        self._check_recognition(client)
        self._count(client, 1)
        with ExitStack() as stack:
            stack.callback(self._count, client, -1)
            yield stack.close

    def refuse_uploads(self, error: ApiError) -> None:
        """End all uploads in progress."""
        for upload in list(self._uploads):
            upload.refuse(error)

    def _count(self, client: str, more: int) -> None:
        self._recordings[client] += more
        if not self._recordings[client]:
            del self._recordings[client]  # otherwise the table keeps every client ever seen
        self._metrics.under_way.set(self._recordings.total())

    def _check_recognition(self, client: str) -> None:
        most, share = self._settings.requests, self._settings.requests_per_client
        if self._recordings.total() >= most:
            raise self._full(f"{most} requests are in progress, the limit of this server", "queue_full")
        if self._recordings[client] >= share:
            raise self._full(f"{share} requests from your address are in progress, the limit of one client", "too_many_from_client")

    def _displace(self, client: str | None = None) -> bool:
        """End the slowest upload below the least rate, of one client or of all. Returns whether there was one."""
        now = asyncio.get_running_loop().time()
        slow = [
            a
            for a in self._uploads
            if client in (None, a.client) and now - a.began > SETTLED_SECONDS and a.rate(now) < self._settings.upload_rate
        ]
        if not slow:
            return False
        slowest = min(slow, key=lambda a: a.rate(now))
        message = f"the upload was slower than {self._settings.upload_rate / 2**10:g} KiB/s and was ended for another: send it again over a faster connection"
        slowest.refuse(ApiError(408, message, code="upload_timeout", headers={"Connection": "close"}))
        self._uploads.discard(slowest)
        return True

    def _full(self, reason: str, code: str) -> ApiError:
        self._metrics.refused.inc()
        wait = self._retry_after()
        return ApiError(429, f"{reason}: try again in {wait} s", code=code, headers={"Retry-After": str(wait)})
