"""Uploads of every evil kind: a 4xx with a sentence, and nothing left behind."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.serve.settings import ServeSettings

RIVER = (EXAMPLES / "river.flac").read_bytes()


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    parrot = Parrot()
    parrot.let.set()
    settings = ServeSettings(upload_bytes=2**20, upload_seconds=2.0, audio_seconds=60.0)
    with serving(lambda: parrot, settings) as running:  # type: ignore[arg-type, return-value]
        yield running
        assert running.post(RIVER).json()["text"] == "3.907"  # after all that
        assert running.is_clean()


def sound(form: str, seconds: float, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(seconds * 16_000), np.float32), 16_000, format=form, subtype=subtype)
    return file.getvalue()


def refusal(response: httpx.Response, status: int) -> str:
    error = response.json()["error"]
    assert response.status_code == status, error
    assert set(error) == {"message", "type", "param", "code"}
    assert "Traceback" not in error["message"]
    return str(error["message"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"no sound at all, but words", "cannot be decoded"),
        (RIVER[:30], "cannot be decoded"),
        (b"RIFF\xff\xff\xff\x7fWAVEfmt ", "cannot be decoded"),
        (bytes(range(256)) * 400, "cannot be decoded"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/secret\nfile:///etc/passwd\n", "cannot be decoded"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "cannot be decoded"),
        (sound("WAV", 0), "no sound"),
    ],
)
def test_a_file_without_audio(live: Live, content: bytes, says: str) -> None:
    assert says in refusal(live.post(content, name="talk.wav"), 400)


@pytest.mark.parametrize("name", ["talk.wav", "talk.mp4", "notes.txt", "../../etc/passwd", "x" * 4000, "\u0000", "a\r\nb.wav", ""])
def test_the_name_of_an_upload_is_not_trusted(live: Live, name: str) -> None:
    response = live.post(RIVER, name=name)
    if name:
        assert response.json() == {"text": "3.907", "usage": {"type": "duration", "seconds": 4}}
    else:
        refusal(response, 400)  # without a name it is no file


def test_a_recording_that_breaks_off_is_heard_as_far_as_it_goes(live: Live) -> None:
    answer = live.post(RIVER[: len(RIVER) // 2], response_format="verbose_json").json()
    assert 1 <= answer["duration"] < 3.9


def test_a_body_that_is_too_large(live: Live) -> None:
    assert "1 MiB" in refusal(live.post(b"\0" * (2**20 + 1)), 413)

    def unstated() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield b"\0" * 2**16

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert "1 MiB" in refusal(httpx.post(live.url + "/v1/audio/transcriptions", content=unstated(), headers=kind), 413)


def test_a_small_file_of_many_hours(live: Live) -> None:
    bomb = sound("FLAC", 3600)
    assert len(bomb) < 2**20
    assert "longer than 60 s" in refusal(live.post(bomb), 413)


def test_forms_that_are_none(live: Live) -> None:
    url = live.url + "/v1/audio/transcriptions"
    assert "multipart/form-data" in refusal(httpx.post(url, json={"file": "x"}), 415)
    assert "multipart/form-data" in refusal(httpx.post(url, content=RIVER), 415)
    assert "is missing" in refusal(httpx.post(url, files={"sound": ("a.wav", RIVER)}), 400)
    assert "not a file" in refusal(httpx.post(url, files={"file": (None, "text")}), 400)
    assert "more than one file" in refusal(httpx.post(url, files=[("file", ("a", b"x")), ("file", ("b", b"x"))]), 400)
    assert "more than 64 fields" in refusal(live.post(RIVER, **{f"f{i}": "x" for i in range(100)}), 400)
    for kind in ("multipart/form-data", "multipart/form-data; boundary="):
        assert "no boundary" in refusal(httpx.post(url, content=b"x", headers={"Content-Type": kind}), 400)
    assert "Content-Type is missing" in refusal(httpx.post(url, content=b"x"), 415)
    for body in (b"", b"--b", b"--c\r\n\r\n", b"--b\r\n\r\nx", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"):
        refusal(httpx.post(url, content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}), 400)


def test_a_field_that_is_too_long_is_named(live: Live) -> None:
    error = live.post(RIVER, prompt="x" * 100_000).json()["error"]
    assert (error["param"], error["message"]) == ("prompt", "prompt: is longer than 64 KiB, the limit of a field: shorten it")


def form(disposition: str, content: bytes = RIVER, after: bytes = b"") -> bytes:
    head = f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n--b--\r\n" + after


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (form('name="file"'), "file: is text, not a file"),
        (form("name=\"file\"; filename*=UTF-8''a.wav"), "file: is text, not a file"),  # RFC 7578 forbids it
        (form('filename="a"'), "a part of it has no name"),
        (form('name="file"; filename="a"').replace(b"--b", b"--c"), "separated by the boundary"),
        (b"", "file: is missing, because the request has no body"),
        (b"--b--\r\n", "file: is missing: send"),
        (form('name="file"; filename="a"')[:-8], "the form is truncated"),
    ],
)
def test_the_message_says_what_is_wrong_with_a_form(live: Live, body: bytes, says: str) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert says in refusal(httpx.post(live.url + "/v1/audio/transcriptions", content=body, headers=kind), 400)


def test_bytes_after_the_form_are_ignored(live: Live) -> None:
    """RFC 2046 allows an epilogue."""
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    body = form('name="file"; filename="a"', after=b"the end")
    assert httpx.post(live.url + "/v1/audio/transcriptions", content=body, headers=kind).json()["text"] == "3.907"


def test_broken_forms_are_not_logged_each(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    refusal(httpx.post(live.url + "/v1/audio/transcriptions", content=b"no form", headers=kind), 400)
    assert not [record for record in caplog.records if record.name.startswith("python_multipart")]


@pytest.mark.parametrize("headers", [b"a: " + b"b" * 500_000, b"a: b\r\n" * 100_000, b"a" * 500_000])
def test_endless_headers_of_a_part(live: Live, headers: bytes) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n' + headers + b"\r\n\r\n" + RIVER + b"\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert "form cannot be read" in refusal(httpx.post(live.url + "/v1/audio/transcriptions", content=body, headers=kind), 400)


def raw(live: Live, head: str, body: bytes) -> bytes:
    """Return the answer to bytes after which nothing follows on an open connection."""
    address = urlsplit(live.url)
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as line:
        line.sendall(f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + body)
        answer = b""
        while not answer.endswith(b"}}") and (part := line.recv(1 << 16)):  # the head may come before the body
            answer += part
        return answer


FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n' + RIVER


def test_half_a_body_and_then_nothing(live: Live) -> None:
    answer = raw(live, f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {2 * len(FORM)}", FORM)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "stalled for 2 s" in json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["message"]


def test_half_a_form_in_a_whole_body(live: Live) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    for cut in (FORM, FORM[: len(FORM) // 2]):
        message = refusal(httpx.post(live.url + "/v1/audio/transcriptions", content=cut, headers=kind), 400)
        assert "truncated" in message or "missing" in message


def test_a_disconnected_client_leaves_nothing(live: Live) -> None:
    address = urlsplit(live.url)
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port or 80)) as line:
            head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {2 * len(FORM)}"
            line.sendall(head.encode() + b"\r\n\r\n" + FORM)
    assert live.is_clean()


def test_a_refused_body_is_answered_before_it_is_sent_whole(live: Live) -> None:
    """Were the line cut at once, the client would find it broken and never see why."""
    content = b"\0" * (8 * 2**20)
    for _ in range(3):
        refusal(live.post(content), 413)
