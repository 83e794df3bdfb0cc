"""The order of segments, and the choice of batches."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from asr.serve.fair_queue import MAX_QUEUED_SECONDS, Cancelled, FairQueue, Flow
from asr.speech.segment import RATE, SpeechSegment
from asr.transcribe import Transcriber


def speech(seconds: float) -> SpeechSegment:
    return SpeechSegment(0.0, np.zeros(round(seconds * RATE), np.float32), 0.0, seconds)


def queue(batch_seconds: float = 1.0, window_seconds: float = 0.0) -> FairQueue[Flow]:
    """By default, a segment at a time is taken."""
    return FairQueue(batch_seconds, window_seconds)


def test_one_job_is_served_in_order() -> None:
    q, job = queue(), Flow()
    for i in range(3):
        q.put(job, i, speech(5))
    assert [q.take()[0].number for _ in range(3)] == [0, 1, 2]


def test_a_long_job_takes_turns_with_short_ones() -> None:
    """By hand: the long one's segments are due at 0, 15, 30; those who come meanwhile are due at once."""
    q, long = queue(), Flow()
    for i in range(3):
        q.put(long, i, speech(15))
    assert q.take()[0].job is long  # nobody else is there
    shorts = [Flow() for _ in range(4)]
    for short in shorts:
        q.put(short, 0, speech(3))
    order = [q.take()[0].job for _ in range(6)]
    assert order.index(shorts[0]) <= 1
    assert set(map(id, order)) == {id(long), *map(id, shorts)}
    assert q.seconds == 0


def test_short_ones_without_end_do_not_starve_a_long_one() -> None:
    q, long = queue(), Flow()
    for i in range(4):
        q.put(long, i, speech(15))
    waited: list[int] = []
    for _ in range(4):  # as many short ones as ever wait
        q.put(Flow(), 0, speech(5))
    for turn in range(200):
        (item,) = q.take()
        if item.job is long:
            waited.append(turn)
            if len(waited) == 4:
                break
        else:
            q.put(Flow(), 0, speech(5))
    # Five jobs share the model, so 15 s of the long one go with about 60 s of the others: 12 turns.
    assert len(waited) == 4
    assert all(later - earlier <= 20 for earlier, later in pairwise(waited))


def test_like_lengths_come_along_within_the_limit() -> None:
    q = queue(batch_seconds=20.0)
    lengths = [5.0, 12.0, 4.5, 1.0, 5.5, 4.0]
    for length in lengths:
        q.put(Flow(), 0, speech(length))
    batch = [item.speech.seconds for item in q.take()]
    assert batch[0] == 5.0  # whose turn it was
    assert sorted(batch) == [4.5, 5.0, 5.5]  # 4 x 5.5 s would be more than 20
    assert [item.speech.seconds for item in q.take()] == [12.0]
    assert [item.speech.seconds for item in q.take()] == [1.0]  # 4.0 is not like it
    assert [item.speech.seconds for item in q.take()] == [4.0]


def test_a_segment_longer_than_a_batch_is_taken_alone() -> None:
    q = queue(batch_seconds=2.0)
    q.put(Flow(), 0, speech(18))
    assert len(q.take()) == 1


def test_an_idle_model_waits_a_moment_for_more() -> None:
    q = queue(batch_seconds=100.0, window_seconds=5.0)
    q.add_reader()
    taken: list[int] = []
    worker = threading.Thread(target=lambda: taken.append(len(q.take())))
    worker.start()
    for _ in range(20):  # that is 100 s: it need not wait any longer
        q.put(Flow(), 0, speech(5))
    began = time.monotonic()
    worker.join()
    assert taken == [20]
    assert time.monotonic() - began < 4


def test_an_idle_model_does_not_wait_for_nobody() -> None:
    """Not at all for a recording that has been read, and only as long as the last one is being read."""
    q = queue(batch_seconds=100.0, window_seconds=60.0)
    q.put(Flow(), 0, speech(5))
    began = time.monotonic()
    assert len(q.take()) == 1
    q.add_reader()
    q.put(Flow(), 0, speech(5))
    threading.Timer(0.2, q.remove_reader).start()
    assert len(q.take()) == 1
    assert time.monotonic() - began < 30


def test_a_recording_of_hours_stays_on_the_disk() -> None:
    q, job = queue(), Flow()
    put: list[int] = []

    def read() -> None:
        with pytest.raises(Cancelled):
            for i in range(1000):
                q.put(job, i, speech(10))
                put.append(i)

    reader = threading.Thread(target=read)
    reader.start()
    for taken in range(5):
        most = taken + MAX_QUEUED_SECONDS / 10
        deadline = time.monotonic() + 30
        while len(put) < most and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(put) == most
        q.take()
    q.cancel(job)
    reader.join(10)
    assert not reader.is_alive()
    assert q.seconds == 0


def test_closing_releases_everything() -> None:
    q = queue()
    q.put(Flow(), 0, speech(1))
    q.close()
    with pytest.raises(Cancelled):
        q.put(Flow(), 0, speech(1))
    assert len(q.take()) == 1
    assert q.take() == []


def test_first_segments_of_streams_come_first_and_in_a_short_batch() -> None:
    """Eight streams at once: the batch limit of 100 s is halved for their first segments, and no second segment is among them."""
    q = queue(batch_seconds=100.0)
    streams = [Flow(streamed=True) for _ in range(8)]
    for stream in streams:
        for i, seconds in enumerate((10.0, 12.0, 12.0)):
            q.put(stream, i, speech(seconds))
    first, second, third = q.take(), q.take(), q.take()
    assert [item.number for item in first] == [0] * 5
    assert [item.number for item in second] == [0] * 3
    assert sum(item.speech.seconds for item in third) > 50
    assert {id(item.job) for item in (*first, *second)} == set(map(id, streams))


def test_a_stream_that_starts_late_is_next() -> None:
    q = queue(batch_seconds=15.0)
    lecture, stream = Flow(), Flow(streamed=True)
    for i in range(4):
        q.put(lecture, i, speech(14))
    q.take()
    q.put(stream, 0, speech(14))
    assert [q.take()[0].job for _ in range(2)].count(stream) == 1


def test_streams_without_end_do_not_starve_a_lecture() -> None:
    q, lecture = queue(batch_seconds=15.0), Flow()
    q.put(Flow(), 0, speech(5))
    q.take()
    q.put(lecture, 0, speech(15))
    taken = []
    for _ in range(15):
        q.put(Flow(streamed=True), 0, speech(5))
        taken.append(q.take()[0].job)
    assert lecture in taken


def test_only_jobs_with_the_same_hotwords_share_a_batch() -> None:
    q = queue(batch_seconds=100.0)
    one, other = Transcriber.__new__(Transcriber), Transcriber.__new__(Transcriber)
    for transcriber in (one, other, one, other):
        q.put(Flow(transcriber=transcriber), 0, speech(5))
    assert [[item.job.transcriber for item in q.take()] for _ in range(2)] == [[one, one], [other, other]]


@pytest.mark.parametrize("seconds", [4.0, 8.0, 17.0])
def test_eight_streams_of_two_minutes_have_their_first_text_within_a_fifth_of_the_time(seconds: float) -> None:
    """If the model takes time in proportion to padded speech. Segments arrive one by one, with a batch after each of the first few."""
    q = queue(batch_seconds=120.0)
    streams = [Flow(streamed=True) for _ in range(8)]
    elapsed, first_text = 0.0, {}
    left = [(job, i) for i in range(int(120 / seconds)) for job in streams]
    while left or q.seconds:
        while left and left[0][0].queued_seconds < MAX_QUEUED_SECONDS:
            job, i = left.pop(0)
            q.put(job, i, speech(seconds))
            if not elapsed:  # the model was idle
                break
        batch = q.take()
        elapsed += len(batch) * max(item.speech.seconds for item in batch)
        for item in batch:
            if item.number == 0:
                first_text[id(item.job)] = elapsed
    assert len(first_text) == 8
    assert max(first_text.values()) < elapsed / 5
