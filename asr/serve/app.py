"""The routes of OpenAI's audio API, and those for operators."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect

from asr.serve.access import add_access, check_key
from asr.serve.errors import ApiError, add_error_handlers, internal_error
from asr.serve.event_stream import event_stream
from asr.serve.fields import MODEL, Fields, check_model, read_fields
from asr.serve.job_events import JobEvents, wait_for_transcript
from asr.serve.metrics import CONTENT_TYPE
from asr.serve.openapi import ERRORS, OTHER_ERRORS, SUCCESS, TRANSCRIPTIONS
from asr.serve.page_routes import add_page
from asr.serve.replies import reply
from asr.serve.service import JobOptions, Service
from asr.serve.uploads import Body, receive_upload

DESCRIPTION = "Speech to text by Listen, Attend and Spell, with OpenAI's audio API: point any client of that API to `/v1`."
KEY = HTTPBearer(auto_error=False, scheme_name="key", description="The key of this server")  # documents the key; check_key checks it
FIRST_EVENT_SECONDS = 10.0  # for which a stream waits with its status: most errors of a recording show by then


def make_app(service: Service) -> FastAPI:
    """Build the application of a server. It starts and closes the service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.close()

    app = FastAPI(title="las-asr", version="1", description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.openapi_version = "3.0.3"  # the bundled Swagger UI reads no later version
    add_error_handlers(app)
    _add_api(app, service)
    _add_health(app, service)
    add_page(app, service)
    add_access(app, service.settings)
    return app


def _add_api(app: FastAPI, service: Service) -> None:
    settings, metrics = service.settings, service.metrics
    api = APIRouter(tags=["OpenAI"], dependencies=[] if settings.api_key is None else [Depends(KEY)])

    @api.post("/v1/audio/transcriptions", openapi_extra=TRANSCRIPTIONS, responses={200: SUCCESS, **ERRORS}, summary="Transcribe")
    async def transcriptions(request: Request) -> Response:
        began = time.monotonic()
        body = Body(request, settings)
        status: int | None = 499  # the client left
        try:
            check_key(request, settings.api_key)
            async with AsyncExitStack() as held:
                upload = await held.enter_async_context(receive_upload(body, request, service))
                fields = read_fields(upload.fields, service.language, service.segmentation)
                if fields.stream:
                    job = JobEvents(service, upload, _options(fields))
                    held.callback(job.close)
                    await job.wait_for_first(request, FIRST_EVENT_SECONDS)
                    answer: Response = event_stream(job, fields, metrics, began, held.pop_all())
                    status = None  # the stream counts itself
                    return answer
                answer = reply(await wait_for_transcript(request, service, upload, _options(fields)), fields)
            status = 200
            metrics.seconds.observe(time.monotonic() - began)
            return answer
        except ApiError as e:
            status = e.status
            await body.linger()
            raise
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as e:
            status = internal_error(e).status
            raise
        finally:
            if status is not None:
                metrics.requests.labels(str(status)).inc()

    @api.get("/v1/models", summary="List the models", responses={401: ERRORS[401]})
    def models(request: Request) -> dict[str, Any]:
        check_key(request, settings.api_key)
        return {"object": "list", "data": [_model(MODEL)]}

    @api.get("/v1/models/{name}", summary="Describe a model", responses={401: ERRORS[401], 404: ERRORS[404], **OTHER_ERRORS})
    def model(name: str, request: Request) -> dict[str, Any]:
        check_key(request, settings.api_key)
        check_model(name)
        return _model(name)

    app.include_router(api)


def _options(fields: Fields) -> JobOptions:
    return JobOptions(fields.hotwords, fields.segmentation, streamed=fields.stream, verbatim=fields.verbatim)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "las-asr"}


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operation"], summary="Whether the process runs")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz", tags=["operation"], summary="Whether requests are accepted", responses={503: {"description": "Loading, or stopping"}}
    )
    def readyz() -> Response:
        state = "stopping" if service.stopping else "ready" if service.ready else "loading"
        return JSONResponse({"status": state}, 200 if service.ready else 503)

    @app.get("/metrics", tags=["operation"], summary="Metrics for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)
