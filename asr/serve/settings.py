"""Limits of a server, its key, and the sites that may use it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServeSettings:
    """Everything about a server except its model and its address."""

    api_key: str | None = None
    """Key that each request for a transcript must carry. None: no key is needed."""
    loopback: bool = True
    """Only this machine can reach the server."""
    host: str = "127.0.0.1"
    """Name or address the server listens at, as the user gave it."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names accepted in the `Host` header; `*` accepts any."""
    allowed_origins: tuple[str, ...] = ()
    """Further sites (`scheme://host[:port]`) whose pages may use the server; `*` accepts any."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose `X-Forwarded-For` names the client."""
    connections: int = 512
    """Most open connections; fewer if the process may open fewer files."""
    uploads: int = 256
    """Most uploads in progress. One client may have half of them."""
    upload_bytes: int = 100 * 2**20
    """Largest body of a request."""
    upload_rate: float = 16 * 2**10
    """Least rate of an upload (bytes/s): MP3 at 128 kbit/s arrives as fast as it plays."""
    upload_seconds: float = 15.0
    """Longest time that an upload may stall or lag behind `upload_rate` (s)."""
    audio_seconds: float = 2 * 3600.0
    """Longest recording (s)."""
    requests: int = 64
    """Most recordings that wait for recognition or are being recognised."""
    requests_per_client: int = 32
    """Most of them from one client."""
    timeout_seconds: float = 600.0
    """Longest time from the whole body to the answer (s)."""
    batch_seconds: float = 120.0
    """Most speech in a batch (s)."""
    window_seconds: float = 0.03
    """Time that an idle model waits for more speech after the first segment (s)."""
