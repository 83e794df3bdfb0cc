"""Limits of a server, its API key, and the sites that may use it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServeSettings:
    """Everything about a server except its model and its port."""

    api_key: str | None = None
    """key that each request for a transcript must carry; None for no key"""
    loopback: bool = True
    """only this machine can reach the server"""
    host: str = "127.0.0.1"
    """name or address that the server listens at, as the user gave it"""
    allowed_hosts: tuple[str, ...] = ()
    """further names accepted in the `Host` header; `*` accepts any"""
    allowed_origins: tuple[str, ...] = ()
    """further sites (`scheme://host[:port]`) whose pages may use the server; `*` accepts any"""
    trusted_proxies: tuple[str, ...] = ()
    """addresses and networks of proxies whose `X-Forwarded-For` names the client"""
    connections: int = 512
    """most open connections; fewer if the process may open fewer files"""
    uploads: int = 256
    """most uploads in progress; one client may have half of them"""
    upload_bytes: int = 100 * 2**20
    """largest request body"""
    upload_rate: float = 16 * 2**10
    """least upload rate (bytes/s): the bit rate of MP3 at 128 kbit/s"""
    upload_seconds: float = 15.0
    """longest time that an upload may stall or lag behind `upload_rate` (s)"""
    audio_seconds: float = 2 * 3600.0
    """longest recording (s)"""
    requests: int = 64
    """most recordings in recognition, queued ones included"""
    requests_per_client: int = 32
    """most recordings in recognition from one client"""
    timeout_seconds: float = 600.0
    """longest time from the end of the upload to the end of the response (s)"""
    batch_seconds: float = 120.0
    """most speech in a batch (s)"""
    window_seconds: float = 0.03
    """time for which an idle model collects segments after the first one, while recordings are being read (s)"""
