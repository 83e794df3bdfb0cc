"""Readable text from timed words: sentences with capitals and punctuation, and numbers in digits, with a time for every token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from asr.readable.numbers import CONNECTED, Rewrite, digits, is_digit
from asr.readable.restorer import LabelStream, TrainedRestorer
from asr.text.labels import Case, LabelledWord, Mark, written
from asr.transcript import Word

TITLES = {"mister": "Mr.", "missus": "Mrs.", "doctor": "Dr."}  # before a name
LONGEST_PHRASE = 200  # words; a longer phrase is written in parts
Numbers = Literal["words", "digits"]
TextForm = Literal["readable", "verbatim"]


@dataclass(frozen=True)
class Token:
    """A word of the readable text, as it is written: with its capitals and the mark behind it."""

    text: str
    start: float
    """seconds: the start of its first word"""
    end: float
    """seconds: the end of its last word"""
    probability: float
    """0 to 1: the lowest of its words"""
    first: int
    """index of its first word in the recording"""
    last: int
    """end of its words"""
    mark: Mark


class Stream(Protocol):
    """Labels words that arrive one after another, as `LabelStream` does."""

    def add(self, words: Sequence[str], pauses: Sequence[float | None] | None = None) -> list[LabelledWord]: ...

    def finish(self) -> list[LabelledWord]: ...


class ReadableStream:
    """Readable text of a recording whose words arrive segment by segment. The tokens do not depend on the segments.

    A word is written as soon as it is labelled, unless it may belong to a number or a title that goes on behind it.

    Args:
        labels: Labels the words, usually a `LabelStream`.
        numbers: `digits` writes numbers in digits where they are clear.
        language: ISO 639 code. Numbers and titles are rewritten in English (`en`) only.
    """

    def __init__(self, labels: Stream, numbers: Numbers = "digits", language: str = "en"):
        self._labels, self._numbers, self._english = labels, numbers, language == "en"
        self._held: Word | None = None  # the newest word: its pause is not known yet
        self._unlabelled: list[Word] = []
        self._words: list[Word] = []  # with labels, of the phrase
        self._labelled: list[LabelledWord] = []
        self._written = 0  # words of these that have tokens
        self._offset = 0  # words of the recording before these
        self._starts = True  # a sentence starts with the first of these

    def add(self, words: Iterable[Word]) -> list[Token]:
        """Add words, and return the tokens that are complete. A word without a time (NaN) has unknown pauses."""
        texts, pauses = [], []
        for word in words:
            if self._held is not None:
                texts.append(self._held.text)
                pauses.append(max(word.start - self._held.end, 0.0))  # in this order, NaN stays NaN
            self._held = word
            self._unlabelled.append(word)
        return self._tokens(self._labels.add(texts, pauses))

    def finish(self) -> list[Token]:
        """End the recording, and return the remaining tokens."""
        labelled = self._labels.add([self._held.text]) if self._held is not None else []
        self._held = None
        return [*self._tokens([*labelled, *self._labels.finish()]), *self._write(len(self._words))]

    def _tokens(self, labelled: Sequence[LabelledWord]) -> list[Token]:
        tokens: list[Token] = []
        for word, timed in zip(labelled, self._unlabelled, strict=False):
            self._labelled.append(word)
            self._words.append(timed)
            goes_on = word.mark is Mark.NONE or (word.mark is Mark.COMMA and is_digit(word.text))
            if not goes_on or len(self._words) >= LONGEST_PHRASE:
                tokens += self._end_phrase()
        del self._unlabelled[: len(labelled)]
        settled = next((i for i in range(len(self._words), self._written, -1) if _is_settled(self._labelled[i - 1].text)), 0)
        return tokens + self._write(settled)

    def _end_phrase(self) -> list[Token]:
        tokens = self._write(len(self._words))
        self._starts = self._labelled[-1].mark is Mark.FULL_STOP
        self._offset += len(self._words)
        self._words, self._labelled, self._written = [], [], 0
        return tokens

    def _write(self, end: int) -> list[Token]:
        """Return the tokens of the words of the phrase before `end` that have none yet."""
        if end <= self._written:
            return []
        words, labelled = self._words, self._labelled
        if self._starts and labelled[0].case is Case.LOWER:
            labelled[0] = labelled[0]._replace(case=Case.CAPITAL)
        rewrites = {rewrite.start: rewrite for rewrite in self._rewrites()}
        tokens, i = [], self._written
        while i < end:
            start, after, text = rewrites.get(i, Rewrite(i, i + 1, written(labelled[i].text, labelled[i].case)))
            mark = labelled[after - 1].mark
            sign = "" if mark is Mark.FULL_STOP and text.endswith(".") else mark.text
            probability = min(word.probability for word in words[start:after])
            span = (self._offset + start, self._offset + after)
            tokens.append(Token(text + sign, words[start].start, words[after - 1].end, probability, *span, mark))
            i = after
        self._written = i
        return tokens

    def _rewrites(self) -> list[Rewrite]:
        """Return the letters, numbers and titles of the phrase. Of two that start at one word, the last counts."""
        labelled = self._labelled
        if not self._english:
            return []
        found = spelled_letters([word.text for word in labelled])
        if self._numbers == "digits":
            found += digits(
                [word.text for word in labelled],
                [word.case is not Case.LOWER for word in labelled],
                [word.mark for word in labelled],
            )
        for i, (word, following) in enumerate(pairwise(labelled)):
            if word.text in TITLES and word.mark is Mark.NONE and following.case is not Case.LOWER:
                found.append(Rewrite(i, i + 1, TITLES[word.text]))
        return found


def spelled_letters(words: Sequence[str]) -> list[Rewrite]:
    """Find the words that are the name of a letter, which are written in upper case: `G M E A`, `plan B`.

    `a` and `o` are letters only beside another one.
    """
    letters = [len(word) == 1 and word.isascii() and word.isalpha() for word in words]
    clear = [False, *(letter and word not in "aio" for letter, word in zip(letters, words, strict=True)), False]
    return [
        Rewrite(i, i + 1, word.upper())
        for i, word in enumerate(words)
        if clear[i + 1] or (letters[i] and (word == "i" or clear[i] or clear[i + 2]))
    ]


def _is_settled(word: str) -> bool:
    """Return whether the way in which a word and those before it are written does not depend on the words behind it."""
    return word not in CONNECTED and word not in TITLES


def readable_tokens(words: Iterable[Word], restorer: TrainedRestorer, numbers: Numbers = "digits") -> list[Token]:
    """Write the words of a whole recording as readable text.

    Args:
        words: Of all segments, in order.
        restorer: Labels the words.
        numbers: `digits` or `words`.

    Returns:
        Tokens in order. Each covers one word or more, and every word is covered once.
    """
    stream = ReadableStream(LabelStream(restorer), numbers, restorer.config.language)
    return [*stream.add(words), *stream.finish()]


def readable_text(tokens: Iterable[Token]) -> str:
    """Join tokens to a text."""
    return " ".join(token.text for token in tokens)
