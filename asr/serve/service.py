"""Recognition for many requests at once: one thread runs the model, others read the recordings.

While it loads, it is not `ready`. `places` bounds the requests it takes on.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asr.decode.attention import WordAttention, word_attention
from asr.errors import AudioError
from asr.memory import Trimmer
from asr.serve.errors import DO_NOT_RETRY, ApiError
from asr.serve.fair_queue import FairQueue, GivenUp, Waiting
from asr.serve.job import Heard, Job, Progress
from asr.serve.metrics import Metrics
from asr.serve.places import Places
from asr.serve.recordings import Recording, Recordings
from asr.serve.settings import ServeSettings
from asr.speech.audio import probe, stream_audio
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE, speech_segments
from asr.transcribe import Transcriber
from asr.transcript import HeldBack, Segment

LOOK_SECONDS = 300.0  # of a job's speech that get attention pictures: those of hours are of no use
LONGEST_WAIT = 60  # s; the most in a `Retry-After`

log = logging.getLogger("uvicorn.error")


class Service:
    """A thread of the service calls `load`, then `on_ready` with the seconds that it took. An exception goes to `failure`, then `on_failure` is called."""

    def __init__(
        self,
        load: Callable[[], Transcriber],
        settings: ServeSettings,
        on_failure: Callable[[], None] = lambda: None,
        on_ready: Callable[[float], None] = lambda _: None,
    ):
        self.settings, self.metrics = settings, Metrics()
        self.failure: Exception | None = None
        self.stopping = False
        self._load, self._on_failure, self._on_ready = load, on_failure, on_ready
        self._transcriber: Transcriber | None = None
        self._queue: FairQueue[Job] = FairQueue(settings.batch_seconds, settings.window_seconds)
        self._readers = ThreadPoolExecutor(settings.requests, "reader")
        self._worker = threading.Thread(target=self._work, name="recognizer", daemon=True)
        self.metrics.waiting_seconds.set_function(lambda: self._queue.seconds)
        self._speed = 10.0  # seconds of speech recognised in a second, lately
        self.places = Places(settings, self.metrics, self._retry_after)
        self.recordings = Recordings()

    # ---------------------------------------------------------------- called by the server's own thread

    @property
    def ready(self) -> bool:
        return self._transcriber is not None and self._worker.is_alive() and not self.stopping

    @property
    def language(self) -> str:
        """Code of the model's language, once it is ready."""
        assert self._transcriber is not None
        return self._transcriber.language

    def start(self) -> None:
        self._worker.start()

    def close(self) -> None:
        """Recognise the segments in the queue, drop the rest, and delete all recordings. May be called again."""
        self.stopping = True
        self._queue.close()
        self._readers.shutdown(cancel_futures=True)
        if self._worker.is_alive():
            self._worker.join()
        self.recordings.close()

    def check_ready(self) -> None:
        """Raises ApiError 503 while the model loads and once the server stops."""
        if not self.ready:
            raise self._not_ready("the server is stopping" if self.stopping else "the model is being loaded")

    def stop_uploads(self) -> None:
        """End the uploads that are still in progress: the server stops."""
        self.places.refuse_uploads(self._not_ready("the server is stopping"))

    def _not_ready(self, why: str) -> ApiError:
        headers = {"Retry-After": "5", "Connection": "close"} if self.stopping else {"Retry-After": "5"}
        return ApiError(503, f"{why}: try again in a few seconds", code="not_ready", headers=headers)

    def submit(self, recording: Recording, looks: bool = False, tell: Callable[[Progress | Heard], None] = lambda _: None) -> Job:
        """Begin to transcribe a recording, which belongs to the job from now on."""
        job = Job(recording=recording, looks=looks, language=self.language, tell=tell)
        self._readers.submit(self._read, job)
        recording.kept = True
        return job

    def _retry_after(self) -> int:
        """Seconds until the speech that waits now is recognised, about."""
        return min(LONGEST_WAIT, math.ceil(1 + self._queue.seconds / self._speed))

    def give_up(self, job: Job) -> None:
        """Drop a job: its client has its answer or has left. No effect on a finished job."""
        self._queue.give_up(job)

    # ---------------------------------------------------------------- called by threads of the service

    def _read(self, job: Job) -> None:
        assert self._transcriber is not None
        count, speech = 0, 0.0
        clock = _Clock(job, self.settings.audio_seconds)
        path = job.recording.path
        try:
            if job.given_up:
                raise GivenUp
            clock.check(probe(path).seconds)  # before the model recognises hours of it in vain
            for segment in speech_segments(clock.count(_blocks(job)), self._transcriber.segment):
                speech += segment.seconds
                job.reading(clock.seconds, speech)
                self._queue.put(job, count, segment)
                count += 1
            job.reading(clock.seconds, speech)
            self.metrics.audio_seconds.inc(clock.seconds)
            job.all_read(count)
        except GivenUp:
            job.transcript.cancel()
        except (AudioError, ApiError) as e:
            self._lose(job, e)
        except Exception as e:
            log.exception("a recording could not be read")
            self._lose(job, e)
        finally:
            job.recording.close()

    def _work(self) -> None:
        began = time.monotonic()
        try:
            self._transcriber = self._load()
        except Exception as e:
            self.failure = e
            self._on_failure()
            return
        if not self.stopping:
            self._on_ready(time.monotonic() - began)
        trimmer = Trimmer()
        while batch := self._queue.take():
            began = time.monotonic()
            try:
                self._recognize(self._transcriber, batch)
            except Exception as e:  # of this batch alone: the thread must live on
                log.exception("a batch was lost")
                for item in batch:
                    self._lose(item.job, e)
            seconds, took = sum(item.speech.seconds for item in batch), time.monotonic() - began
            self._speed += 0.2 * (seconds / max(took, 1e-3) - self._speed)
            self.metrics.batch_segments.observe(len(batch))
            self.metrics.batch_time.observe(took)
            trimmer.trim()

    def _lose(self, job: Job, error: Exception) -> None:
        job.fail(error)
        self.give_up(job)

    def _recognize(self, transcriber: Transcriber, batch: Sequence[Waiting[Job]]) -> None:
        try:
            found = transcriber.recognize([item.speech for item in batch])
        except Exception as e:
            if len(batch) == 1:
                log.exception("a segment of %.1f s could not be recognised", batch[0].speech.seconds)
                self._lose(batch[0].job, e)
                return
            for item in batch:  # one bad segment must not cost the others their results
                self._recognize(transcriber, [item])
            return
        for item, said in zip(batch, found, strict=True):
            if not item.job.given_up:
                item.job.hear(item.number, item.speech.seconds, said, self._look(transcriber, item, said))

    def _look(self, transcriber: Transcriber, item: Waiting[Job], said: Segment | HeldBack | None) -> WordAttention | None:
        if not isinstance(said, Segment) or not item.job.looks or item.job.looked_seconds >= LOOK_SECONDS:
            return None
        item.job.looked_seconds += item.speech.seconds
        try:
            return word_attention(transcriber.model, transcriber.waveform(item.speech), said.readings[0].tokens)
        except Exception:  # the text is worth more than its picture
            log.exception("no picture of a segment of %.1f s", item.speech.seconds)
            return None


def _blocks(job: Job) -> Iterator[Samples]:
    """Samples at 16 kHz of a job's recording; the job gets the notes on it."""

    def miss(missing: Missing) -> None:
        job.missing = missing.seconds
        job.notes.append(str(missing))

    return stream_audio(job.recording.path, RATE, 0.0, None, None, miss, None, job.notes.append)


class _Clock:
    """Seconds of a job's recording that have been read."""

    def __init__(self, job: Job, limit: float):
        self.job, self.limit, self.seconds = job, limit, 0.0

    def count(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        """Pass the blocks through. Raises GivenUp, and ApiError for a recording that is too long."""
        for block in blocks:
            self.seconds += len(block) / RATE
            if self.job.given_up:
                raise GivenUp
            self.check(self.seconds)  # headers may lie
            yield block

    def check(self, seconds: float) -> None:
        """Raises ApiError for a recording that is too long."""
        if seconds > self.limit:
            message = f"file: the recording is longer than {self.limit:g} s, the most that this server takes: send it in parts"
            raise ApiError(413, message, param="file", code="audio_too_long")


def as_api_error(error: BaseException, path: Path) -> ApiError:
    """The answer to a request whose job failed: without paths of this machine, without a traceback."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, AudioError):
        return ApiError(400, str(error).replace(str(path), "file"), param="file", code="invalid_file")
    return ApiError(500, "the server failed at this recording; its log says how", code="internal_error", headers=DO_NOT_RETRY)
