"""Requests by the thousand forms that the OpenAPI document allows and forbids: none makes the server fail."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, settings
from serve_support import Live, Parrot, serving

schemathesis = pytest.importorskip("schemathesis", reason="needs pip install 'las-asr[test]'")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot) as running:  # type: ignore[arg-type, return-value]
        yield running


@pytest.fixture(scope="module")
def loaded(live: Live) -> object:
    return schemathesis.openapi.from_url(f"{live.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("loaded")


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_it_fail(case: object) -> None:
    response = case.call()  # type: ignore[attr-defined]
    assert response.status_code < 500
    assert response.status_code < 400 or set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_the_document_has_every_address(live: Live) -> None:
    paths = set(httpx.get(f"{live.url}/openapi.json").json()["paths"])
    assert paths == {"/v1/audio/transcriptions", "/v1/models", "/v1/models/{name}", "/healthz", "/readyz", "/metrics"}
