"""Pages of other sites, and names that lead here by a trick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.serve.settings import ServeSettings

RIVER = EXAMPLES / "river.flac"
SERVERS = {
    "loopback": ServeSettings(),
    "more": ServeSettings(allowed_hosts=("asr.example.com",), allowed_origins=("https://app.example.com", "http://app.example.com:8080")),
    "open": ServeSettings(loopback=False, host="0.0.0.0"),
    "key": ServeSettings(api_key="open-sesame"),
    "key and names": ServeSettings(api_key="open-sesame", allowed_hosts=("asr.example.com",), allowed_origins=("https://app.example.com",)),
    "any": ServeSettings(allowed_hosts=("*",), allowed_origins=("*",)),
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Live]]:
    parrot = Parrot()
    parrot.let.set()
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(lambda: parrot, settings)) for name, settings in SERVERS.items()}  # type: ignore[arg-type, return-value]


def ask(live: Live, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()} | {"Authorization": "Bearer open-sesame"}
    return httpx.post(f"{live.url}/v1/audio/transcriptions", files={"file": RIVER.read_bytes()}, headers=named, timeout=60)


def test_clients_other_than_browsers_are_served(servers: dict[str, Live]) -> None:
    for live in servers.values():
        assert ask(live).json()["text"] == "3.907"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]:8000", "localhost.", "localhost.:80"])
def test_names_of_this_machine(servers: dict[str, Live], host: str) -> None:
    assert ask(servers["loopback"], Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example@localhost", "localhost/x", "[", "a:b", ""],
)  # fmt: skip
def test_another_name_is_refused(servers: dict[str, Live], host: str) -> None:
    for path in ("/v1/audio/transcriptions", "/page/transcription"):
        answer = httpx.post(servers["loopback"].url + path, files={"file": RIVER.read_bytes()}, headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_not_allowed")
        assert "--allowed-host" in answer.json()["error"]["message"]
    assert httpx.get(servers["loopback"].url, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8000", "https://localhost"])
def test_pages_of_this_machine(servers: dict[str, Live], origin: str) -> None:
    answer = ask(servers["loopback"], Origin=origin)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost.evil.example", "null", "http://127.0.0.1@evil.example", "file://", "http://[", "http://a:b", "", "*"],
)  # fmt: skip
def test_a_page_of_another_site_is_refused(servers: dict[str, Live], origin: str) -> None:
    for name in ("loopback", "more", "open", "key and names"):
        answer = ask(servers[name], Origin=origin, **({"Host": "asr.example.com"} if "names" in name else {}))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers


def test_the_page_of_another_site_does_not_know_the_key(servers: dict[str, Live]) -> None:
    live = servers["key"]
    answer = httpx.post(f"{live.url}/v1/audio/transcriptions", files={"file": b"x"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 401
    assert "access-control-allow-origin" not in answer.headers
    assert ask(live, Host="asr.example.com", Origin="https://asr.example.com").status_code == 200


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        ("more", {"Host": "asr.example.com"}, 200),
        ("more", {"Host": "other.example.com"}, 403),
        ("more", {"Host": "asr.example.com", "Origin": "https://asr.example.com"}, 200),
        ("more", {"Origin": "https://app.example.com"}, 200),
        ("more", {"Origin": "https://app.example.com:8080"}, 403),
        ("more", {"Origin": "http://APP.example.com:8080"}, 200),
        ("open", {"Host": "mybox.lan:8000", "Origin": "http://mybox.lan:8000"}, 200),
        ("open", {"Host": "mybox.lan", "Origin": "http://mybox.lan:80"}, 200),
        ("open", {"Host": "mybox.lan:8000", "Origin": "http://mybox.lan:3000"}, 403),
        ("open", {"Host": "[", "Origin": "http://mybox.lan"}, 403),
        ("key and names", {"Host": "evil.example"}, 403),
        ("key and names", {"Host": "asr.example.com", "Origin": "https://app.example.com"}, 200),
        ("any", {"Host": "evil.example", "Origin": "https://evil.example"}, 200),
    ],
)
def test_allowed_hosts_and_origins(servers: dict[str, Live], name: str, headers: dict[str, str], status: int) -> None:
    assert ask(servers[name], **headers).status_code == status


def test_preflight_requests(servers: dict[str, Live]) -> None:
    def preflight(name: str, origin: str) -> httpx.Response:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, x-stainless-os",
        }
        return httpx.options(f"{servers[name].url}/v1/audio/transcriptions", headers=headers)

    allowed = preflight("more", "https://app.example.com")
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    for name in ("loopback", "more", "key", "open"):
        refused = preflight(name, "https://evil.example")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in refused.headers
