"""Requests of all the forms that the OpenAPI document allows, and of those that it forbids: none makes the server fail."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from serve_support import EXAMPLES, Live, Parrot, serving

schemathesis = pytest.importorskip("schemathesis", reason="needs pip install 'las-asr[test]'")

PATHS = {"/v1/audio/transcriptions", "/v1/models", "/v1/models/{name}", "/healthz", "/readyz", "/metrics"}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot) as running:  # type: ignore[arg-type, return-value]
        yield running
        assert running.post(EXAMPLES / "river.flac").status_code == 200
        assert running.is_clean()


def test_the_document_has_every_address(live: Live) -> None:
    assert set(httpx.get(f"{live.url}/openapi.json").json()["paths"]) == PATHS


@pytest.mark.parametrize(("path", "mode"), [*((path, "positive") for path in sorted(PATHS)), ("/v1/audio/transcriptions", "negative")])
def test_no_request_makes_it_fail(live: Live, path: str, mode: str) -> None:
    [(_, operation)] = schemathesis.openapi.from_url(f"{live.url}/openapi.json")[path].items()

    @settings(max_examples=60 if path.endswith("transcriptions") else 10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def ask(case: object) -> None:
        response = case.call()  # type: ignore[attr-defined]
        assert response.status_code < 500
        assert response.status_code < 400 or set(response.json()["error"]) == {"message", "type", "param", "code"}

    ask()
