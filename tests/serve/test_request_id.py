"""The identifier of a request: on every response, in the clients, and in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import openai
import pytest
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.serve import app, service
from asr.serve.request_id import AddRequestId
from asr.serve.settings import ServeSettings

RIVER = EXAMPLES / "river.flac"


@contextmanager
def parrot_server(**settings: object) -> Iterator[Live]:
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot, ServeSettings(**settings)) as live:  # type: ignore[arg-type, return-value]
        yield live


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """Collect the lines of the server's log. The start of a server resets the handlers, so call it afterwards."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()}{record.request}")  # type: ignore[attr-defined]

    collector = Collector()
    collector.addFilter(AddRequestId())
    log = logging.getLogger("uvicorn.error")
    log.addHandler(collector)
    yield lines
    log.removeHandler(collector)


def test_every_response_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with parrot_server(api_key="open-sesame", allowed_hosts=("127.0.0.1",)) as live:
        key = {"Authorization": "Bearer open-sesame"}
        url, file = f"{live.url}/v1/audio/transcriptions", {"file": RIVER.read_bytes()}
        answers = [
            httpx.get(live.url),
            httpx.get(f"{live.url}/static/page.js"),
            httpx.get(f"{live.url}/nothing"),
            httpx.get(live.url, headers={"Host": "evil.example"}),
            httpx.get(f"{live.url}/v1/models"),
            httpx.get(f"{live.url}/v1/models/las-asr", headers=key),
            httpx.post(url, files=file, headers=key),
            httpx.post(url, files=file, headers=key, data={"stream": "true"}),
            httpx.post(f"{live.url}/page/transcription", files=file, headers=key),
            httpx.get(live.url, headers={f"X-{i}": "a" for i in range(200)}),  # refused before the application
        ]
        monkeypatch.setattr(app, "read_fields", lambda *_: 1 / 0)
        answers.append(httpx.post(url, files=file, headers=key))
    assert [answer.status_code for answer in answers] == [200, 200, 404, 403, 401, 200, 200, 200, 200, 431, 500]
    found = [answer.headers.get_list("x-request-id") for answer in answers]
    assert all(len(values) == 1 and values[0].startswith("req_") for values in found)
    assert len({values[0] for values in found}) == len(found)


def test_the_official_client_shows_it() -> None:
    with parrot_server() as live:
        client = openai.OpenAI(base_url=f"{live.url}/v1", api_key="any", max_retries=0)
        answer = client.audio.transcriptions.create(file=RIVER, model="las-asr", extra_headers={"X-Request-ID": "mine-1"})
        assert answer._request_id == "mine-1"
        with pytest.raises(openai.NotFoundError) as caught:
            client.audio.transcriptions.create(file=RIVER, model="gpt-4o-transcribe")
        assert str(caught.value.request_id).startswith("req_")


@pytest.mark.parametrize("sent", ["", "two words", "a" * 129, "\u00e9"])
def test_an_invalid_identifier_is_replaced(sent: str) -> None:
    with parrot_server() as live:
        answer = httpx.get(f"{live.url}/healthz", headers={"X-Request-ID": sent.encode()})
        assert answer.headers["x-request-id"].startswith("req_")


def test_the_log_names_the_request_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a thread of the service, not the task of the request, logs it."""
    with parrot_server() as live, log_lines() as logged:
        monkeypatch.setattr(service, "stream_audio", lambda *_: 1 / 0)
        answer = live.post(RIVER)
        assert answer.status_code == 500
        assert f"a recording could not be read [{answer.headers['x-request-id']}]" in logged
