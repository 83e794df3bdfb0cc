"""Waiting for a transcript: as long as the server allows and the client stays."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from asr.serve.errors import DO_NOT_RETRY, ApiError
from asr.serve.job import Job
from asr.serve.service import Service, as_api_error
from asr.transcript import Transcript


async def outcome(request: Request, service: Service, job: Job) -> Transcript:
    """The job's transcript. Raises ApiError, and ClientDisconnect. The body of the request must have been read."""
    done = asyncio.wrap_future(job.transcript)
    gone = asyncio.ensure_future(request.receive())  # after the body, the only message is the disconnection
    either: set[asyncio.Future[Any]] = {done, gone}
    try:
        await asyncio.wait(either, timeout=service.settings.timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            raise ClientDisconnect if gone.done() else too_late(service)
        return done.result()
    except (ApiError, ClientDisconnect, asyncio.CancelledError):
        raise
    except Exception as e:
        raise as_api_error(e, job.recording.path) from None
    finally:
        service.give_up(job)
        gone.cancel()
        done.cancel()


def too_late(service: Service) -> ApiError:
    message = f"the transcript was not ready within {service.settings.timeout_seconds:g} s: send a shorter recording, or try again later"
    return ApiError(504, message, code="timeout", headers=DO_NOT_RETRY)
