"""The page, its files, and the routes that it uses.

`GET /page/info` describes the server: `language` (name), `upload_bytes`, `audio_seconds`.

`POST /page/transcription` takes a form with a `file`. It responds with one JSON object per line while the recording is recognised:

| `event` | keys |
|---|---|
| `progress` | `read`, `speech`, `recognized`: seconds of the recording read, of speech detected, and of speech recognised |
| `segment` | `start`, `end`, `text`, `doubtful`, `words` as in verbose_json, and `picture` (`asr.serve.attention_picture`) or null |
| `done` | `duration`, `notes` on the recording, and `files`: the transcript as txt, srt, vtt and json |
| `error` | `error`, OpenAI's object |
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from asr.output import FORMATS, OutputOptions
from asr.serve.access import check_key
from asr.serve.attention_picture import picture
from asr.serve.errors import ApiError
from asr.serve.event_stream import HoldingResponse
from asr.serve.job import Progress, SegmentResult
from asr.serve.job_events import JobEvents
from asr.serve.languages import language_name
from asr.serve.metrics import Metrics
from asr.serve.replies import verbose
from asr.serve.service import JobOptions, Service
from asr.serve.uploads import Body, receive_upload
from asr.transcript import Segment, Transcript

PAGE = Path(str(files("asr.serve") / "page"))
DOWNLOADS = ("txt", "srt", "vtt", "json")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")  # Swagger UI has inline styles
REVALIDATE = {"Cache-Control": "no-cache"}
"""Without this header browsers reuse files for days by their age, so that after an update old and new scripts meet."""


class FreshFiles(StaticFiles):
    """Files that browsers revalidate at each use. An unchanged file is not sent again."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(REVALIDATE)
        return response


def add_page(app: FastAPI, service: Service) -> None:
    """Add `/`, `/docs`, and the routes that they use."""

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY, **REVALIDATE})

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return FileResponse(PAGE / "docs.html", headers={"Content-Security-Policy": DOCS_POLICY, **REVALIDATE})

    @app.get("/page/info", include_in_schema=False)
    def info() -> dict[str, Any]:
        settings = service.settings
        language = language_name(service.language) if service.ready else None
        return {"language": language, "upload_bytes": settings.upload_bytes, "audio_seconds": settings.audio_seconds}

    @app.post("/page/transcription", include_in_schema=False)
    async def transcription(request: Request) -> Response:
        body = Body(request, service.settings)
        async with AsyncExitStack() as stack:
            try:
                check_key(request, service.settings.api_key)
                upload = await stack.enter_async_context(receive_upload(body, request, service))
            except ApiError as e:
                service.metrics.requests.labels(str(e.status)).inc()
                await body.linger()
                raise
            except ClientDisconnect:
                service.metrics.requests.labels("499").inc()
                return Response(status_code=499)
            job = JobEvents(service, upload, JobOptions(streamed=True, attention=True), progress=True)
            stack.callback(job.close)
            held = stack.pop_all()
        return HoldingResponse(_lines(job, service.metrics), held, "application/x-ndjson")

    # theme.css and theme.js are those of the report.
    app.mount("/static", FreshFiles(directory=PAGE, packages=[("asr.report", "theme")]), name="static")
    app.mount("/swagger", FreshFiles(directory=swagger_ui_bundle.swagger_ui_path), name="swagger")


async def _lines(job: JobEvents, metrics: Metrics) -> AsyncIterator[str]:
    """Yield the lines of a response, and cancel the job if the client leaves."""
    status = 499  # the client left
    try:
        async for event in job.events():
            if event is not None and (line := _event(event)) is not None:
                yield _encode(line)
        last = _encode(_done(job.transcript()))
        status = 200
        yield last
    except Exception as e:
        error = job.error(e)
        status = error.status
        yield _encode({"event": "error", **error.body})
    finally:
        metrics.requests.labels(str(status)).inc()
        job.close()


def _encode(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False) + "\n"


def _event(event: Progress | SegmentResult) -> dict[str, Any] | None:
    if isinstance(event, Progress):
        return {"event": "progress", "read": event.read, "speech": event.speech, "recognized": event.recognized}
    if not isinstance(event.segment, Segment):
        return None
    segment = event.segment
    return {
        "event": "segment",
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "doubtful": segment.doubtful,
        "words": verbose(Transcript("", segment.end, (segment,)), ("word",))["words"],
        "picture": picture(event.attention, segment.end - segment.start) if event.attention else None,
    }


def _done(transcript: Transcript) -> dict[str, Any]:
    return {
        "event": "done",
        "duration": transcript.duration,
        "notes": list(transcript.notes),
        "files": {form: FORMATS[form](transcript, OutputOptions()) for form in DOWNLOADS},
    }
