"""Prometheus metrics of a server (`/metrics`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one server. Each has a registry of its own, so that a process can hold several servers."""

    def __init__(self) -> None:
        r = self._registry = CollectorRegistry()
        self.requests = Counter("asr_requests", "Requests for a transcript, by response status", ["status"], registry=r)
        self.seconds = Histogram(
            "asr_request_seconds", "Time from the head of a request to its transcript (s)", registry=r,
            buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        )  # fmt: skip
        self.refused = Counter("asr_requests_refused", "Requests refused because a limit of concurrent work was reached", registry=r)
        self.under_way = Gauge("asr_requests_under_way", "Recordings in recognition, queued ones included", registry=r)
        self.uploads = Gauge("asr_uploads_under_way", "Uploads in progress", registry=r)
        self.audio_seconds = Counter("asr_audio_seconds", "Audio read to the end (s)", registry=r)
        self.waiting_seconds = Gauge("asr_waiting_speech_seconds", "Speech in the queue (s)", registry=r)
        self.batch_segments = Histogram("asr_batch_segments", "Speech segments in a batch", registry=r, buckets=(1, 2, 4, 8, 16, 32, 64))
        self.batch_time = Histogram("asr_batch_seconds", "Recognition time of a batch (s)", registry=r)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
