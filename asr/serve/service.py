"""Recognition for concurrent requests: one thread runs the model, others read the recordings.

The service is `ready` once the model is loaded. `admission` limits the requests that it accepts.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from asr.config import SegmentConfig
from asr.decode.attention import WordAttention, word_attention
from asr.errors import AudioError
from asr.memory import Trimmer
from asr.serve.admission import Admission
from asr.serve.errors import DO_NOT_RETRY, ApiError
from asr.serve.fair_queue import Cancelled, FairQueue, QueuedSegment
from asr.serve.job import Job, Progress, SegmentResult
from asr.serve.metrics import Metrics
from asr.serve.recognizers import Recognizers
from asr.serve.recordings import Recording, Recordings
from asr.serve.request_id import request_id
from asr.serve.settings import ServeSettings
from asr.speech.audio import probe, stream_audio
from asr.speech.missing import Missing
from asr.speech.reader import Samples
from asr.speech.segment import RATE, speech_segments
from asr.transcribe import Transcriber
from asr.transcript import HeldBack, Segment

ATTENTION_SECONDS = 300.0  # speech of a job that gets attention pictures
LONGEST_WAIT = 60  # most seconds in a `Retry-After`
SPEED_SMOOTHING = 0.2  # weight of the last batch in the running speed
OPTION_ADVICE = re.compile(r"; [^;]* --[a-z-]+$")  # at the end of a note: an option of `asr transcribe`, which clients do not have

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class JobOptions:
    """How to transcribe one recording."""

    hotwords: tuple[str, ...] = ()
    """empty for those of the server"""
    segmentation: SegmentConfig | None = None
    """None for that of the server"""
    streamed: bool = False
    """the text is shown as it is recognised"""
    attention: bool = False
    """attention weights are wanted, too"""
    verbatim: bool = False
    """the text stays as the model writes it"""


class Service:
    """The model, its queue and its threads."""

    def __init__(
        self,
        load: Callable[[], Transcriber],
        settings: ServeSettings,
        on_failure: Callable[[], None] = lambda: None,
        on_ready: Callable[[float], None] = lambda _: None,
    ):
        """Prepare a service; `start` loads the model.

        Args:
            load: loads the model; called by a thread of the service.
            settings: limits.
            on_failure: called if `load` raises; `failure` then holds the exception.
            on_ready: called with the loading time (s).
        """
        self.settings, self.metrics = settings, Metrics()
        self.failure: Exception | None = None
        self.stopping = False
        self._load, self._on_failure, self._on_ready = load, on_failure, on_ready
        self._recognizers: Recognizers | None = None
        self._queue: FairQueue[Job] = FairQueue(settings.batch_seconds, settings.window_seconds)
        self._readers = ThreadPoolExecutor(settings.requests, "reader")
        self._worker = threading.Thread(target=self._work, name="recognizer", daemon=True)
        self.metrics.waiting_seconds.set_function(lambda: self._queue.seconds)
        self._speed = 10.0  # seconds of speech recognised per second, running mean
        self.admission = Admission(settings, self.metrics, self._retry_after)
        self.recordings = Recordings()

    # ---------------------------------------------------------------- called by the event loop's thread

    @property
    def ready(self) -> bool:
        return self._recognizers is not None and self._worker.is_alive() and not self.stopping

    @property
    def language(self) -> str:
        """ISO 639 code of the model's language, once it is loaded."""
        assert self._recognizers is not None
        return self._recognizers.default.language

    @property
    def segmentation(self) -> SegmentConfig:
        """How recordings are split into segments by default, once the model is loaded."""
        assert self._recognizers is not None
        return self._recognizers.default.segment

    def start(self) -> None:
        self._worker.start()

    def close(self) -> None:
        """Recognise the queued segments, drop the rest, and delete all recordings. May be called again."""
        self.stopping = True
        self._queue.close()
        self._readers.shutdown(cancel_futures=True)
        if self._worker.is_alive():
            self._worker.join()
        self.recordings.close()

    def check_ready(self) -> None:
        """Raises ApiError 503 while the model is loading and while the server is stopping."""
        if not self.ready:
            raise self._not_ready("the server is stopping" if self.stopping else "the model is being loaded")

    def stop_uploads(self) -> None:
        """End the uploads in progress, because the server is stopping."""
        self.admission.refuse_uploads(self._not_ready("the server is stopping"))

    def _not_ready(self, reason: str) -> ApiError:
        headers = {"Retry-After": "5", "Connection": "close"} if self.stopping else {"Retry-After": "5"}
        return ApiError(503, f"{reason}: try again in a few seconds", code="not_ready", headers=headers)

    def submit(
        self,
        recording: Recording,
        options: JobOptions | None = None,
        on_event: Callable[[Progress | SegmentResult], None] = lambda _: None,
    ) -> Job:
        """Start to transcribe a recording. The job owns the recording from now on."""
        options = options or JobOptions()
        assert self._recognizers is not None
        transcriber = self._recognizers.default
        job = Job(
            recording=recording,
            segmentation=options.segmentation or self.segmentation,
            transcriber=transcriber,
            streamed=options.streamed,
            wants_attention=options.attention,
            language=self.language,
            readable=None if options.verbatim else transcriber.readable,
            request_id=request_id.get(),
            on_event=on_event,
        )
        self._queue.add_reader()
        self._readers.submit(self._read, job, options.hotwords)
        recording.kept = True
        return job

    def cancel(self, job: Job) -> None:
        """Drop a job whose client has left or has its answer. No effect on a finished job."""
        self._queue.cancel(job)

    def _retry_after(self) -> int:
        """Estimate the seconds until the queued speech is recognised."""
        return min(LONGEST_WAIT, math.ceil(1 + self._queue.seconds / self._speed))

    # ---------------------------------------------------------------- called by threads of the service

    def _read(self, job: Job, hotwords: Sequence[str]) -> None:
        assert self._recognizers is not None
        count, speech = 0, 0.0
        clock = _Clock(job, self.settings.audio_seconds)
        path = job.recording.path
        try:
            if job.cancelled:
                raise Cancelled
            clock.check(probe(path).seconds)  # before the model recognises hours of it in vain
            job.transcriber, notes = self._recognizers.with_hotwords(hotwords)
            job.notes += notes
            for segment in speech_segments(clock.count(_blocks(job)), job.segmentation):
                speech += segment.seconds
                job.report_read(clock.seconds, speech)
                self._queue.put(job, count, segment)
                count += 1
            job.report_read(clock.seconds, speech)
            self.metrics.audio_seconds.inc(clock.seconds)
            job.finish_reading(count)
        except Cancelled:
            job.transcript.cancel()
        except (AudioError, ApiError) as e:
            self._fail(job, e)
        except Exception as e:
            log.exception("a recording could not be read", extra={"request_id": job.request_id})
            self._fail(job, e)
        finally:
            self._queue.remove_reader()
            job.recording.close()

    def _work(self) -> None:
        began = time.monotonic()
        try:
            self._recognizers = Recognizers(self._load())
        except Exception as e:
            self.failure = e
            self._on_failure()
            return
        if not self.stopping:
            self._on_ready(time.monotonic() - began)
        trimmer = Trimmer()
        while batch := self._queue.take():
            began = time.monotonic()
            self.metrics.batch_segments.observe(len(batch))
            try:
                self._recognize(batch)
            except Exception as e:  # the thread must survive a batch
                log.exception("a batch was lost")
                for item in batch:
                    self._fail(item.job, e)
            seconds, elapsed = sum(item.speech.seconds for item in batch), time.monotonic() - began
            self._speed += SPEED_SMOOTHING * (seconds / max(elapsed, 1e-3) - self._speed)
            self.metrics.batch_time.observe(elapsed)
            trimmer.trim()

    def _fail(self, job: Job, error: Exception) -> None:
        job.fail(error)
        self.cancel(job)

    def _recognize(self, batch: Sequence[QueuedSegment[Job]]) -> None:
        transcriber = batch[0].job.transcriber
        assert transcriber is not None
        try:
            found = transcriber.recognize([item.speech for item in batch])
        except Exception as e:
            if len(batch) == 1:
                [item] = batch
                log.exception("a segment of %.1f s could not be recognised", item.speech.seconds, extra={"request_id": item.job.request_id})
                self._fail(item.job, e)
                return
            for item in batch:  # one bad segment must not cost the others their results
                self._recognize([item])
            return
        for item, segment in zip(batch, found, strict=True):
            if not item.job.cancelled:
                attention = self._attention(transcriber, item, segment)
                item.job.add_result(SegmentResult(item.number, segment, attention), item.speech.seconds)

    def _attention(self, transcriber: Transcriber, item: QueuedSegment[Job], segment: Segment | HeldBack | None) -> WordAttention | None:
        job = item.job
        if not isinstance(segment, Segment) or not job.wants_attention or job.attention_seconds >= ATTENTION_SECONDS:
            return None
        job.attention_seconds += item.speech.seconds
        try:
            return word_attention(transcriber.model, transcriber.waveform(item.speech), segment.readings[0].tokens)
        except Exception:  # the text is sent without its picture
            log.exception("no picture of a segment of %.1f s", item.speech.seconds, extra={"request_id": job.request_id})
            return None


def _blocks(job: Job) -> Iterator[Samples]:
    """Decode a job's recording to blocks at 16 kHz, and collect the notes on it."""

    def add_missing(missing: Missing) -> None:
        job.missing = missing.seconds
        job.notes.append(str(missing))

    def add_note(note: str) -> None:
        job.notes.append(OPTION_ADVICE.sub("", note))

    return stream_audio(job.recording.path, RATE, 0.0, None, None, add_missing, None, add_note)


class _Clock:
    """Counts the seconds of a job's recording that have been read."""

    def __init__(self, job: Job, limit: float):
        self.job, self.limit, self.seconds = job, limit, 0.0

    def count(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        """Pass blocks through. Raises Cancelled, and ApiError for a recording that is too long."""
        for block in blocks:
            self.seconds += len(block) / RATE
            if self.job.cancelled:
                raise Cancelled
            self.check(self.seconds)  # the header may state less
            yield block

    def check(self, seconds: float) -> None:
        """Raises ApiError for a recording that is too long."""
        if seconds > self.limit:
            message = f"file: the recording is longer than {self.limit:g} s, the limit of this server: send it in parts"
            raise ApiError(413, message, param="file", code="audio_too_long")


def as_api_error(error: BaseException, path: Path) -> ApiError:
    """Convert the error of a job to a response that shows neither paths of this machine nor a traceback."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, AudioError):
        return ApiError(400, str(error).replace(str(path), "file"), param="file", code="invalid_file")
    return ApiError(500, "the server failed on this recording: see its log", code="internal_error", headers=DO_NOT_RETRY)
