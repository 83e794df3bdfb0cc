"""The results of a job: in the order of the recording, with readable text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from readable_support import Given, timed
from serve_support import said

from asr.readable.segments import ReadableSegments
from asr.readable.text import ReadableStream
from asr.serve.job import Job, Progress, SegmentResult
from asr.speech.segment import RATE, SpeechSegment
from asr.transcript import HeldBack, Reading, Segment

TEXT = "we went down to the river. It was nineteen oh five."


def results(job: Job, *sent: tuple[int, Segment | HeldBack | None]) -> None:
    for number, segment in sent:
        job.add_result(SegmentResult(number, segment), 1.0)


def test_results_are_in_the_order_of_the_recording() -> None:
    events: list[Progress | SegmentResult] = []
    job = Job(on_event=events.append)
    segments = [said(SpeechSegment(float(i), np.zeros(RATE, np.float32), float(i), i + 1.0)) for i in range(5)]

    def numbers() -> list[int]:
        return [event.number for event in events if isinstance(event, SegmentResult)]

    results(job, (2, segments[2]), (1, HeldBack(1.0, 2.0, "THE")))
    assert numbers() == []
    results(job, (0, segments[0]))
    assert numbers() == [0, 1, 2]
    results(job, (3, None), (4, segments[4]))
    assert numbers() == [0, 1, 2, 4]
    assert not job.transcript.done()
    job.finish_reading(5)
    transcript = job.transcript.result(0)
    assert transcript.segments == (segments[0], segments[2], segments[4])
    assert [one.text for one in transcript.held_back] == ["THE"]


class Readable:
    """Stands in for `asr.readable.segments.Readable`, with labels that are known."""

    def stream(self) -> ReadableSegments:
        return ReadableSegments(ReadableStream(Given(TEXT, late=3)))

    def segments(self, found: list[Segment]) -> list[Segment]:
        return [replace(one, readable=one.text.capitalize()) for one in found]


def cut() -> list[Segment]:
    """The words of TEXT in three segments."""
    words = timed(TEXT)
    spans = [words[0:4], words[4:8], words[8:11]]
    return [Segment(w[0].start, w[-1].end, (Reading(" ".join(x.text for x in w), (1,), 0.0),), tuple(w)) for w in spans]


def test_a_stream_shows_its_first_segment_at_once_and_keeps_it() -> None:
    events: list[Progress | SegmentResult] = []
    job = Job(on_event=events.append, readable=Readable(), streamed=True)  # type: ignore[arg-type]

    def texts() -> list[str]:
        return [event.segment.text for event in events if isinstance(event, SegmentResult) and isinstance(event.segment, Segment)]

    first, second, third = cut()
    results(job, (0, HeldBack(0.0, 0.1, "UM")), (1, first))
    assert texts() == ["We went down to"]
    results(job, (3, third), (2, second))
    job.finish_reading(4)
    assert texts() == ["We went down to", "the river. It was", "1905."]
    assert [one.text for one in job.transcript.result(0).segments] == texts()


@pytest.mark.parametrize("read_first", [False, True])
def test_text_is_readable_across_segments_in_events_and_transcript(read_first: bool) -> None:
    events: list[Progress | SegmentResult] = []
    job = Job(on_event=events.append, readable=Readable())  # type: ignore[arg-type]
    segments = cut()
    if read_first:
        job.finish_reading(3)
    results(job, (1, segments[1]), (0, segments[0]), (2, segments[2]))
    if not read_first:
        job.finish_reading(3)
    texts = ["We went down to", "the river. It was", "1905."]
    assert [event.segment.text for event in events if isinstance(event, SegmentResult) and isinstance(event.segment, Segment)] == texts
    assert job.transcript.result(0).text == " ".join(texts)
    assert job.transcript.result(0).verbatim_text == "WE WENT DOWN TO THE RIVER IT WAS NINETEEN OH FIVE"
