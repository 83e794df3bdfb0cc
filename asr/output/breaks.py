"""How well a line or a cue may end after a word."""

from __future__ import annotations

from asr.transcript import Word

SHORT_PAUSE, PAUSE = 0.1, 0.6  # seconds: no pause at all to the ear; one at which any break is welcome
HELD = 0.5  # cost of parting a word from what it leans on
OPENED = 0.3  # gain of a break before a word that opens a clause

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
    """0 (a pause or the end of a sentence) to 1.5 (between an article and its noun, without a pause)."""
    pause = (following.start - word.end - SHORT_PAUSE) / (PAUSE - SHORT_PAUSE)
    ease = min(1.0, max(0.0, pause, _punctuation(word.text)))
    grammar = HELD if word.text.lower() in LEANING else -OPENED if following.text.lower() in OPENING else 0.0
    return (1.0 - ease) * (1.0 + grammar)


def _punctuation(text: str) -> float:
    """Not every model writes any."""
    bare = text.rstrip("\"')]”’")
    return 1.0 if bare.endswith((".", "?", "!", "…")) else 0.6 if bare.endswith((",", ";", ":", "–", "—")) else 0.0
