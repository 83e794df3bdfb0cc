"""`asr serve`: the model as a service."""

from __future__ import annotations

import math
import os
from typing import Annotated

import typer

from asr.cli.console import err, speaks_plainly
from asr.cli.search import SearchOptions, takes_search_options
from asr.errors import UsageError


@speaks_plainly
@takes_search_options
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    api_key: Annotated[
        str | None, typer.Option(envvar="ASR_API_KEY", help="Ask it of every request for a transcript.", show_default=False)
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, help="Largest request (MiB).")] = 100,
    max_seconds: Annotated[float, typer.Option(min=1, help="Longest recording (s).")] = 7200.0,
    max_requests: Annotated[int, typer.Option(min=1, max=1000, help="Most requests under way; more are told to come again.")] = 64,
    timeout: Annotated[float, typer.Option(min=1, help="Longest time to an answer (s).")] = 600.0,
    search: SearchOptions,
) -> None:
    """Serve the model over HTTP: OpenAI's audio API at /v1, a page at /, documentation at /docs.

    Requests that come together are recognised together. /healthz, /readyz and /metrics are for whoever looks after the server. Needs
    pip install 'las-asr\\[serve]'. SIGTERM or Ctrl-C: what is under way is finished first.

      asr serve
      asr serve --host 0.0.0.0 --port 80 --profile fast
      ASR_API_KEY=… asr serve
      curl -F file=@talk.mp3 -F response_format=text http://localhost:8000/v1/audio/transcriptions
    """
    if api_key is None and "ASR_API_KEY" in os.environ:
        raise UsageError("ASR_API_KEY is set and empty: give it a key, or unset it to serve whoever asks")
    if not (math.isfinite(timeout) and math.isfinite(max_seconds)):
        raise UsageError("--timeout and --max-seconds are finite numbers")
    if api_key is not None and not (api_key.strip() and api_key.isascii() and api_key.isprintable()):
        raise UsageError("--api-key must be of ASCII characters, one at least, for it is sent in a header")
    with err.status("starting …"):
        from asr.memory import keep_memory_flat

        keep_memory_flat()
        try:
            from asr.serve.run import run
        except ModuleNotFoundError as e:
            if e.name is None or e.name.startswith("asr"):
                raise
            raise UsageError(f"asr serve needs a package that is not installed ({e.name}): pip install 'las-asr[serve]'") from None
        from asr.serve.settings import ServeSettings

    settings = ServeSettings(
        api_key=api_key.strip() if api_key else None,
        upload_bytes=max_upload * 2**20,
        audio_seconds=max_seconds,
        requests=max_requests,
        timeout_seconds=timeout,
        batch_seconds=search.batch_seconds,
    )
    run(search.transcriber, settings, host, port)
