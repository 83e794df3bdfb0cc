"""Many at once: each gets its own answer, in time or with a reason."""

from __future__ import annotations

import errno
import io
import json
import random
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import httpx
import numpy as np
import pytest
import soundfile
from serve_support import EXAMPLES, Live, Parrot, said, serving

from asr.serve import service
from asr.serve.job import Job
from asr.serve.settings import ServeSettings
from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber
from asr.transcript import HeldBack, Segment

CLIPS = sorted(EXAMPLES.glob("*.flac"))
RIVER = EXAMPLES / "river.flac"


def parrot_server(parrot: Parrot, **settings: float) -> AbstractContextManager[Live]:
    return serving(lambda: parrot, ServeSettings(**settings))  # type: ignore[arg-type, return-value]


def test_no_answer_is_lost_or_mixed_up(server: Live, transcriber: Transcriber) -> None:
    expected = {clip: transcriber.transcribe(clip).text for clip in CLIPS}
    assert len(set(expected.values())) == len(CLIPS)
    asked = CLIPS * 4
    random.Random(0).shuffle(asked)
    batches = server.service.metrics.batch_segments._sum.get()
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda clip: server.post(clip).json()["text"], asked))
    assert answers == [expected[clip] for clip in asked]
    assert server.service.metrics.batch_segments._sum.get() - batches == len(asked)
    assert server.is_clean()


def test_segments_of_a_long_recording_come_back_in_order(transcriber: Transcriber, server: Live) -> None:
    rate = 16_000
    gap = np.zeros(2 * rate, np.float32)
    whole = np.concatenate([part for clip in CLIPS for part in (soundfile.read(clip, dtype="float32")[0], gap)])
    file = io.BytesIO()
    soundfile.write(file, whole, rate, format="WAV", subtype="FLOAT")
    answer = server.post(file.getvalue(), response_format="verbose_json").json()
    expected = transcriber.transcribe(whole)
    assert answer["text"] == expected.text
    assert [s["start"] for s in answer["segments"]] == [pytest.approx(s.start, abs=1e-3) for s in expected.segments]


def test_too_many_requests_get_retry_after() -> None:
    parrot = Parrot()
    with parrot_server(parrot, requests=3) as live, ThreadPoolExecutor(3) as pool:
        running = [pool.submit(live.post, RIVER) for _ in range(3)]
        while live.service.metrics.under_way._value.get() < 3:
            time.sleep(0.01)
        refused = live.post(RIVER)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["code"] == "queue_full"
        parrot.let.set()
        assert [one.result().status_code for one in running] == [200, 200, 200]
        assert live.post(RIVER).status_code == 200
        assert b"asr_requests_refused_total 1.0" in httpx.get(live.url + "/metrics").content


def test_slow_recognition_is_given_up() -> None:
    parrot = Parrot()
    with parrot_server(parrot, timeout_seconds=0.5) as live:
        answer = live.post(RIVER)
        assert answer.status_code == 504
        assert answer.json()["error"]["type"] == "server_error"
        assert '"event": "error"' in live.post(RIVER, "/page/transcription").text.splitlines()[-1]
        assert live.is_clean()
        parrot.let.set()


def test_jobs_of_disconnected_clients_are_not_recognised() -> None:
    parrot = Parrot()
    with parrot_server(parrot, batch_seconds=1.0) as live:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(httpx.post, live.url + "/v1/audio/transcriptions", files={"file": RIVER.read_bytes()}, timeout=3)
            assert parrot.begun.wait(30)
            with pytest.raises(httpx.ReadTimeout):
                first.result()
        for _ in range(4):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(live.url + "/v1/audio/transcriptions", files={"file": RIVER.read_bytes()}, timeout=0.5)
        assert live.is_clean()
        parrot.let.set()
        assert live.post(RIVER).status_code == 200
        assert len(parrot.batches) == 2  # the first, which had begun, and the last


def test_while_the_model_loads() -> None:
    loaded = threading.Event()
    parrot = Parrot()
    parrot.let.set()

    def load() -> Transcriber:
        loaded.wait(30)
        return parrot  # type: ignore[return-value]

    with serving(load, wait=False) as live:
        assert httpx.get(live.url + "/healthz").status_code == 200
        assert httpx.get(live.url + "/readyz").status_code == 503
        assert live.post(RIVER).json()["error"]["code"] == "not_ready"
        loaded.set()
        while httpx.get(live.url + "/readyz").status_code != 200:
            time.sleep(0.05)
        assert live.post(RIVER).status_code == 200


def opposite() -> bytes:
    """A stereo recording whose channels cancel each other."""
    samples, rate = soundfile.read(RIVER, dtype="float32")
    file = io.BytesIO()
    soundfile.write(file, np.stack([samples, -samples], 1), rate, format="WAV")
    return file.getvalue()


def test_notes_name_no_options_of_the_command_line() -> None:
    parrot = Parrot()
    parrot.let.set()
    with parrot_server(parrot) as live:
        [note] = live.post(opposite(), response_format="verbose_json").json()["notes"]
        assert note == "the channels have opposite phase at 0:00 and cancel each other: channel 1 is read there"
        done = json.loads(live.post(opposite(), "/page/transcription").text.splitlines()[-1])
        assert done["notes"] == [note]


class Wary(Parrot):
    """Holds back every segment."""

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[HeldBack]:  # type: ignore[override]
        return [HeldBack(one.start, one.start + one.seconds, "THE") for one in speech]


def test_held_back_text_is_in_verbose_json_only() -> None:
    with parrot_server(Wary()) as live:
        answer = live.post(RIVER, response_format="verbose_json").json()
        assert (answer["text"], answer["segments"]) == ("", [])
        assert [one["text"] for one in answer["held_back"]] == ["THE"]
        assert live.post(RIVER).json()["text"] == ""
        events = [json.loads(line) for line in live.post(RIVER, "/page/transcription").text.splitlines()]
        assert {event["event"] for event in events} == {"progress", "done"}
        assert events[-1]["files"]["txt"] == ""


class Choosy(Parrot):
    """Fails at a batch that the river is in."""

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | None]:
        self.begun.set()
        self.let.wait(60)
        self.batches.append(len(speech))
        if any(f"{one.seconds:.3f}" == "3.907" for one in speech):
            raise RuntimeError("out of memory")
        return [said(one) for one in speech]


def test_a_failed_job_affects_no_other() -> None:
    choosy = Choosy()
    with parrot_server(choosy) as live, ThreadPoolExecutor(len(CLIPS) + 1) as pool:
        other = pool.submit(live.post, next(clip for clip in CLIPS if clip != RIVER))
        assert choosy.begun.wait(30)  # it is busy, and the rest gather behind
        answers = [pool.submit(live.post, clip) for clip in CLIPS]
        seconds = sum(soundfile.info(clip).duration for clip in CLIPS)
        while live.service._queue.seconds < 0.7 * seconds:
            time.sleep(0.01)
        choosy.let.set()
        assert other.result().status_code == 200
        status = {clip.stem: one.result().status_code for clip, one in zip(CLIPS, answers, strict=True)}
        assert status == {clip.stem: 500 if clip == RIVER else 200 for clip in CLIPS}
        assert max(choosy.batches) > 1  # it was among others


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the messages that the service logs, with their exceptions."""
    lines: list[str] = []
    monkeypatch.setattr(
        service.log, "exception", lambda message, *args, extra=None: lines.append(f"{message % args}: {sys.exc_info()[1]!r}")
    )
    return lines


def test_a_failed_picture_leaves_words_and_server_intact(logged: list[str]) -> None:
    parrot = Parrot()  # it has no network to look into
    parrot.let.set()
    with parrot_server(parrot) as live:
        lines = [json.loads(line) for line in live.post(RIVER, "/page/transcription").text.splitlines()]
        [segment] = [line for line in lines if line["event"] == "segment"]
        assert (segment["text"], segment["picture"]) == ("3.907", None)
        assert lines[-1]["event"] == "done"
        assert "no picture of a segment" in logged[0]
        assert live.post(RIVER).status_code == 200
        assert httpx.get(live.url + "/readyz").status_code == 200


def test_a_failed_batch_does_not_stop_the_server(monkeypatch: pytest.MonkeyPatch, logged: list[str]) -> None:
    parrot = Parrot()
    parrot.let.set()
    hear = Job.add_result
    with parrot_server(parrot) as live:
        monkeypatch.setattr(Job, "add_result", lambda *_: 1 / 0)
        answer = live.post(RIVER)
        assert answer.status_code == 500
        assert answer.headers["x-should-retry"] == "false"
        assert "a batch was lost: ZeroDivisionError" in logged[0]
        monkeypatch.setattr(Job, "add_result", hear)
        assert live.post(RIVER).status_code == 200
        assert live.is_clean()


def test_reading_errors_are_logged(monkeypatch: pytest.MonkeyPatch, logged: list[str]) -> None:
    parrot = Parrot()
    parrot.let.set()
    with parrot_server(parrot) as live:
        monkeypatch.setattr(service, "stream_audio", lambda *_: 1 / 0)
        assert live.post(RIVER).json()["error"]["code"] == "internal_error"
        assert "a recording could not be read: ZeroDivisionError" in logged[0]


def test_a_recording_that_is_too_long_is_not_begun() -> None:
    parrot = Parrot()
    parrot.let.set()
    with parrot_server(parrot, audio_seconds=2.0) as live:
        answer = live.post(RIVER)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "audio_too_long"
        assert parrot.batches == []


def test_answers_are_counted_by_status() -> None:
    parrot = Parrot()
    parrot.let.set()
    with parrot_server(parrot) as live:
        assert [live.post(file).status_code for file in (RIVER, RIVER, b"no sound")] == [200, 200, 400]
        live.post(RIVER, "/page/transcription")
        live.post(b"no sound", "/page/transcription")
        shown = httpx.get(live.url + "/metrics").text
    assert 'asr_requests_total{status="200"} 3.0' in shown
    assert 'asr_requests_total{status="400"} 2.0' in shown
    assert "asr_waiting_speech_seconds 0.0" in shown


def test_a_full_disk_is_reported_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    parrot = Parrot()
    parrot.let.set()
    with parrot_server(parrot) as live:
        monkeypatch.setattr(live.service.recordings, "keep", full)
        answer = live.post(RIVER)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "disk_full"
        assert 'asr_requests_total{status="503"} 1.0' in httpx.get(live.url + "/metrics").text
        assert live.is_clean()
