"""An identifier of each request: in the header `X-Request-ID` of the response, and in the log lines on the request.

A client or a proxy may send an identifier of its own in the same header.
"""

from __future__ import annotations

import copy
import logging
import re
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import LOGGING_CONFIG

HEADER = "X-Request-ID"
VALID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""identifier of the request that the current task answers"""


def new_request_id() -> str:
    return f"req_{uuid4().hex}"


def request_id_header(identifier: str) -> tuple[bytes, bytes]:
    """Encode the header of a response."""
    return HEADER.lower().encode(), identifier.encode()


class RequestId:
    """ASGI application around another: sets `request_id`, and adds the header to the response."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        sent = Headers(scope=scope).get(HEADER, "")
        identifier = sent if VALID.fullmatch(sent) else new_request_id()
        request_id.set(identifier)  # uvicorn runs each request in a task of its own

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), request_id_header(identifier)]
            await send(message)

        return await self.app(scope, receive, send_with_id)


class AddRequestId(logging.Filter):
    """Sets `request` of a record to ` [identifier]`, or to nothing outside a request. Threads give it as `extra={"request_id": …}`."""

    def filter(self, record: logging.LogRecord) -> bool:
        identifier = getattr(record, "request_id", "") or request_id.get()
        record.request = f" [{identifier}]" if identifier else ""
        return True


def log_config() -> dict[str, Any]:
    """Return uvicorn's configuration of logging, with the identifier at the end of each line.

    The parser of forms is silent: it logs every mistake of a client, without a limit.
    """
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["python_multipart"] = {"level": "ERROR"}
    config["filters"] = {"request_id": {"()": AddRequestId}}
    for formatter in config["formatters"].values():
        formatter["fmt"] += "%(request)s"
    for handler in config["handlers"].values():
        handler["filters"] = ["request_id"]
    return config
