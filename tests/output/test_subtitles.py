"""srt and vtt: whole files worked by hand, and read back by other people's parsers."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts_support import segment, spoken, transcript

from asr.output.cues import cut_cues
from asr.output.options import OutputOptions
from asr.output.subtitles import to_srt, to_vtt
from asr.transcript import Transcript, Word

USUAL = OutputOptions()


def test_srt_as_written_by_hand() -> None:
    heard = transcript(segment(spoken("SAID R&B", start=0.5)), segment(spoken("<I> --> YOU", start=7200.0), doubtful=True), duration=7300.0)
    assert to_srt(heard, USUAL) == ("1\n00:00:00,500 --> 00:00:01,500\nSAID R&B\n\n2\n02:00:00,000 --> 02:00:01,000\n[?] <I> -> YOU\n")


def test_vtt_as_written_by_hand() -> None:
    heard = transcript(segment(spoken("SAID R&B", start=0.5)), segment(spoken("<I> --> YOU", start=7200.0), doubtful=True), duration=7300.0)
    assert to_vtt(heard, USUAL) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nSAID R&amp;B\n\n02:00:00.000 --> 02:00:01.000\n[?] &lt;I&gt; --&gt; YOU\n"
    )


def test_word_times_precede_each_word_but_the_first() -> None:
    heard = transcript(segment(spoken("GO & [0.5] ON", start=1.0)))
    assert to_vtt(heard, OutputOptions(word_times=True)) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.250\nGO <00:00:01.250>&amp; <00:00:02.000>ON\n"
    )


def test_a_silent_recording_gives_files_without_cues() -> None:
    assert to_srt(transcript(), USUAL) == ""
    assert to_vtt(transcript(), USUAL) == "WEBVTT\n"
    assert list(webvtt.from_string(to_vtt(transcript(), USUAL))) == []


def test_more_than_99_hours() -> None:
    heard = transcript(segment(spoken("STILL THERE", start=123 * 3600 + 4 * 60 + 5.678)), duration=1e6)
    assert "123:04:05,678 --> 123:04:06,678" in to_srt(heard, USUAL)
    [cue] = srt.parse(to_srt(heard, USUAL))
    assert cue.start == timedelta(hours=123, minutes=4, seconds=5.678)
    [caption] = webvtt.from_string(to_vtt(heard, USUAL))
    assert caption.start == "123:04:05.678"


@pytest.mark.parametrize("text", ["a\nb", "a\r\n\r\nb", "a\n\n2\n00:00:00,000 --> 00:00:01,000\nb", "a\x00b", "a\u2028b", "a\u0085\u0085b"])
def test_line_breaks_within_a_word_break_no_file(text: str) -> None:
    heard = transcript(segment([Word(text, 0.0, 1.0, 0.5)]))
    assert len(list(srt.parse(to_srt(heard, USUAL)))) == 1
    assert len(webvtt.from_string(to_vtt(heard, USUAL))) == 1
    assert "\x00" not in to_vtt(heard, USUAL)


WORDS = st.lists(
    st.tuples(
        st.text(st.sampled_from("AB1&<>-;'é"), min_size=1, max_size=9)
        | st.sampled_from(["-->", "&amp;", "NOTE", "WEBVTT", "STYLE", "7", "<b>"]),
        st.integers(0, 900),
        st.sampled_from([0, 0, 40, 400, 1500]),
    ),
    max_size=60,
)


def said(parts: list[tuple[str, int, int]]) -> Transcript:
    words, now = [], 250
    for text, length, pause in parts:
        words.append(Word(text, now / 1000, (now + length) / 1000, 0.5))
        now += length + pause
    return transcript(*([segment(words)] if words else []), duration=now / 1000 + 1)


def milliseconds(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(1000 * float(seconds))


@given(WORDS)
@settings(max_examples=100)
def test_srt_is_read_back_by_another_parser(parts: list[tuple[str, int, int]]) -> None:
    heard = said(parts)
    cues = cut_cues(heard, USUAL)
    found = list(srt.parse(to_srt(heard, USUAL)))  # raises for anything between cues that is none
    assert [cue.index for cue in found] == list(range(1, len(cues) + 1))
    assert [(cue.start / timedelta(milliseconds=1), cue.end / timedelta(milliseconds=1)) for cue in found] == [
        (cue.start, cue.end) for cue in cues
    ]
    assert " ".join(cue.content for cue in found).split() == [word.text.replace("-->", "->") for word in heard.words]


@given(WORDS, st.booleans())
@settings(max_examples=100)
def test_vtt_is_read_back_by_another_parser(parts: list[tuple[str, int, int]], word_times: bool) -> None:
    heard = said(parts)
    cues = cut_cues(heard, USUAL)
    options = OutputOptions(word_times=word_times)
    found = list(webvtt.from_buffer(io.StringIO(to_vtt(heard, options))))
    assert [(milliseconds(c.start), milliseconds(c.end)) for c in found] == [(cue.start, cue.end) for cue in cues]
    unstamped = [re.sub(r"<[\d:.]+>", "", c.raw_text) for c in found]
    unescaped = " ".join(unstamped).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert unescaped.split() == [word.text for word in heard.words]
    for caption in found:
        stamps = [milliseconds(clock) for clock in re.findall(r"<([\d:.]+)>", caption.raw_text)]
        times = [milliseconds(caption.start), *stamps, milliseconds(caption.end)]
        assert times == sorted(set(times))
        assert bool(stamps) <= word_times
