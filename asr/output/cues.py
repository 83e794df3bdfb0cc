"""A transcript to the cues of subtitles: which words stand together, and from when to when.

The best cut of all is found by dynamic programming over the places between words. The usual rules of subtitling (17
characters a second, 1 to 7 s, a gap of two frames) are the constants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from asr.output.breaks import break_cost
from asr.output.lines import lay_out
from asr.output.options import OutputOptions
from asr.output.text import plain
from asr.transcript import Segment, Transcript, Word

LONGEST_SECONDS = 7.0
SHORTEST_SECONDS = 1.0  # where what follows allows it
READING_SPEED = 17.0  # characters a second, where what follows allows it
PAUSE_SECONDS = 1.0  # of silence always end a cue
GAP_MS = 80  # between cues, two frames of video: the eye sees that the text is new
FLICKER_MS = 500  # a cue stays over a gap that is shorter
LEAST_MS = 100  # between the starts of two cues, were their words said at one and the same time

CUE_COST = 1.0
BREAK_COST = 2.0
EMPTY_COST = 0.5  # of a cue that is all but empty: equal ones are better than one full and one of a word
HASTE_COST = 3.0  # of a text that takes twice the time to read that there is
FLASH_COST = 2.0  # of a cue that is gone at once


@dataclass(frozen=True)
class Cue:
    """A subtitle."""

    start: int
    """milliseconds"""
    end: int
    lines: tuple[tuple[Word, ...], ...]
    mark: str
    """what stands before the first word: `[?] ` where they are in doubt"""


def cut_cues(transcript: Transcript, options: OutputOptions) -> list[Cue]:
    """Each word in one cue, in order. Cues start later than the one before has ended.

    A cue is on screen for at most 7 s; for less than 1 s, or faster to read than 17 characters a second, only where the next cue or the
    end of the recording does not leave it more. Its lines are of at most `options.line_characters`, unless a single word is longer.
    """
    words, marks = _spoken(transcript, options)
    places = _cheapest_cut(words, marks, options, transcript.duration)
    starts: list[int] = []
    for first, _ in places:
        earliest = starts[-1] + LEAST_MS if starts else 0
        starts.append(max(earliest, round(1000 * words[first].start)))
    cues = []
    for i, (first, end) in enumerate(places):
        said = words[first:end]
        following = starts[i + 1] if i + 1 < len(places) else None
        over = _end(starts[i], said, len(marks[first]), following, round(1000 * transcript.duration))
        cues.append(Cue(starts[i], over, lay_out(said, marks[first], options.line_characters), marks[first]))
    return cues


def _spoken(transcript: Transcript, options: OutputOptions) -> tuple[list[Word], list[str]]:
    """All words, and the mark of the segment that each is from."""
    words: list[Word] = []
    marks: list[str] = []
    for segment in transcript.segments:
        for word in segment.words or _evenly(segment):
            if text := plain(word.text):
                words.append(replace(word, text=text))
                marks.append(options.mark(segment.doubtful))
    return words, marks


def _evenly(segment: Segment) -> list[Word]:
    """Words of a model that gives no word times (it has no CTC head): each as long as its letters have it."""
    texts = plain(segment.text).split()
    a_letter = (segment.end - segment.start) / max(1, sum(len(text) + 1 for text in texts))
    words, start = [], segment.start
    for text in texts:
        end = start + a_letter * (len(text) + 1)
        words.append(Word(text, start, end, math.nan))
        start = end
    return words


def _end(start: int, said: list[Word], mark: int, following: int | None, duration: int) -> int:
    """When a cue that starts at `start` goes (ms): when it has been said and can have been read, or a gap before the next."""
    spoken = round(1000 * said[-1].end)
    characters = mark + sum(len(word.text) + 1 for word in said) - 1
    wanted = max(spoken, start + round(1000 * max(SHORTEST_SECONDS, characters / READING_SPEED)))
    latest = start + round(1000 * LONGEST_SECONDS)
    if following is None:
        return max(start + LEAST_MS, min(wanted, latest, max(spoken, duration)))
    limit = following - min(GAP_MS, (following - start) // 2)
    if limit - wanted < FLICKER_MS and limit <= latest:
        return limit
    return min(wanted, latest, limit)


def _cheapest_cut(words: list[Word], marks: list[str], options: OutputOptions, duration: float) -> list[tuple[int, int]]:
    """(first word, word after the last) of each cue: few of them, ended at pauses, none all but empty, time enough to read each.

    Twelve hours have 2 million candidates, so that what each needs is reckoned before.
    """
    width, room = options.line_characters, options.lines * options.line_characters
    lengths = [len(word.text) for word in words]
    ends = [*(break_cost(word, following) for word, following in pairwise(words)), 0.0]
    limits = [*(word.start - GAP_MS / 1000 for word in words[1:]), max([duration, *(word.end for word in words[-1:])])]
    apart = [i > 0 and (marks[i] != marks[i - 1] or word.start - words[i - 1].end >= PAUSE_SECONDS) for i, word in enumerate(words)]
    costs = [0.0] + [math.inf] * len(words)  # of the words before each place
    came_from = [0] * (len(words) + 1)
    for first, word in enumerate(words):
        lines, line = 1, len(marks[first]) + lengths[first]
        characters = line
        for last in range(first, len(words)):
            if last > first:
                if apart[last] or words[last].end - word.start > LONGEST_SECONDS:
                    break
                characters += 1 + lengths[last]
                line += 1 + lengths[last]
                if line > width:
                    lines, line = lines + 1, lengths[last]
                    if lines > options.lines:
                        break
            cost = costs[first] + BREAK_COST * ends[last] + _cue_cost(characters, limits[last] - word.start, room)
            if cost < costs[last + 1]:
                costs[last + 1], came_from[last + 1] = cost, first
    cues: list[tuple[int, int]] = []
    place = len(words)
    while place:
        cues.append((came_from[place], place))
        place = came_from[place]
    return cues[::-1]


def _cue_cost(characters: int, time: float, room: int) -> float:
    """Of a cue, wherever it ends; `time` is what there is until the next (s), `room` what it can hold (characters)."""
    cost = CUE_COST
    time = min(max(time, LEAST_MS / 1000), LONGEST_SECONDS)
    if characters < room:
        cost += EMPTY_COST * (1 - characters / room) ** 2
    if characters > READING_SPEED * time:
        cost += HASTE_COST * (characters / READING_SPEED / time - 1)
    if time < SHORTEST_SECONDS:
        cost += FLASH_COST * (1 - time / SHORTEST_SECONDS)
    return cost
