"""Cues: worked by hand, and what is true of all."""

from __future__ import annotations

import math
from itertools import combinations, pairwise, zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts_support import segment, spoken, transcript

from asr.output.cues import BREAK_COST, GAP_MS, LEAST_MS, Cue, _cheapest_cut, _cue_cost, cut_cues
from asr.output.line_breaks import break_cost
from asr.output.options import OutputOptions
from asr.transcript import Reading, Segment, Transcript, Word

USUAL = OutputOptions()


def test_a_title_ends_no_sentence() -> None:
    title, name = spoken("Mr. Ray")
    [full] = spoken("river.")
    assert break_cost(title, name) > 1 > break_cost(full, name) == 0.0


def lines(cue: Cue) -> list[str]:
    first, *rest = (" ".join(word.text for word in line) for line in cue.lines)
    return [cue.mark + first, *rest]


def cut(*segments: Segment, duration: float = 100.0, options: OutputOptions = USUAL) -> list[tuple[int, int, list[str]]]:
    return [(cue.start, cue.end, lines(cue)) for cue in cut_cues(transcript(*segments, duration=duration), options)]


# ---------------------------------------------------------------- by hand: when


def test_a_short_cue_stays_for_a_second() -> None:
    assert cut(segment(spoken("HELLO WORLD", start=0.5))) == [(500, 1500, ["HELLO WORLD"])]


def test_a_long_text_stays_until_it_can_have_been_read() -> None:
    """34 characters, 17 a second: 2 s, though they are said in one."""
    assert cut(segment(spoken("SEVENTEEN.LETTERS SIXTEEN..LETTERS", each=0.5))) == [(0, 2000, ["SEVENTEEN.LETTERS SIXTEEN..LETTERS"])]


@pytest.mark.parametrize(
    ("pause", "end"),
    [
        (1.0, 1420),  # 80 ms before the next begins, not as long as it takes to read
        (2.0, 2420),  # 17 characters a second would do until 2000: the rest is no more than a flicker
        (3.0, 2000),  # two seconds for 34 characters, and then nothing
    ],
)
def test_a_cue_never_stands_into_the_next(pause: float, end: int) -> None:
    found = cut(segment(spoken(f"SEVENTEEN.LETTERS SIXTEEN..LETTERS [{pause}] NEXT")))
    assert found == [
        (0, end, ["SEVENTEEN.LETTERS SIXTEEN..LETTERS"]),
        (round(1000 * (0.5 + pause)), round(1000 * (1.5 + pause)), ["NEXT"]),
    ]


def test_a_cue_ends_with_the_recording() -> None:
    assert cut(segment(spoken("GO ON")), duration=0.7) == [(0, 700, ["GO ON"])]


def test_a_ten_second_word_is_shown_for_seven() -> None:
    assert cut(segment([Word("OOOH", 1.0, 11.0, 0.5)])) == [(1000, 8000, ["OOOH"])]


def test_slow_speech_is_cut_after_seven_seconds_at_most() -> None:
    """A word and a pause of 0.6 s, fourteen times: 0.9 s each. Eight last 6.6 s, nine would last 7.5."""
    found = cut(segment(spoken(" [0.6] ".join("ABCDEFGHIJKLMN"), each=0.3)))
    assert [text for _, _, [text] in found] == ["A B C D E F G", "H I J K L M N"]
    assert all(end - start <= 7000 for start, end, _ in found)


def test_segments_that_overlap_give_cues_that_do_not() -> None:
    found = cut(segment(spoken("ONE [0.9] TWO", start=1.0)), segment(spoken("THREE FOUR", start=1.5), doubtful=True))
    assert found == [(1000, 1420, ["ONE TWO"]), (1500, 2500, ["[?] THREE FOUR"])]


def test_words_at_one_and_the_same_time_come_one_after_the_other() -> None:
    """Six lines of 42 characters are three cues; the last stays for its 85 characters."""
    words = [Word("W" * 42, 3.0, 3.0, 0.1) for _ in range(6)]
    assert [(start, end) for start, end, _ in cut(segment(words))] == [(3000, 3050), (3100, 3150), (3200, 8200)]


# ---------------------------------------------------------------- by hand: where


def test_a_pause_of_a_second_ends_a_cue() -> None:
    assert [text for _, _, text in cut(segment(spoken("YES [0.9] YES [1.0] NO")))] == [["YES YES"], ["NO"]]


def test_a_text_too_long_is_cut_at_its_pause_though_the_halves_are_uneven() -> None:
    """96 characters: two cues. The pause is after the first 24."""
    text = "WE WENT HOME WHEN IT WAS [0.5] LATE PEOPLE HAD ALREADY LEFT US LONG BEFORE DINNER STARTED RATHER SLOWLY"
    first, second = cut(segment(spoken(text, each=0.4)))
    assert first[2] == ["WE WENT HOME WHEN IT WAS"]
    assert second[2] == ["LATE PEOPLE HAD ALREADY LEFT US LONG", "BEFORE DINNER STARTED RATHER SLOWLY"]


def test_without_a_pause_the_cues_are_even() -> None:
    """Twenty words of nine letters make 199 characters; four fit on a line, eight in a cue: 7 + 7 + 6, and not 8 + 8 + 4."""
    found = cut(segment(spoken(" ".join(["SYLLABLES"] * 20), each=0.5)))
    assert sorted(sum(len(line.split()) for line in text) for _, _, text in found) == [6, 7, 7]


def test_where_words_are_fast_a_cue_takes_some_of_the_slow_to_be_readable() -> None:
    """39 characters in 0.8 s, then 8 with each 0.6 s: the even cut, after the first slow word, would leave 1.3 s for 47 characters."""
    words = spoken(" ".join(["FAST"] * 8), each=0.1) + spoken(" ".join(["SLOWEST"] * 8), start=0.8, each=0.6)
    assert [text for _, _, text in cut(segment(words))] == [
        [" ".join(["FAST"] * 8), " ".join(["SLOWEST"] * 5)],
        ["SLOWEST SLOWEST SLOWEST"],
    ]


def test_the_upper_line_is_the_shorter_one() -> None:
    """18 over 32 characters, though 30 over 20 would be more even."""
    [(_, _, found)] = cut(segment(spoken(f"{'A' * 18} {'B' * 11} {'C' * 20}", each=1.0)))
    assert [len(line) for line in found] == [18, 32]


@pytest.mark.parametrize(
    ("text", "upper"),
    [
        ("THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AGAIN", "THE QUICK BROWN FOX JUMPS"),  # 25 and 23
        ("PEOPLE WALKED AS FAR AS THE ABANDONED STONE BRIDGE", "PEOPLE WALKED AS FAR"),  # neither THE nor AS stays above
        ("NOBODY KNOWS ANYTHING HERE [0.7] SAID OLD MISTER BROWN", "NOBODY KNOWS ANYTHING HERE"),  # the pause, not 22 and 26
        ("NOTHING AT ALL, REPLIED THE GENTLEMAN IN YELLOW", "NOTHING AT ALL,"),  # the comma,
        ("NOTHING AT ALL REPLIED THE GENTLEMAN IN YELLOW", "NOTHING AT ALL REPLIED"),  # or else 22 and 23
        ("FORTY TWO CHARACTERS STAY ON A SINGLE LINE", "FORTY TWO CHARACTERS STAY ON A SINGLE LINE"),
    ],
)
def test_where_a_line_ends(text: str, upper: str) -> None:
    [(_, _, found)] = cut(segment(spoken(text, each=0.5)))
    assert found[0] == upper
    assert " ".join(found).split() == [word for word in text.split() if "[" not in word]


def test_a_word_longer_than_a_line_has_one_to_itself_and_stays_whole() -> None:
    long = "LLANFAIR" * 8
    [(_, _, found)] = cut(segment(spoken(f"TO {long}", each=3.0)))
    assert found == ["TO", long]


def test_doubtful_words_are_marked_in_cues_of_their_own() -> None:
    found = cut(segment(spoken("SURE THING")), segment(spoken("MAYBE NOT", start=0.6), doubtful=True), segment(spoken("SURE", start=1.2)))
    assert [text for _, _, text in found] == [["SURE THING"], ["[?] MAYBE NOT"], ["SURE"]]
    unmarked = cut(segment(spoken("MAYBE NOT"), doubtful=True), options=OutputOptions(mark_doubtful=False))
    assert unmarked[0][2] == ["MAYBE NOT"]


def test_the_mark_counts_as_characters_of_its_line() -> None:
    words = spoken("ONEWORD OFSEVEN LETTERS ATATIME YESFIVE", each=0.5)  # 39 characters
    assert len(cut(segment(words))[0][2]) == 1
    assert len(cut(segment(words, doubtful=True))[0][2]) == 2


def test_without_word_times_words_share_the_time_by_their_letters() -> None:
    """10 letters and spaces a second: 40 of the first three words, 4 s."""
    words = ("EIGHTEEN.CHARACTERS" + " ") * 6
    found = cut(Segment(10.0, 22.0, (Reading(words.strip(), (1,), -1.0, {"attention": -1.0}),), ()))
    assert [start for start, _, _ in found] == [10_000, 16_000]
    assert " ".join(" ".join(text) for _, _, text in found).split() == words.split()


def test_no_words_no_cues() -> None:
    assert cut() == []
    assert cut(Segment(0.0, 1.0, (Reading("", (), -1.0, {"attention": -1.0}),), ())) == []


# ---------------------------------------------------------------- of all

TEXTS = st.text(st.sampled_from("ABCabc.,'<>&-é1"), min_size=1, max_size=14)
SPEECH = st.lists(
    st.tuples(
        st.lists(st.tuples(TEXTS, st.floats(0.02, 1.2), st.sampled_from([0.0, 0.0, 0.04, 0.3, 0.7, 1.5, 4.0])), min_size=1, max_size=30),
        st.booleans(),
    ),
    max_size=4,
)
OPTIONS = st.builds(OutputOptions, line_characters=st.integers(5, 60), lines=st.integers(1, 3))


def said(speech: list[tuple[list[tuple[str, float, float]], bool]], start: float = 0.3) -> Transcript:
    segments = []
    for parts, doubtful in speech:
        words = []
        for text, length, pause in parts:
            words.append(Word(text, start, start + length, 0.5))
            start += length + pause
        segments.append(segment(words, doubtful))
    return transcript(*segments, duration=start + 0.5)


@given(SPEECH, OPTIONS)
@settings(max_examples=100)
def test_no_word_is_lost_doubled_moved_or_shown_at_another_time(speech: list, options: OutputOptions) -> None:
    heard = said(speech)
    cues = cut_cues(heard, options)
    shown = [word for cue in cues for line in cue.lines for word in line]
    assert shown == list(heard.words)
    for cue in cues:
        words = [word for line in cue.lines for word in line]
        assert words[0].start * 1000 - 0.51 <= cue.start
        [doubtful] = {s.doubtful for s in heard.segments for word in s.words if word in words}
        assert cue.mark == ("[?] " if doubtful else "")
        assert all(b.start - a.end < 1.0 for a, b in pairwise(words))


@given(SPEECH, OPTIONS)
@settings(max_examples=100)
def test_cues_follow_one_another_with_a_gap(speech: list, options: OutputOptions) -> None:
    heard = said(speech)
    cues = cut_cues(heard, options)
    for cue, following in pairwise(cues):
        assert cue.start < cue.end < following.start
        assert following.start - cue.end >= min(GAP_MS, (following.start - cue.start) // 2)
    for cue in cues[-1:]:
        assert cue.start < cue.end <= max(1000 * heard.duration, cue.start + LEAST_MS) + 1


@given(SPEECH, OPTIONS)
@settings(max_examples=100)
def test_lines_are_short_enough_and_few_enough(speech: list, options: OutputOptions) -> None:
    for cue in cut_cues(said(speech), options):
        assert 1 <= len(cue.lines) <= options.lines
        for text in lines(cue):
            assert len(text) <= options.line_characters or len(text.removeprefix("[?] ").split()) == 1


@given(SPEECH)
@settings(max_examples=100)
def test_only_a_following_cue_shortens_a_cue(speech: list) -> None:
    heard = said(speech)
    cues = cut_cues(heard, USUAL)
    for cue, following in zip_longest(cues, cues[1:]):
        seconds = (cue.end - cue.start) / 1000
        assert seconds <= 7.0
        room = 1000 * heard.duration if following is None else following.start - GAP_MS
        needed = max(1.0, len(" ".join(lines(cue))) / 17)
        assert seconds >= min(needed, 7.0) - 0.001 or cue.end >= room - 1
        spoken_until = max(1000 * word.end for line in cue.lines for word in line)
        assert cue.end >= min(spoken_until, room, cue.start + 7000) - 1


@given(st.lists(st.tuples(TEXTS, st.floats(0.05, 2.0), st.sampled_from([0.0, 0.2, 0.5, 1.5])), min_size=1, max_size=9), st.integers(8, 20))
@settings(max_examples=50)
def test_there_is_no_cheaper_cut(parts: list[tuple[str, float, float]], width: int) -> None:
    """All cuts of a few words, one by one."""
    heard = said([(parts, False)])
    options = OutputOptions(line_characters=width, lines=2)
    words, marks = list(heard.words), [""] * len(heard.words)

    def cost(cues: list[tuple[int, int]]) -> float:
        total = 0.0
        for first, end in cues:
            part, is_last = words[first:end], end == len(words)
            greedy, line = 1, len(part[0].text)
            for word in part[1:]:
                greedy, line = (greedy, line + 1 + len(word.text)) if line + 1 + len(word.text) <= width else (greedy + 1, len(word.text))
            apart = any(b.start - a.end >= 1.0 for a, b in pairwise(part))
            if len(part) > 1 and (greedy > 2 or apart or part[-1].end - part[0].start > 7.0):
                return math.inf
            until = heard.duration if is_last else words[end].start - 0.08
            total += _cue_cost(len(" ".join(w.text for w in part)), until - part[0].start, 2 * width)
            total += 0.0 if is_last else BREAK_COST * break_cost(words[end - 1], words[end])
        return total

    every = [list(pairwise((0, *breaks, len(words)))) for size in range(len(words)) for breaks in combinations(range(1, len(words)), size)]
    found = _cheapest_cut(words, marks, options, heard.duration)
    assert cost(found) == pytest.approx(min(map(cost, every)))
