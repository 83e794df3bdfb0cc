"""The API key of a server."""

from __future__ import annotations

import hmac

from fastapi import Request

from asr.serve.errors import ApiError


def check_key(request: Request, key: str | None) -> None:
    """Raises ApiError unless the request has the server's key, where it has one."""
    if key is None:
        return
    sent = request.headers.get("authorization", "")
    scheme, _, value = sent.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(value.strip().encode(), key.encode()):
        what = "is missing: send it as Authorization: Bearer KEY" if not sent else "is not the one of this server"
        raise ApiError(401, f"the API key {what}", code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
