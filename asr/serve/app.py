"""The addresses of OpenAI's audio API, and those for operators."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from asr.serve.access import add_access, check_key
from asr.serve.documentation import ERRORS, SUCCESS, TRANSCRIPTIONS
from asr.serve.errors import ApiError, as_unforeseen, speak_openai
from asr.serve.fields import MODEL, check_model, read_fields
from asr.serve.metrics import CONTENT_TYPE
from asr.serve.page_routes import add_page
from asr.serve.replies import reply
from asr.serve.service import Service
from asr.serve.uploads import Body, received
from asr.serve.waiting import outcome

DESCRIPTION = "Speech to text by Listen, Attend and Spell, in the manner of OpenAI's audio API: point any client of theirs to `/v1`."


def make_app(service: Service) -> FastAPI:
    """The application of a server. It starts the service, and closes it at its own end."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.close()

    app = FastAPI(title="las-asr", version="1", description=DESCRIPTION, lifespan=life, docs_url=None, redoc_url=None)
    app.openapi_version = "3.0.3"  # what the documentation page understands
    speak_openai(app)
    _add_api(app, service)
    _add_health(app, service)
    add_page(app, service)
    add_access(app, service.settings)
    return app


def _add_api(app: FastAPI, service: Service) -> None:
    settings = service.settings

    @app.post(
        "/v1/audio/transcriptions", tags=["OpenAI"], openapi_extra=TRANSCRIPTIONS, responses={200: SUCCESS, **ERRORS}, summary="Transcribe"
    )
    async def transcriptions(request: Request) -> Response:
        began = time.monotonic()
        body = Body(request, settings)
        status = 499  # the client is gone
        try:
            check_key(request, settings.api_key)
            async with received(body, request, service) as upload:
                fields = read_fields(upload.fields, service.language)
                transcript = await outcome(request, service, service.submit(upload.recording))
            answer = reply(transcript, fields)
            status = 200
            service.metrics.seconds.observe(time.monotonic() - began)
            return answer
        except ApiError as e:
            status = e.status
            await body.linger()
            raise
        except ClientDisconnect:
            return Response(status_code=status)
        except Exception as e:
            status = as_unforeseen(e).status
            raise
        finally:
            service.metrics.requests.labels(str(status)).inc()

    @app.get("/v1/models", tags=["OpenAI"], summary="Which models there are", responses={401: ERRORS[401]})
    def models(request: Request) -> dict[str, Any]:
        check_key(request, settings.api_key)
        return {"object": "list", "data": [_model(MODEL)]}

    @app.get("/v1/models/{name}", tags=["OpenAI"], summary="A model", responses={401: ERRORS[401], 404: ERRORS[404]})
    def model(name: str, request: Request) -> dict[str, Any]:
        check_key(request, settings.api_key)
        check_model(name)
        return _model(name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "las-asr"}


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operation"], summary="Whether the server lives")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], summary="Whether it takes requests", responses={503: {"description": "Not yet, or no more"}})
    def readyz() -> Response:
        state = "stopping" if service.stopping else "ready" if service.ready else "loading"
        return JSONResponse({"status": state}, 200 if service.ready else 503)

    @app.get("/metrics", tags=["operation"], summary="Figures for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)
