"""Streamed transcriptions: the official OpenAI client, the order of events, errors, and clients that leave."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace

import httpx
import numpy as np
import openai
import pytest
import soundfile
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent
from serve_support import EXAMPLES, Live, Parrot, said, serving

from asr.serve import app, event_stream
from asr.serve.settings import ServeSettings
from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber
from asr.transcript import Segment

RIVER = EXAMPLES / "river.flac"
RATE = 16_000


def client(live: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key="any", max_retries=0)


def parrot_server(parrot: Parrot, **settings: float) -> AbstractContextManager[Live]:
    return serving(lambda: parrot, ServeSettings(**settings))  # type: ignore[arg-type, return-value]


@pytest.fixture(scope="module")
def lecture() -> bytes:
    """All example clips, separated by pauses: several segments."""
    gap = np.zeros(2 * RATE, np.float32)
    parts = [part for clip in sorted(EXAMPLES.glob("*.flac")) for part in (soundfile.read(clip, dtype="float32")[0], gap)]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts), RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


def data(response: httpx.Response) -> list[dict[str, object]]:
    """The events of a response."""
    assert response.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if line.startswith("data: ")]


def test_events_of_the_official_client(server: Live, transcriber: Transcriber, lecture: bytes) -> None:
    expected = transcriber.transcribe(soundfile.read(io.BytesIO(lecture), dtype="float32")[0])
    assert len(expected.segments) > 2
    stream = client(server).audio.transcriptions.create(
        file=("a.wav", lecture), model="las-asr", stream=True, include=["logprobs"], response_format="json"
    )
    events = list(stream)
    *deltas, done = events
    assert [event.type for event in events] == ["transcript.text.delta"] * len(expected.segments) + ["transcript.text.done"]
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta") == expected.text
    assert done.type == "transcript.text.done"
    assert done.text == expected.text
    tokens = [entry.token for event in events for entry in event.logprobs or []]
    assert "".join(map(str, tokens)) == 2 * expected.text  # of the deltas, then of the whole
    for event in events:  # the client itself does not validate
        kind = TranscriptionTextDoneEvent if event is done else TranscriptionTextDeltaEvent
        kind.model_validate(event.model_dump(), strict=True, extra="forbid")
    assert server.is_clean()


def test_the_first_event_comes_before_the_last_batch(lecture: bytes) -> None:
    first_batch = threading.Event()

    class Halting(Parrot):
        def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | None]:
            if first_batch.is_set():
                self.let.wait(60)
            first_batch.set()
            return [said(one) for one in speech]

    parrot = Halting()
    with parrot_server(parrot, batch_seconds=10.0) as live:
        stream = client(live).audio.transcriptions.create(file=("a.wav", lecture), model="las-asr", stream=True)
        assert next(stream).type == "transcript.text.delta"
        parrot.let.set()
        assert list(stream)[-1].type == "transcript.text.done"


def test_errors_before_the_first_event_have_a_status(server: Live) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot be decoded"):
        client(server).audio.transcriptions.create(file=b"no recording", model="las-asr", stream=True)
    assert server.is_clean()


def test_errors_after_the_first_event_are_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FIRST_EVENT_SECONDS", 0.2)
    parrot = Parrot()
    with parrot_server(parrot, timeout_seconds=0.5) as live:
        stream = client(live).audio.transcriptions.create(file=RIVER, model="las-asr", stream=True)
        with pytest.raises(openai.APIError, match="not ready within") as caught:
            list(stream)
        assert caught.value.code == "timeout"
        assert live.is_clean()
        parrot.let.set()
        assert live.figure('asr_requests_total{status="504"}') == 1


def test_comments_keep_the_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FIRST_EVENT_SECONDS", 0.1)
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_SECONDS", 0.1)
    parrot = Parrot()
    with parrot_server(parrot) as live, ThreadPoolExecutor(1) as pool:
        events = pool.submit(lambda: list(client(live).audio.transcriptions.create(file=RIVER, model="las-asr", stream=True)))
        with httpx.stream(
            "POST", f"{live.url}/v1/audio/transcriptions", files={"file": RIVER.read_bytes()}, data={"stream": "true"}
        ) as raw:
            lines = raw.iter_lines()
            assert [next(lines) for _ in range(4)] == [": keep-alive", "", ": keep-alive", ""]
        parrot.let.set()
        assert [event.type for event in events.result()] == ["transcript.text.delta", "transcript.text.done"]


@pytest.mark.parametrize("seconds", [0.1, 60.0], ids=["after the head", "before the head"])
def test_a_client_that_leaves_frees_its_place_at_once(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Though the model is still at work on its batch."""
    monkeypatch.setattr(app, "FIRST_EVENT_SECONDS", seconds)
    parrot = Parrot()
    with parrot_server(parrot, requests=1) as live:
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{live.url}/v1/audio/transcriptions", files={"file": RIVER.read_bytes()}, data={"stream": "true"}, timeout=0.7)
            assert live.is_clean()
        parrot.let.set()
        assert data(live.post(RIVER, stream="true"))[-1]["text"] == "3.907"


def test_silence_has_an_empty_text(server: Live) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(RATE, np.float32), RATE, format="WAV")
    assert data(server.post(file.getvalue(), stream="true")) == [{"type": "transcript.text.done", "text": ""}]


def test_a_model_without_word_times_has_a_logprob_per_segment() -> None:
    class Wordless(Parrot):
        def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | None]:
            return [replace(said(one), words=()) for one in speech]

    with parrot_server(Wordless()) as live:
        answer = live.post(RIVER, include="logprobs").json()
        assert answer["logprobs"] == [{"token": "3.907", "bytes": list(b"3.907"), "logprob": 0.0}]


def test_the_stream_can_be_iterated_asynchronously(server: Live) -> None:
    async def events() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as asynchronous:
            stream = await asynchronous.audio.transcriptions.create(file=RIVER, model="las-asr", stream=True)
            return [event.type async for event in stream]

    assert asyncio.run(events()) == ["transcript.text.delta", "transcript.text.done"]
