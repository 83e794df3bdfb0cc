"""Figures of a server, as Prometheus collects them (`/metrics`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Each server has its own, so that there can be several in a process."""

    def __init__(self) -> None:
        r = self._registry = CollectorRegistry()
        self.requests = Counter("asr_requests", "Requests for a transcript that were answered", ["status"], registry=r)
        self.seconds = Histogram(
            "asr_request_seconds", "From the head of a request to its answer, of those with a transcript (s)", registry=r,
            buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        )  # fmt: skip
        self.refused = Counter("asr_requests_refused", "Requests that were refused for too many were under way", registry=r)
        self.under_way = Gauge("asr_requests_under_way", "Recordings that wait for recognition or are being recognised", registry=r)
        self.uploads = Gauge("asr_uploads_under_way", "Uploads in progress", registry=r)
        self.audio_seconds = Counter("asr_audio_seconds", "Recordings that were read to their end (s)", registry=r)
        self.waiting_seconds = Gauge("asr_waiting_speech_seconds", "Speech that waits for the model (s)", registry=r)
        self.batch_segments = Histogram(
            "asr_batch_segments", "Segments of speech recognised together", registry=r, buckets=(1, 2, 4, 8, 16, 32, 64)
        )
        self.batch_time = Histogram("asr_batch_seconds", "Time for which the model was at work on a batch (s)", registry=r)

    def text(self) -> bytes:
        """in Prometheus' text format"""
        return generate_latest(self._registry)
