"""Requests of all the forms that the OpenAPI document allows, and of those that it forbids: none makes the server fail."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.serve.settings import ServeSettings

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


def test_the_document_has_only_errors_that_exist(live: Live) -> None:
    """FastAPI adds its own error 422 to addresses with parameters."""
    document = httpx.get(f"{live.url}/openapi.json").json()
    assert "HTTPValidationError" not in document.get("components", {}).get("schemas", {})
    assert all("422" not in operation["responses"] for path in document["paths"].values() for operation in path.values())


def test_the_document_asks_for_the_key_of_a_server_with_one(live: Live) -> None:
    """So that requests can be sent from /docs."""
    assert "securitySchemes" not in httpx.get(f"{live.url}/openapi.json").json().get("components", {})
    with serving(Parrot, ServeSettings(api_key="open-sesame")) as keyed:  # type: ignore[arg-type]
        document = httpx.get(f"{keyed.url}/openapi.json").json()
        [(name, scheme)] = document["components"]["securitySchemes"].items()
        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
        secured = {path for path, methods in document["paths"].items() if any("security" in one for one in methods.values())}
        assert secured == {path for path in PATHS if path.startswith("/v1/")}
        assert httpx.get(f"{keyed.url}/v1/models").json()["error"]["code"] == "invalid_api_key"
        assert document["paths"]["/v1/models"]["get"]["security"] == [{name: []}]


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
