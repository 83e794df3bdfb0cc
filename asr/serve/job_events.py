"""Waiting for a job in the event loop: for its transcript, or for its events as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from asr.serve.errors import DO_NOT_RETRY, ApiError
from asr.serve.job import Progress, SegmentResult
from asr.serve.service import JobOptions, Service, as_api_error
from asr.serve.uploads import Upload
from asr.transcript import Transcript


async def wait_for_transcript(request: Request, service: Service, upload: Upload, options: JobOptions) -> Transcript:
    """Transcribe an upload. The body of the request must have been read.

    Raises:
        ApiError: the recording cannot be transcribed, or not in time.
        ClientDisconnect: the client closed the connection.
    """
    job = service.submit(upload.recording, options)
    done = asyncio.wrap_future(job.transcript)
    try:
        await _wait_unless_disconnected(request, done, service.settings.timeout_seconds)
        if not done.done():
            raise timeout_error(service)
        return done.result()
    except (ApiError, ClientDisconnect, asyncio.CancelledError):
        raise
    except Exception as e:
        raise as_api_error(e, upload.recording.path) from None
    finally:
        service.cancel(job)
        done.cancel()


class JobEvents:
    """The events of a job, from its submission to its transcript.

    The place in recognition is free once the job ends, even if the client reads slowly.
    """

    def __init__(self, service: Service, upload: Upload, options: JobOptions, progress: bool = False):
        """Submit a job.

        Args:
            service: runs the job.
            upload: its recording.
            options: how to transcribe it.
            progress: whether `Progress` events are wanted.
        """
        self._service, self._upload = service, upload
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + service.settings.timeout_seconds
        self._queue: asyncio.Queue[Progress | SegmentResult | None] = asyncio.Queue()
        self._begun: asyncio.Future[None] = self._loop.create_future()

        def on_event(event: Progress | SegmentResult) -> None:
            if progress or isinstance(event, SegmentResult):
                self._call(self._add, event)

        self._job = service.submit(upload.recording, options, on_event)
        self._job.transcript.add_done_callback(lambda _: self._call(self._end))

    async def wait_for_first(self, request: Request, seconds: float) -> None:
        """Wait for the first event or the end of the job, at most for `seconds`.

        Raises:
            ApiError: the job failed.
            ClientDisconnect: the client closed the connection.
        """
        await _wait_unless_disconnected(request, self._begun, seconds)
        if self._job.transcript.done():
            self.transcript()

    async def events(self, idle_seconds: float | None = None) -> AsyncIterator[Progress | SegmentResult | None]:
        """Yield events until the job ends, and None after `idle_seconds` without an event. Raises ApiError 504 after the timeout."""
        while True:
            left = self._deadline - self._loop.time()
            try:
                event = await asyncio.wait_for(self._queue.get(), left if idle_seconds is None else min(left, idle_seconds))
            except asyncio.TimeoutError:
                if self._loop.time() >= self._deadline:
                    raise timeout_error(self._service) from None
                yield None
                continue
            if event is None:
                return
            yield event

    def transcript(self) -> Transcript:
        """Return the transcript of a job that has ended. Raises ApiError if it failed."""
        try:
            return self._job.transcript.result(timeout=0)
        except Exception as e:
            raise self.error(e) from None

    def error(self, error: Exception) -> ApiError:
        """Convert an exception to the response for the client."""
        return as_api_error(error, self._upload.recording.path)

    def close(self) -> None:
        """Cancel the job, unless it has ended."""
        self._service.cancel(self._job)

    def _call(self, function: Any, *args: Any) -> None:
        """Call a function in the event loop's thread."""
        with suppress(RuntimeError):  # the loop is closed: the server was stopped by force
            self._loop.call_soon_threadsafe(function, *args)

    def _add(self, event: Progress | SegmentResult) -> None:
        self._queue.put_nowait(event)
        self._begin()

    def _end(self) -> None:
        self._queue.put_nowait(None)
        self._begin()
        self._upload.release()

    def _begin(self) -> None:
        if not self._begun.done():
            self._begun.set_result(None)


def timeout_error(service: Service) -> ApiError:
    """The response to a request whose job takes too long."""
    message = f"the transcript was not ready within {service.settings.timeout_seconds:g} s: send a shorter recording, or try again later"
    return ApiError(504, message, code="timeout", headers=DO_NOT_RETRY)


async def _wait_unless_disconnected(request: Request, future: asyncio.Future[Any], seconds: float) -> None:
    """Wait for a future, at most for `seconds`. Raises ClientDisconnect. The body of the request must have been read."""
    disconnected = asyncio.ensure_future(request.receive())  # after the body, the only message is the disconnection
    either: set[asyncio.Future[Any]] = {future, disconnected}
    try:
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if disconnected.done() and not future.done():
            raise ClientDisconnect
    finally:
        disconnected.cancel()
