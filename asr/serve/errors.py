"""OpenAI's error object, so that clients raise the exceptions that their users expect."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

DO_NOT_RETRY = {"x-should-retry": "false"}
"""OpenAI's clients repeat a request after 408 and after 500 and above, unless this header forbids it. The repetition would fail at full cost."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
SHOWN_PATH = 100  # characters of a path in an error
OUT_OF_RESOURCES = (*DISK_FULL, errno.EMFILE, errno.ENFILE)
"""temporary errors of the operating system"""


class ApiError(Exception):
    """A request without a transcript: the HTTP status, and a sentence for the user."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, headers: Mapping[str, str] | None = None
    ):
        """Create an error.

        Args:
            status: HTTP status.
            message: what is wrong and what to do, on one line.
            param: field of the form.
            code: identifier for programs.
            headers: further headers of the response.
        """
        self.status, self.message, self.param, self.code, self.headers = status, message, param, code, dict(headers or {})
        super().__init__(message)

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        """`{"error": {"message", "type", "param", "code"}}`"""
        kind = "rate_limit_error" if self.status == 429 else "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


def internal_error(error: Exception) -> ApiError:
    """Convert an exception that is not the client's fault to its response."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return ApiError(503, "the server's disk is full: try again later", code="disk_full", headers={"Retry-After": "60"})
    if isinstance(error, OSError) and error.errno in OUT_OF_RESOURCES:
        return ApiError(503, "the server has too many open files: try again later", code="too_many_files", headers={"Retry-After": "10"})
    return ApiError(500, "the server failed on this request: see its log", code="internal_error", headers=DO_NOT_RETRY)


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of an app with OpenAI's error object, the framework's own errors included."""

    @app.exception_handler(ApiError)
    def api_error(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    def http_exception(request: Request, error: HTTPException) -> JSONResponse:
        path = request.url.path[:SHOWN_PATH]
        known = {
            404: (f"there is nothing at {path}: see /docs", "unknown_url"),
            405: (f"{path} does not accept {request.method}: see /docs", "method_not_supported"),
        }
        message, code = known.get(error.status_code, (str(error.detail), None))
        return ApiError(error.status_code, message, code=code, headers=error.headers).response()

    @app.exception_handler(Exception)
    def exception(request: Request, error: Exception) -> JSONResponse:
        return internal_error(error).response()
