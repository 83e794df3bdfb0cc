"""`asr serve`: serve a model over HTTP."""

from __future__ import annotations

import ipaddress
import math
import os
from typing import Annotated

import typer

from asr.cli.search import TranscriptOptions, takes_search_options
from asr.console import err, one_line_errors, print_note
from asr.errors import UsageError


@one_line_errors
@takes_search_options
def serve(
    *,
    host: Annotated[str, typer.Option(help="Listen at this address; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen at this port; 0 for any free one.")] = 8000,
    api_key: Annotated[
        str | None, typer.Option(envvar="ASR_API_KEY", help="Require this key in each request for a transcript.", show_default=False)
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, help="Reject larger requests (MiB).")] = 100,
    max_seconds: Annotated[float, typer.Option(min=1, help="Reject longer recordings (s).")] = 7200.0,
    max_requests: Annotated[
        int, typer.Option(min=1, max=1000, help="Recognise at most this many recordings at a time; further requests get 429.")
    ] = 64,
    max_requests_per_client: Annotated[int, typer.Option(min=1, max=1000, help="Recognise at most this many from one address.")] = 32,
    timeout: Annotated[float, typer.Option(min=1, help="Stop a request after this time (s).")] = 600.0,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Accept this name in the Host header, too; repeat for more.", metavar="NAME", show_default=False),
    ] = None,
    allowed_origin: Annotated[
        list[str] | None,
        typer.Option(help="Let pages of this site use the server; repeat for more.", metavar="https://SITE", show_default=False),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Take the client's address from X-Forwarded-For of this proxy; repeat for more.", metavar="ADDRESS", show_default=False
        ),
    ] = None,
    search: TranscriptOptions,
) -> None:
    """Serve the model over HTTP: OpenAI's audio API at /v1, a page at /, documentation at /docs.

    Concurrent requests are recognised in one batch. /healthz, /readyz and /metrics are for operators. Prints `listening on URL` and
    `ready` to standard error. SIGTERM or Ctrl-C finishes the running requests, then stops. Needs pip install 'las-asr\\[serve]'.

    Without a key, pages of other sites are refused: see --allowed-host and --allowed-origin.

      asr serve
      asr serve --host 0.0.0.0 --port 80 --profile fast
      ASR_API_KEY=… asr serve
      curl -F file=@talk.mp3 -F response_format=text http://localhost:8000/v1/audio/transcriptions
    """
    if api_key is None and "ASR_API_KEY" in os.environ:
        raise UsageError("ASR_API_KEY is set and empty: give it a key, or unset it to serve without a key")
    if not (math.isfinite(timeout) and math.isfinite(max_seconds)):
        raise UsageError("--timeout and --max-seconds must be finite numbers")
    if api_key is not None and not (api_key.strip() and api_key.isascii() and api_key.isprintable()):
        raise UsageError("--api-key: expected one or more printable ASCII characters, as it is sent in a header")
    for name in allowed_host or ():
        _check_host(name)
    for origin in allowed_origin or ():
        _check_origin(origin)
    for proxy in trusted_proxy or ():
        _check_proxy(proxy)
    with err.status("starting …"):
        from asr.memory import limit_kernel_cache

        limit_kernel_cache()
        try:
            from asr.serve.run import run
        except ModuleNotFoundError as e:
            if e.name is None or e.name.startswith("asr"):
                raise
            raise UsageError(f"asr serve needs a package that is not installed ({e.name}): pip install 'las-asr[serve]'") from None
        from asr.serve.settings import ServeSettings

    settings = ServeSettings(
        api_key=api_key.strip() if api_key else None,
        host=host,
        allowed_hosts=tuple(allowed_host or ()),
        allowed_origins=tuple(allowed_origin or ()),
        trusted_proxies=tuple(trusted_proxy or ()),
        upload_bytes=max_upload * 2**20,
        audio_seconds=max_seconds,
        requests=max_requests,
        requests_per_client=max_requests_per_client,
        timeout_seconds=timeout,
        batch_seconds=search.batch_seconds,
    )
    run(search.transcriber, settings, port, print_note, str(search.model or "las-asr (embedded)"))


def _check_host(name: str) -> None:
    if not name or any(c in name for c in "/ @?#") or (":" in name and name.count(":") < 2):
        raise UsageError(f"--allowed-host {name}: expected a name or address without scheme and port: asr.example.com")


def _check_origin(origin: str) -> None:
    scheme, _, site = origin.partition("://")
    if origin not in ("*", "null") and (scheme not in ("http", "https") or not site or any(c in site for c in "/ @?#")):
        raise UsageError(f"--allowed-origin {origin}: expected scheme and name, with an optional port: https://asr.example.com")


def _check_proxy(proxy: str) -> None:
    try:
        ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        raise UsageError(f"--trusted-proxy {proxy}: expected an address or a network: 127.0.0.1, 10.0.0.0/8") from None
