"""Errors as OpenAI's error object, so that their clients raise the exceptions that their users expect."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

DO_NOT_RETRY = {"x-should-retry": "false"}
"""OpenAI's clients repeat a request answered with 408 or with 500 and above, unless this header forbids it: it would fail again, at full cost."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
OUT_OF_RESOURCES = (*DISK_FULL, errno.EMFILE, errno.ENFILE)
"""Errors of the operating system that pass by themselves."""


class ApiError(Exception):
    """A request that is not answered with a transcript: the HTTP status, and a sentence for the person who sent it."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, headers: Mapping[str, str] | None = None
    ):
        self.status, self.message, self.param, self.code, self.headers = status, message, param, code, dict(headers or {})
        super().__init__(message)

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        """`{"error": {"message", "type", "param", "code"}}`"""
        kind = "rate_limit_error" if self.status == 429 else "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


def as_unforeseen(error: Exception) -> ApiError:
    """The answer to a request that failed through no fault of its sender."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return ApiError(503, "the server's disk is full: try again later", code="disk_full", headers={"Retry-After": "60"})
    if isinstance(error, OSError) and error.errno in OUT_OF_RESOURCES:
        return ApiError(503, "the server has too many files open: try again later", code="too_many_files", headers={"Retry-After": "10"})
    return ApiError(500, "the server failed at this request; its log says how", code="internal_error", headers=DO_NOT_RETRY)


def speak_openai(app: FastAPI) -> None:
    """Answer every error of an app in that form, the framework's own included."""

    @app.exception_handler(ApiError)
    def ours(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    def frameworks(request: Request, error: HTTPException) -> JSONResponse:
        sentences = {
            404: f"there is nothing at {request.url.path}: see /docs",
            405: f"{request.url.path} does not take {request.method}: see /docs",
        }
        return ApiError(error.status_code, sentences.get(error.status_code, str(error.detail)), headers=error.headers).response()

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> JSONResponse:
        return as_unforeseen(error).response()
