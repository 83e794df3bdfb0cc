"""`asr serve` as it is run: its start, its mistakes in one line, its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from serve_support import EXAMPLES

CLIPS = sorted(EXAMPLES.glob("*.flac"))
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def announced(log: Path, pattern: str, running: subprocess.Popen[bytes]) -> re.Match[str]:
    """A line that the server prints, once it has printed it."""
    for _ in range(1200):
        if found := re.search(pattern, log.read_text(), re.MULTILINE):
            return found
        assert running.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@contextmanager
def process(*arguments: str, temporary: Path, ready: bool = True) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, "-m", "asr", "serve", "--port", "0", *arguments]
    log = temporary / "log.txt"
    with open(log, "wb") as output:
        running = subprocess.Popen(command, env=ENVIRONMENT | {"TMPDIR": str(temporary)}, stdout=output, stderr=output)
    try:
        url = announced(log, r"^listening on (http://\S+)", running)[1]
        if ready:
            announced(log, r"^ready: model .+, loaded in \d+\.\d s$", running)
        yield running, url
    finally:
        running.kill()
        running.wait()


def temporary_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".ses"}  # onnxruntime's


def ask(url: str, clip: Path) -> str:
    """Return the status and text of an answer, or 'not taken' or 'lost'."""
    try:
        answer = httpx.post(f"{url}/v1/audio/transcriptions", files={"file": clip.read_bytes()}, timeout=120)
    except httpx.ConnectError:
        return "not taken"
    except httpx.TransportError:
        return "lost"
    return f"{answer.status_code} {answer.json().get('text', '')}"


def test_sigterm_under_load_loses_nothing_that_was_begun(tmp_path: Path) -> None:
    """Every request that the server has taken is answered in full, then the process ends by itself, and well."""

    with process(temporary=tmp_path) as (running, url), ThreadPoolExecutor(16) as pool:
        expected = {clip: ask(url, clip) for clip in CLIPS}
        assert all(text.startswith("200 ") for text in expected.values())
        asked = [CLIPS[i % len(CLIPS)] for i in range(16)]
        answers = [pool.submit(ask, url, clip) for clip in asked]
        while b"asr_requests_under_way 16.0" not in httpx.get(f"{url}/metrics").content:
            assert not any(one.done() for one in answers)
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        assert [one.result() for one in answers] == [expected[clip] for clip in asked]
        assert running.wait(60) == 0
        assert ask(url, CLIPS[0]) == "not taken"
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log
    assert temporary_names(tmp_path) == {"log.txt"}


def test_sigterm_while_the_model_loads(tmp_path: Path) -> None:
    with process(temporary=tmp_path, ready=False) as (running, _):
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log
    assert "ready" not in log


def test_sigterm_among_clients_that_do_nothing(tmp_path: Path) -> None:
    """Connections without a request do not hold up the end."""
    with process("--host", "localhost", temporary=tmp_path) as (running, url), ExitStack() as stack:
        assert url.startswith("http://localhost:")
        address = ("localhost", int(url.rsplit(":", 1)[1]))
        client = stack.enter_context(httpx.Client())
        answer = client.get(f"{url}/healthz")  # it stays connected
        assert answer.status_code == 200
        for content in (b"", b"GET / HTTP/1.1\r\nX-", b"GET /swagger/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            stack.enter_context(socket.create_connection(address)).sendall(content)
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        assert time.monotonic() - began < 40  # an answer that is not read has its own deadline
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log
    assert f'"GET /healthz HTTP/1.1" 200 OK [{answer.headers["x-request-id"]}]' in log


def serve(*arguments: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "asr", "serve", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


def test_mistakes_are_one_line(tmp_path: Path, tiny_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, err = serve("--model", str(tiny_folder), "--port", port)
        assert (code, err) == (
            1,
            f"error: --host 127.0.0.1 --port {port}: cannot listen: Address already in use: choose another address or port\n",
        )
    for option, value in [("--allowed-host", "http://a"), ("--allowed-origin", "a.example"), ("--trusted-proxy", "a.example")]:
        code, err = serve("--model", str(tiny_folder), option, value)
        assert code == 2
        assert err.startswith(f"error: {option} {value}: expected")
        assert err.count("\n") == 1
    code, err = serve("--model", str(tmp_path / "gone"), "--port", "0")
    assert code != 0
    assert re.search(r"^error: .*gone", err, re.MULTILINE)
    assert "Traceback" not in err
    assert serve(ASR_API_KEY="clé")[0] == 2


def test_a_missing_extra_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError(\"No module named 'fastapi'\", name='fastapi')")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    code, err = serve(PYTHONPATH=path)
    assert (code, err) == (2, "error: asr serve needs a package that is not installed (fastapi): pip install 'las-asr[serve]'\n")


@pytest.mark.parametrize("option", ["--max-upload", "--port"])
def test_limits_have_limits(option: str) -> None:
    assert serve(option, "-1")[0] == 2


def test_an_empty_key_is_no_key() -> None:
    status, said = serve(ASR_API_KEY="")
    assert status == 2
    assert "ASR_API_KEY is set and empty" in said


def test_kill_9_under_load_leaves_whole_answers_alone(tmp_path: Path) -> None:
    """Answers are complete or the connection breaks. The server uses its hotwords."""

    hotwords = ("--hotwords", "rivver", "--hotword-weight", "3", "--batch-seconds", "5")
    with process(*hotwords, temporary=tmp_path) as (server, url), ThreadPoolExecutor(16) as pool:
        alone = {clip: ask(url, clip) for clip in CLIPS}
        assert "rivver" in alone[EXAMPLES / "river.flac"]
        asked = CLIPS * 8
        answers = [pool.submit(ask, url, clip) for clip in asked]
        while not any(answer.done() for answer in answers):
            time.sleep(0.01)
        server.kill()
        texts = [answer.result() for answer in answers]
    assert temporary_names(tmp_path) <= {"log.txt"}
    assert "lost" in texts
    assert all(text in ("lost", "not taken", alone[clip]) for clip, text in zip(asked, texts, strict=True))
