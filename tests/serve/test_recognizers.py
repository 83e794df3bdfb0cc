"""Hotwords of requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from asr.serve import recognizers
from asr.serve.recognizers import MOST_HOTWORDS, Recognizers
from asr.transcribe import Transcriber


@pytest.fixture
def made(transcriber: Transcriber) -> Recognizers:
    return Recognizers(transcriber)


def test_the_same_hotwords_share_a_transcriber(made: Recognizers, transcriber: Transcriber) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = {id(pool.submit(made.with_hotwords, ["Anna", "Bo"]).result()[0]) for _ in range(8)}
    assert len(found) == 1
    assert made.with_hotwords(["  Anna ", "Anna", "", "Bo"])[0] is made.with_hotwords(["Anna", "Bo"])[0]
    assert made.with_hotwords(["Bo"])[0] is not made.with_hotwords(["Anna"])[0]
    assert made.with_hotwords([]) == (transcriber, [])


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("2 boats", "'2 boats' has '2', which the model cannot write"),
        ("one two three four five", "longer than 4 words"),
        ("x" * 101, "a phrase at most 100"),
        ("\u65e5\u672c", "which the model cannot write"),
        ("...", "has no letter"),
    ],
)
def test_phrases_that_cannot_be_hotwords_are_left_out(made: Recognizers, phrase: str, reason: str) -> None:
    used, [note] = made.with_hotwords([phrase, "Anna"])
    assert used is made.with_hotwords(["Anna"])[0]
    assert reason in note


def test_a_hash_begins_no_comment(made: Recognizers) -> None:
    assert made.with_hotwords(["#Anna"])[0] is made.with_hotwords(["Anna"])[0]


def test_a_tab_sets_no_weight(made: Recognizers) -> None:
    """A weight of 1e30 would overflow the scores of a whole batch."""
    assert made.with_hotwords(["Anna\t1e30"])[1] == [
        "hotword 'Anna 1e30' left out: 'Anna 1e30' has '1', '3', '0', which the model cannot write"
    ]


def test_only_the_first_hotwords_are_used(made: Recognizers) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    phrases = [f"{a}{b}" for a in letters for b in letters][: MOST_HOTWORDS + 1]
    assert made.with_hotwords(phrases)[1] == [f"hotwords after the first {MOST_HOTWORDS} left out"]


def test_old_sets_are_dropped(made: Recognizers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognizers, "CACHED", 2)
    first = made.with_hotwords(["Anna"])[0]
    for name in ("Bo", "Cleo"):
        made.with_hotwords([name])
    assert len(made._cache) == 2
    assert made.with_hotwords(["Anna"])[0] is not first


def test_a_search_without_hotwords(transcriber: Transcriber) -> None:
    greedy = Transcriber(transcriber.model, transcriber.decode.model_copy(update={"ctc_weight": 0.0}))
    used, [note] = Recognizers(greedy).with_hotwords(["Anna"])
    assert used is greedy
    assert note.startswith("hotwords left out: ")
