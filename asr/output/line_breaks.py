"""Where the lines and cues of subtitles may end: the cost of a break, and the lines of a cue."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from asr.output.text import ends_sentence
from asr.transcript import Word

SHORT_PAUSE, PAUSE = 0.1, 0.6  # s: a pause that is not heard; a pause at which any break is good
LEANING_COST = 0.5  # of a break after a word that leans on the next
OPENING_GAIN = 0.3  # of a break before a word that opens a clause
BREAK_WEIGHT = 0.2  # at this weight, a pause shifts the break of 50 characters from 25 + 25 to 12 + 38

# An article, preposition, conjunction, auxiliary or possessive leans on the word after it, and does not end a line.
LEANING = frozenset(
    """a an the this that these those my your his its our their
    of in on at by to for from with without into onto upon over under about as than through between against
    and or but nor so if when while because since until though although which who whose where
    is are was were be been am has have had do does did will would shall should can could may might must
    not no i we they he she very mr mrs dr""".split()  # noqa: SIM905
)
OPENING = frozenset("and or but nor so if when while because since until though although which who whose where that".split())  # noqa: SIM905


def break_cost(word: Word, following: Word) -> float:
    """Return the cost of a break between two words.

    Returns:
        0 (at a pause or the end of a sentence) to 1.5 (between an article and its noun, without a pause).
    """
    pause = (following.start - word.end - SHORT_PAUSE) / (PAUSE - SHORT_PAUSE)
    ease = min(1.0, max(0.0, pause, _punctuation(word.text)))
    grammar = (
        LEANING_COST if word.text.lower().removesuffix(".") in LEANING else -OPENING_GAIN if following.text.lower() in OPENING else 0.0
    )
    return (1.0 - ease) * (1.0 + grammar)


def _punctuation(text: str) -> float:
    """Return how well the punctuation at the end of a word permits a break: 0 to 1."""
    return 1.0 if ends_sentence(text) else 0.6 if text.rstrip("\"')]”’").endswith((",", ";", ":", "–", "—")) else 0.0


def lay_out(words: Sequence[Word], mark: str, width: int) -> tuple[tuple[Word, ...], ...]:
    """Break the words of a cue into the fewest lines, of similar length.

    Args:
        words: the words.
        mark: text before the first word.
        width: maximum characters of a line; only a single word can be longer.

    Returns:
        The words of each line.
    """
    lengths = [len(word.text) for word in words]
    lengths[0] += len(mark)
    lines, line = 1, lengths[0]
    for length in lengths[1:]:
        line += 1 + length
        if line > width:
            lines, line = lines + 1, length
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length + 1)

    def cost(breaks: tuple[int, ...]) -> float:
        places = (0, *breaks, len(words))
        sizes = [ends[to] - ends[start] - 1 for start, to in pairwise(places)]
        too_wide = sum(size > width and to - start > 1 for size, (start, to) in zip(sizes, pairwise(places), strict=True))
        mean = sum(sizes) / len(sizes)
        uneven = sum((size - mean) ** 2 for size in sizes) / width**2
        top_heavy = sum(max(0, upper - lower) ** 2 for upper, lower in pairwise(sizes)) / width**2
        return 1e6 * too_wide + uneven + top_heavy + BREAK_WEIGHT * sum(break_cost(words[i - 1], words[i]) for i in breaks)

    best = min(combinations(range(1, len(words)), lines - 1), key=cost)
    return tuple(tuple(words[start:to]) for start, to in pairwise((0, *best, len(words))))
