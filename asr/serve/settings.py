"""What a server allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServeSettings:
    """Limits of a server, and its key."""

    api_key: str | None = None
    """asked of every request for a transcript; None: anyone may ask"""
    upload_bytes: int = 100 * 2**20
    """largest body of a request"""
    upload_seconds: float = 120.0
    """longest time for a body to arrive, and more for a large one: as long as it comes at `upload_rate`"""
    upload_rate: float = 64 * 2**10
    """bytes a second"""
    audio_seconds: float = 2 * 3600.0
    """longest recording"""
    requests: int = 64
    """most requests that are received, wait or run at once"""
    timeout_seconds: float = 600.0
    """longest time from the whole body to the answer"""
    batch_seconds: float = 120.0
    """most speech in a batch"""
    window_seconds: float = 0.03
    """how long an idle model waits for more speech after the first"""
