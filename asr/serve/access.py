"""Access control: the API key, and checks against pages of other sites.

A browser lets any page send requests to any address that its machine can reach. So a page of another site could use a server without a key.
`Origin` names the site of the page. The check of `Host` prevents DNS rebinding: a foreign name that resolves to this machine, so that the
browser takes the foreign page for the server's own.

| server | `Host` | `Origin`, if there is one |
|---|---|---|
| no key, loopback address | localhost, 127.0.0.1, ::1, `--host`, `--allowed-host` | a page on one of these hosts, or `--allowed-origin` |
| no key, other address | any, unless `--allowed-host` is given | the server's own page, or `--allowed-origin` |
| key | any, unless `--allowed-host` is given | any, unless `--allowed-origin` is given: a foreign page does not know the key |

Clients other than browsers send no `Origin`. Only allowed pages may read the responses (CORS).
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.serve.errors import ApiError
from asr.serve.request_id import HEADER
from asr.serve.settings import ServeSettings

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
PORTS = {"http": 80, "https": 443}


def check_key(request: Request, key: str | None) -> None:
    """Raises ApiError 401 unless the request carries the key of the server. `key` is None for a server without one."""
    if key is None:
        return
    sent = request.headers.get("authorization", "")
    scheme, _, value = sent.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(value.strip().encode(), key.encode()):
        problem = (
            "is missing: send it as Authorization: Bearer KEY" if not sent else "is wrong: ask the operator of this server for its key"
        )
        raise ApiError(401, f"the API key {problem}", code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def split_netloc(netloc: str) -> tuple[str, int | None] | None:
    """Split `host[:port]` into the host, in lower case without brackets, and the port. Returns None if it is malformed."""
    try:
        parts = urlsplit(f"//{netloc}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    return (host, port) if host and parts.netloc == netloc and parts.username is None else None


def origin_not_allowed(origin: str) -> ApiError:
    message = f"Origin is {origin[:100]!r}, a site that may not use this server: to allow it, start the server with --allowed-origin ORIGIN"
    return ApiError(403, message, code="origin_not_allowed")


class Access:
    """The rules of the table in the module's docstring."""

    def __init__(self, settings: ServeSettings):
        own = LOCAL | {name.lower().strip("[]").rstrip(".") for name in (settings.host, *settings.allowed_hosts)}
        self._local = settings.loopback and settings.api_key is None
        self._key = settings.api_key is not None
        checks_hosts = (self._local or bool(settings.allowed_hosts)) and "*" not in settings.allowed_hosts
        self._hosts = own if checks_hosts else None
        self._own = own
        self._origins = {origin.lower() for origin in settings.allowed_origins}

    def check(self, headers: Headers) -> None:
        """Raises ApiError 403 for a host or an origin that is not allowed."""
        host = headers.get("host")
        if host is not None and self._hosts is not None and (split_netloc(host) or ("",))[0] not in self._hosts:
            message = f"Host is {host[:100]!r}, which this server does not accept: to allow it, start the server with --allowed-host NAME"
            raise ApiError(403, message, code="host_not_allowed")
        origin = headers.get("origin")
        if origin is None or self.allows(origin, host):
            return
        if self._key and not self._origins:
            return
        raise origin_not_allowed(origin)

    def allows(self, origin: str, host: str | None = None) -> bool:
        """Whether pages of this origin may use the server and read its responses. `host` is the `Host` of the request."""
        if "*" in self._origins or origin.lower() in self._origins:
            return True
        scheme, _, netloc = origin.lower().partition("://")
        page, own = split_netloc(netloc), split_netloc(host or "")
        if scheme not in PORTS or page is None:
            return False
        if self._local and page[0] in self._own:
            return True
        return own is not None and (page[0], page[1] or PORTS[scheme]) == (own[0], own[1] or PORTS[scheme])


class Guard:
    """Middleware for every route: access control, `HEAD` for each `GET`, and security headers."""

    def __init__(self, app: ASGIApp, access: Access):
        self.app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        try:
            self._access.check(Headers(scope=scope))
        except ApiError as e:
            return await e.response()(scope, receive, send_with_headers)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # uvicorn still omits the body
        return await self.app(scope, receive, send_with_headers)


class Cors(CORSMiddleware):
    """Lets pages of allowed origins read the responses."""

    def __init__(self, app: ASGIApp, access: Access):
        super().__init__(
            app, allow_methods=("GET", "POST"), allow_headers=("*",), expose_headers=("X-Ignored-Fields", "X-Notes", HEADER, "Retry-After")
        )
        self._access = access

    def is_allowed_origin(self, origin: str) -> bool:
        return self._access.allows(origin)

    def preflight_response(self, request_headers: Headers) -> Response:
        if not self.is_allowed_origin(request_headers["origin"]):
            return origin_not_allowed(request_headers["origin"]).response()
        return super().preflight_response(request_headers)


def add_access(app: FastAPI, settings: ServeSettings) -> None:
    """Add access control to an app. Call it last, because the middleware added last is the outermost."""
    access = Access(settings)
    app.add_middleware(Cors, access=access)
    app.add_middleware(Guard, access=access)
