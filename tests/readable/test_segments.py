"""Segments of a transcript made readable, with labels that are given instead of a network's."""

from __future__ import annotations

import pytest
from readable_support import Given, timed

from asr.readable.segments import ReadableSegments
from asr.readable.text import ReadableStream
from asr.transcript import HeldBack, Reading, Segment, Word


def segment(words: list[Word]) -> Segment:
    reading = Reading(" ".join(word.text for word in words), (1, 2), -1.0, {"attention": -1.0})
    return Segment(words[0].start, words[-1].end, (reading,), tuple(words))


def segments_of(text: str, *sizes: int) -> list[Segment]:
    """The words of a text, in segments of some words."""
    words, found = timed(text), []
    for size in sizes:
        found.append(segment(words[:size]))
        del words[:size]
    assert not words
    return found


def readable(text: str, *sizes: int, late: int = 0) -> list[Segment]:
    stream = ReadableSegments(ReadableStream(Given(text, late)))
    done = [one for found in segments_of(text, *sizes) for one in stream.add(found)] + stream.finish()
    assert all(isinstance(one, Segment) for one in done)
    return [one for one in done if isinstance(one, Segment)]


@pytest.mark.parametrize("late", [0, 2, 100])
def test_a_sentence_does_not_end_where_a_segment_does(late: int) -> None:
    found = readable("we went down to the river. It was nineteen oh five.", 4, 4, 3, late=late)
    assert [one.text for one in found] == ["We went down to", "the river. It was", "1905."]
    assert [one.verbatim_text for one in found] == ["WE WENT DOWN TO", "THE RIVER IT WAS", "NINETEEN OH FIVE"]


def test_words_are_those_of_the_text_and_keep_their_times() -> None:
    [found] = readable("It was nineteen oh five.", 5)
    assert " ".join(word.text for word in found.words) == found.text
    assert [word.text for word in found.verbatim_words] == ["IT", "WAS", "NINETEEN", "OH", "FIVE"]
    year = found.words[2]
    assert (year.start, year.end) == (found.verbatim_words[2].start, found.verbatim_words[4].end)


def test_a_number_across_two_segments_belongs_to_the_first() -> None:
    found = readable("it was nineteen oh five", 4, 1)
    assert [one.text for one in found] == ["It was 1905", ""]
    assert found[1].verbatim_text == "FIVE"


def test_speech_without_text_keeps_its_place() -> None:
    first, second = segments_of("we went down.", 2, 1)
    held_back = HeldBack(1.0, 1.1, "UM")
    stream = ReadableSegments(ReadableStream(Given("we went down.", late=1)))
    assert stream.add(first) == []  # its last word waits for its label
    assert stream.add(held_back) == []
    done = [*stream.add(second), *stream.finish()]
    assert [one.start for one in done] == [first.start, held_back.start, second.start]
    assert done[1] == held_back


def test_a_model_without_word_times_has_readable_text_without_words() -> None:
    timeless = Segment(0.0, 1.0, (Reading("WE WENT", (), 0.0),), ())
    given = Given("we went.")
    stream = ReadableSegments(ReadableStream(given))
    [found] = [*stream.add(timeless), *stream.finish()]
    assert isinstance(found, Segment)
    assert (found.text, found.words, found.verbatim_words) == ("We went.", (), ())
    assert given.pauses[0] != given.pauses[0]  # NaN: unknown
