"""Server-sent events of a streamed transcription, in the form of OpenAI's API.

`transcript.text.delta` has the text of a segment as soon as it and all segments before it are recognised, and readable text some words later:
its punctuation depends on the words after it. Only the first segment does not wait for them. `transcript.text.done` has the
whole text. The deltas, joined, are that text. An error after the first event is an event `{"error": …}`.

The last event has no `usage`: in OpenAI's API that of a stream counts tokens, while this server, like whisper-1, counts seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from asr.serve.fields import Fields
from asr.serve.job import SegmentResult
from asr.serve.job_events import JobEvents
from asr.serve.metrics import Metrics
from asr.serve.replies import headers, log_probabilities, plain_text
from asr.transcript import Segment

KEEP_ALIVE_SECONDS = 15.0  # without an event until a comment keeps proxies from closing the connection
KEEP_ALIVE = ": keep-alive\n\n"


class HoldingResponse(StreamingResponse):
    """A stream that holds resources until it ends, even if the client leaves before the first byte."""

    def __init__(self, content: AsyncIterator[str], held: AsyncExitStack, media_type: str, headers: dict[str, str] | None = None):
        super().__init__(
            content, media_type=media_type, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})}
        )
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


def event_stream(job: JobEvents, fields: Fields, metrics: Metrics, began: float, held: AsyncExitStack) -> HoldingResponse:
    """Answer a request with the events of its job.

    Args:
        job: the job.
        fields: the request.
        metrics: count the request when the stream ends.
        began: start of the request, on the monotonic clock.
        held: released when the stream ends.
    """
    return HoldingResponse(_events(job, fields, metrics, began), held, "text/event-stream", headers(fields))


async def _events(job: JobEvents, fields: Fields, metrics: Metrics, began: float) -> AsyncIterator[str]:
    status = 499  # the client left
    deltas = _Deltas(fields.logprobs)
    try:
        async for event in job.events(KEEP_ALIVE_SECONDS):
            if event is None:
                yield KEEP_ALIVE
            elif isinstance(event, SegmentResult) and (delta := deltas.next(event)) is not None:
                yield _encode(delta)
        transcript = job.transcript()
        done: dict[str, Any] = {"type": "transcript.text.done", "text": plain_text(transcript.segments)}
        if fields.logprobs:
            done["logprobs"] = log_probabilities(transcript.segments)
        status = 200
        metrics.seconds.observe(time.monotonic() - began)
        yield _encode(done)
    except Exception as e:
        error = job.error(e)
        status = error.status
        yield _encode(error.body)
    finally:
        metrics.requests.labels(str(status)).inc()
        job.close()


class _Deltas:
    """Builds the events of the segments of a recording, in order."""

    def __init__(self, logprobs: bool):
        self._logprobs = logprobs
        self._any = False  # text was sent

    def next(self, result: SegmentResult) -> dict[str, Any] | None:
        """Return the event of the next segment; None if it has no text."""
        segment = result.segment
        if not isinstance(segment, Segment) or not (text := plain_text([segment])):
            return None
        delta: dict[str, Any] = {"type": "transcript.text.delta", "delta": f" {text}" if self._any else text}
        if self._logprobs:
            delta["logprobs"] = log_probabilities([segment], continued=self._any)
        self._any = True
        return delta


def _encode(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
