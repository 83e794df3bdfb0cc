"""The page, its files, and the address that serves its transcripts.

`POST /page/transcription` takes a form with a `file` and answers with one JSON object a line as the recognition proceeds:

| `event` | |
|---|---|
| `progress` | `read`, `speech`, `recognized`: seconds of the recording that are read, of speech that was found in it, and recognised |
| `segment` | `start`, `end`, `text`, `doubtful`, `words` as in verbose_json, and `picture` (`asr.serve.pictures`) or null |
| `done` | `duration`, and `files`: the transcript as txt, srt, vtt and json |
| `error` | `error`, OpenAI's object |
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from asr.output import FORMATS, OutputOptions
from asr.serve.access import check_key
from asr.serve.errors import ApiError
from asr.serve.job import Heard, Progress
from asr.serve.pictures import picture
from asr.serve.replies import verbose
from asr.serve.service import Service, as_api_error
from asr.serve.uploads import Body, Upload, received
from asr.serve.waiting import too_late
from asr.transcript import Segment, Transcript

PAGE = Path(str(files("asr.serve") / "page"))
DOWNLOADS = ("txt", "srt", "vtt", "json")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")  # Swagger UI styles its own elements


def add_page(app: FastAPI, service: Service) -> None:
    """`/`, `/docs`, and what they need."""

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return FileResponse(PAGE / "docs.html", headers={"Content-Security-Policy": DOCS_POLICY})

    @app.post("/page/transcription", include_in_schema=False)
    async def transcription(request: Request) -> Response:
        body = Body(request, service.settings)
        async with AsyncExitStack() as stack:
            try:
                check_key(request, service.settings.api_key)
                upload = await stack.enter_async_context(received(body, request, service))
            except ApiError as e:
                service.metrics.requests.labels(str(e.status)).inc()
                await body.linger()
                raise
            except ClientDisconnect:
                service.metrics.requests.labels("499").inc()
                return Response(status_code=499)
            held = stack.pop_all()
        return _Lines(service, upload, held)

    app.mount(
        "/static", StaticFiles(directory=PAGE, packages=[("asr.report", "theme")]), name="static"
    )  # theme.css and theme.js are the report's
    app.mount("/swagger", StaticFiles(directory=swagger_ui_bundle.swagger_ui_path), name="swagger")


class _Lines(StreamingResponse):
    """The lines of an answer. Frees the place of the request at the end, even if the client leaves before the first line."""

    def __init__(self, service: Service, upload: Upload, held: AsyncExitStack):
        super().__init__(_lines(service, upload), media_type="application/x-ndjson", headers={"X-Accel-Buffering": "no"})
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _lines(service: Service, upload: Upload) -> AsyncIterator[str]:
    """Lines of the answer. Gives the job up if the client leaves. A client that reads slowly holds no place once the job is done."""
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[Progress | Heard | None] = asyncio.Queue()

    def tell(what: Progress | Heard | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: the server was stopped by force
            loop.call_soon_threadsafe(told.put_nowait, what)

    def done(_: object) -> None:
        tell(None)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(upload.release)

    job = service.submit(upload.recording, looks=True, tell=tell)
    job.transcript.add_done_callback(done)
    until = loop.time() + service.settings.timeout_seconds
    status = 499  # the client is gone
    try:
        while (what := await asyncio.wait_for(told.get(), until - loop.time())) is not None:
            if (event := _event(what)) is not None:
                yield _line(event)
        last = _line(_done(job.transcript.result()))
        status = 200
        yield last
    except Exception as e:
        error = too_late(service) if isinstance(e, asyncio.TimeoutError) else as_api_error(e, upload.recording.path)
        status = error.status
        yield _line({"event": "error", **error.body})
    finally:
        service.metrics.requests.labels(str(status)).inc()
        service.give_up(job)


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False) + "\n"


def _event(what: Progress | Heard) -> dict[str, Any] | None:
    if isinstance(what, Progress):
        return {"event": "progress", "read": what.read, "speech": what.speech, "recognized": what.recognized}
    if not isinstance(what.said, Segment):
        return None
    segment = what.said
    shown = verbose(Transcript("", segment.end, (segment,)), ("word",))
    return {
        "event": "segment",
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "doubtful": segment.doubtful,
        "words": shown["words"],
        "picture": picture(what.look, segment.end - segment.start) if what.look else None,
    }


def _done(transcript: Transcript) -> dict[str, Any]:
    return {
        "event": "done",
        "duration": transcript.duration,
        "files": {form: FORMATS[form](transcript, OutputOptions()) for form in DOWNLOADS},
    }
