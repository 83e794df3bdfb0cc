"""JSON: a whole file by hand, and programs written for Whisper's."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts_support import readable, segment, spoken, transcript

from asr.output import json_line
from asr.output.json_form import to_json
from asr.output.options import OutputOptions
from asr.transcript import HeldBack, Reading, Segment, Transcript, Word

USUAL = OutputOptions()


def strictly(text: str) -> Any:
    """JSON has no NaN and no Infinity, though Python reads them."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


HEARD = Transcript(
    "talks/a.mp3",
    12.34567,
    (
        Segment(
            1.00049,
            2.5,
            (
                Reading("GO ON", (17, 9), -1.23456, {"attention": -3.0, "ctc": -2.0, "lm": -4.0, "internal_lm": -5.0}),
                Reading("GO AN", (17, 8), -2.0, {"attention": -3.5, "ctc": -2.5}),
            ),
            (Word("GO", 1.1, 1.3, 0.98766), Word("ON", 1.39996, 2.0, 0.5)),
        ),
        Segment(5.0, 6.0, (Reading("", (), -0.00001, {"attention": -0.00001}),), (), True),
    ),
    held_back=(HeldBack(8.00049, 9.5, "THE\tTHE"),),
)


def test_readable_text_stands_beside_the_verbatim_text() -> None:
    record = strictly(json_line(transcript(readable(spoken("GO ON"), "Go on."), segment(spoken("OR STAY", start=3.0)))))
    first, second = record["segments"]
    assert (record["text"], record["verbatim_text"]) == (" Go on. OR STAY", " GO ON OR STAY")
    assert (first["text"], first["verbatim_text"]) == (" Go on.", " GO ON")
    assert [[word["word"] for word in first[key]] for key in ("words", "verbatim_words")] == [[" Go", " on."], [" GO", " ON"]]
    assert [word["start"] for word in first["words"]] == [word["start"] for word in first["verbatim_words"]]
    assert "verbatim_text" not in second


def test_a_whole_file() -> None:
    assert strictly(to_json(HEARD, USUAL)) == {
        "audio_filepath": "talks/a.mp3",
        "duration": 12.346,
        "language": "en",
        "text": " GO ON",
        "segments": [
            {
                "id": 0,
                "seek": 100,
                "start": 1.0,
                "end": 2.5,
                "text": " GO ON",
                "tokens": [17, 9],
                "temperature": 0.0,
                "avg_logprob": -1.0,  # -3 over two tokens and the end
                "compression_ratio": round(6 / len(zlib.compress(b" GO ON")), 4),
                "doubtful": False,
                "words": [
                    {"word": " GO", "start": 1.1, "end": 1.3, "probability": 0.9877},
                    {"word": " ON", "start": 1.4, "end": 2.0, "probability": 0.5},
                ],
            },
            {
                "id": 1,
                "seek": 500,
                "start": 5.0,
                "end": 6.0,
                "text": "",
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": 0.0,
                "compression_ratio": 0.0,
                "doubtful": True,
                "words": [],
            },
        ],
        "held_back": [{"start": 8.0, "end": 9.5, "text": "THE THE"}],
    }
    assert "-0.0" not in to_json(HEARD, USUAL)


def test_a_file_has_a_line_a_word_and_ends_with_a_line_feed() -> None:
    lines = to_json(HEARD, USUAL).splitlines()
    assert '        {"word": " GO", "start": 1.1, "end": 1.3, "probability": 0.9877},' in lines
    assert '      "tokens": [17, 9],' in lines
    assert to_json(HEARD, USUAL).endswith("}\n")


def test_a_single_line_has_the_same_message() -> None:
    line = json_line(HEARD)
    assert "\n" not in line
    assert strictly(line) == strictly(to_json(HEARD, USUAL))


def test_keys_of_the_recording_are_kept_without_hiding_others() -> None:
    found = strictly(json_line(HEARD, known={"id": "a-1", "speaker": 7, "text": "reference"}))
    assert (found["id"], found["speaker"], found["text"]) == ("a-1", 7, " GO ON")


def test_readings_on_request() -> None:
    first, second = strictly(to_json(HEARD, OutputOptions(nbest=3)))["segments"]
    assert first["nbest"] == [
        {"text": "GO ON", "score": -1.2346, "attention_score": -3.0, "ctc_score": -2.0, "lm_score": -4.0, "internal_lm_score": -5.0},
        {"text": "GO AN", "score": -2.0, "attention_score": -3.5, "ctc_score": -2.5, "lm_score": None, "internal_lm_score": None},
    ]
    assert len(second["nbest"]) == 1
    assert len(strictly(json_line(HEARD, OutputOptions(nbest=2)))["segments"][0]["nbest"]) == 2


NUMBERS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e308])


@given(st.text(), st.lists(st.text(), max_size=3), NUMBERS, NUMBERS)
def test_whatever_is_in_it_is_json_in_utf_8(name: str, texts: list[str], score: float, probability: float) -> None:
    words = tuple(Word(text, 0.0, 1.0, probability) for text in texts)
    heard = Transcript(name, 1.0, (Segment(0.0, 1.0, (Reading(" ".join(texts), (1,), score, {"attention": score, "ctc": score}),), words),))
    for text in (to_json(heard, OutputOptions(nbest=2)), json_line(heard, OutputOptions(nbest=2), {"id": name})):
        found = strictly(text.encode().decode())
        assert found["text"] == found["segments"][0]["text"] == "".join(w["word"] for w in found["segments"][0]["words"])


def test_the_language_is_the_models() -> None:
    assert strictly(to_json(replace(HEARD, language="de"), USUAL))["language"] == "de"


def test_a_file_name_that_is_not_utf_8_is_shown_escaped() -> None:
    assert strictly(json_line(Transcript("caf\udce9.mp3", 1.0, ())))["audio_filepath"] == "caf�.mp3"


# ---------------------------------------------------------------- as Whisper's users read it


@pytest.fixture
def result() -> dict[str, Any]:
    heard = transcript(segment(spoken("SO WE BEGAN", start=1.0)), segment(spoken("TO TALK AND TALK", start=4.0)), duration=9.0)
    return dict(strictly(to_json(heard, USUAL)))


def test_segments_as_lines(result: dict[str, Any]) -> None:
    lines = []
    for s in result["segments"]:
        lines.append("[%.2fs -> %.2fs] %s" % (s["start"], s["end"], s["text"].strip()))  # noqa: UP031
    assert lines == ["[1.00s -> 1.75s] SO WE BEGAN", "[4.00s -> 5.00s] TO TALK AND TALK"]
    assert result["text"].strip() == "SO WE BEGAN TO TALK AND TALK"
    assert result["language"] == "en"


def test_words_join_to_segments_and_segments_to_the_text(result: dict[str, Any]) -> None:
    assert all("".join(w["word"] for w in s["words"]) == s["text"] for s in result["segments"])
    assert "".join(s["text"] for s in result["segments"]) == result["text"]


def test_all_words_with_their_times(result: dict[str, Any]) -> None:
    words = [w for s in result["segments"] for w in s["words"]]
    assert [w["word"].strip() for w in words if w["start"] >= 1.25 and w["end"] <= 4.25] == ["WE", "BEGAN", "TO"]
    assert all(w["probability"] > 0.8 for w in words)


def test_filters_for_bad_segments(result: dict[str, Any]) -> None:
    """The thresholds are Whisper's own."""
    kept = [s for s in result["segments"] if s["avg_logprob"] > -1.0 and s["compression_ratio"] < 2.4 and s.get("no_speech_prob", 0) < 0.6]
    assert [s["id"] for s in kept] == [0, 1]
    loop = " ".join(["AND SO ON"] * 30)
    looping = strictly(to_json(transcript(segment(spoken(loop))), USUAL))
    assert looping["segments"][0]["compression_ratio"] > 2.4


def test_the_frame_at_which_listening_began(result: dict[str, Any]) -> None:
    assert [s["seek"] * 0.01 for s in result["segments"]] == pytest.approx([s["start"] for s in result["segments"]])
