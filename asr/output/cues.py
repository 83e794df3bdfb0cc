"""Split a transcript into the cues of subtitles: their words, start and end.

Dynamic programming over the positions between words finds the split with the lowest cost. The constants are the usual rules of subtitling:
17 characters/s, 1 to 7 s, a gap of two frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from asr.output.line_breaks import break_cost, lay_out
from asr.output.options import OutputOptions
from asr.output.text import plain
from asr.transcript import Segment, Transcript, Word

LONGEST_SECONDS = 7.0
SHORTEST_SECONDS = 1.0  # unless the next cue is earlier
READING_SPEED = 17.0  # characters/s, unless the next cue is earlier
PAUSE_SECONDS = 1.0  # a pause that always ends a cue
GAP_MS = 80  # between cues: two frames of video, so that the eye notices the change
FLICKER_MS = 500  # a cue is extended over a shorter gap
LEAST_MS = 100  # between the starts of two cues, even if their words have the same time

CUE_COST = 1.0
BREAK_COST = 2.0
EMPTY_COST = 0.5  # of an almost empty cue: two equal cues are better than a full one and a single word
HASTE_COST = 3.0  # of a text that takes twice the available time to read
FLASH_COST = 2.0  # of a cue without duration


@dataclass(frozen=True)
class Cue:
    """A subtitle.

    Attributes:
        start: time at which it appears (ms).
        end: time at which it disappears (ms).
        lines: words of each line.
        mark: text before the first word: `[?] ` if the words are doubtful.
    """

    start: int
    end: int
    lines: tuple[tuple[Word, ...], ...]
    mark: str


def cut_cues(transcript: Transcript, options: OutputOptions) -> list[Cue]:
    """Split a transcript into cues.

    A cue lasts at most 7 s. It lasts less than 1 s, or exceeds 17 characters/s, only if the next cue or the end of the recording forces it.

    Args:
        transcript: the transcript.
        options: maximum length and number of lines; only a single word can make a line longer.

    Returns:
        Cues that do not overlap, in order. Each word is in one cue.
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
    """Return all words, and for each the mark of its segment."""
    words: list[Word] = []
    marks: list[str] = []
    for segment in transcript.segments:
        for word in segment.words or _evenly(segment):
            if text := plain(word.text):
                words.append(replace(word, text=text))
                marks.append(options.mark(segment.doubtful))
    return words, marks


def _evenly(segment: Segment) -> list[Word]:
    """Spread the words of a segment without word times (the model has no CTC head) over its duration, by their letters."""
    texts = plain(segment.text).split()
    letter_seconds = (segment.end - segment.start) / max(1, sum(len(text) + 1 for text in texts))
    words, start = [], segment.start
    for text in texts:
        end = start + letter_seconds * (len(text) + 1)
        words.append(Word(text, start, end, math.nan))
        start = end
    return words


def _end(start: int, said: list[Word], mark: int, following: int | None, duration: int) -> int:
    """Return the end of a cue (ms): when it is spoken and can be read, but at least a gap before the next cue."""
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
    """Return (first word, word after the last) of each cue of the split with the lowest cost.

    The cost prefers few cues that end at pauses, are not almost empty, and leave time to read. Twelve hours have 2 million candidates, so
    everything that several candidates need is computed before the loop.
    """
    width, room = options.line_characters, options.lines * options.line_characters
    lengths = [len(word.text) for word in words]
    ends = [*(break_cost(word, following) for word, following in pairwise(words)), 0.0]
    limits = [*(word.start - GAP_MS / 1000 for word in words[1:]), max([duration, *(word.end for word in words[-1:])])]
    apart = [i > 0 and (marks[i] != marks[i - 1] or word.start - words[i - 1].end >= PAUSE_SECONDS) for i, word in enumerate(words)]
    costs = [0.0] + [math.inf] * len(words)  # of the best split of the words before each position
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
    """Return the cost of a cue, except for the place where it ends.

    Args:
        characters: length of its text.
        time: seconds until the next cue.
        room: characters that it can hold.
    """
    cost = CUE_COST
    time = min(max(time, LEAST_MS / 1000), LONGEST_SECONDS)
    if characters < room:
        cost += EMPTY_COST * (1 - characters / room) ** 2
    if characters > READING_SPEED * time:
        cost += HASTE_COST * (characters / READING_SPEED / time - 1)
    if time < SHORTEST_SECONDS:
        cost += FLASH_COST * (1 - time / SHORTEST_SECONDS)
    return cost
