"""Readable text from timed words: sentences with capitals and punctuation, and numbers in digits, with a time for every token.

>>> tokens = readable_tokens(transcript.words, restorer)
>>> readable_text(tokens)
'She walked down to the river with Mr. Oldenby.'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from asr.readable.labels import Case, LabelledWord, Mark, written
from asr.readable.numbers import Rewrite, digits
from asr.readable.restorer import LabelStream, TrainedRestorer
from asr.transcript import Word

TITLES = {"mister": "Mr.", "missus": "Mrs.", "doctor": "Dr."}  # before a name
LONGEST_SENTENCE = 200  # words; a longer one is written in parts
Numbers = Literal["words", "digits"]


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

    Args:
        labels: Labels the words, usually a `LabelStream`.
        numbers: `digits` writes numbers in digits where they are clear. English only.
    """

    def __init__(self, labels: Stream, numbers: Numbers = "digits"):
        self._labels, self._numbers = labels, numbers
        self._held: Word | None = None  # the newest word: its pause is not known yet
        self._unlabelled: list[Word] = []
        self._words: list[Word] = []  # with labels, of the sentence that has begun
        self._labelled: list[LabelledWord] = []
        self._count = 0
        self._starts = True  # a sentence starts with the next word

    def add(self, words: Iterable[Word]) -> list[Token]:
        """Add words, and return the tokens of the sentences that are complete."""
        texts, pauses = [], []
        for word in words:
            if self._held is not None:
                texts.append(self._held.text)
                pauses.append(max(0.0, word.start - self._held.end))
            self._held = word
            self._unlabelled.append(word)
        return self._tokens(self._labels.add(texts, pauses))

    def finish(self) -> list[Token]:
        """End the recording, and return the remaining tokens."""
        labelled = self._labels.add([self._held.text]) if self._held is not None else []
        self._held = None
        tokens = self._tokens([*labelled, *self._labels.finish()])
        return [*tokens, *self._flush()]

    def _tokens(self, labelled: Sequence[LabelledWord]) -> list[Token]:
        tokens: list[Token] = []
        for word, timed in zip(labelled, self._unlabelled, strict=False):
            self._labelled.append(word)
            self._words.append(timed)
            if word.mark.ends_sentence or len(self._words) >= LONGEST_SENTENCE:
                tokens += self._flush()
        del self._unlabelled[: len(labelled)]
        return tokens

    def _flush(self) -> list[Token]:
        """Write the sentence that has been labelled."""
        words, labelled = self._words, self._labelled
        self._words, self._labelled = [], []
        if not words:
            return []
        if self._starts and labelled[0].case is Case.LOWER:
            labelled[0] = labelled[0]._replace(case=Case.CAPITAL)
        self._starts = labelled[-1].mark is Mark.FULL_STOP
        rewrites = {rewrite.start: rewrite for rewrite in self._rewrites(labelled)}
        tokens, i = [], 0
        while i < len(words):
            start, end, text = rewrites.get(i, Rewrite(i, i + 1, written(labelled[i].text, labelled[i].case)))
            mark = labelled[end - 1].mark
            sign = "" if mark is Mark.FULL_STOP and text.endswith(".") else mark.text
            probability = min(word.probability for word in words[start:end])
            span = (self._count + start, self._count + end)
            tokens.append(Token(text + sign, words[start].start, words[end - 1].end, probability, *span, mark))
            i = end
        self._count += len(words)
        return tokens

    def _rewrites(self, labelled: Sequence[LabelledWord]) -> list[Rewrite]:
        found = []
        if self._numbers == "digits":
            found = digits(
                [word.text for word in labelled],
                [word.case is not Case.LOWER for word in labelled],
                [word.mark is not Mark.NONE for word in labelled],
            )
        for i, (word, following) in enumerate(pairwise(labelled)):
            if word.text in TITLES and word.mark is Mark.NONE and following.case is not Case.LOWER:
                found.append(Rewrite(i, i + 1, TITLES[word.text]))
        return found


def readable_tokens(words: Iterable[Word], restorer: TrainedRestorer, numbers: Numbers = "digits") -> list[Token]:
    """Write the words of a whole recording as readable text.

    Args:
        words: Of all segments, in order.
        restorer: Labels the words.
        numbers: `digits` or `words`.

    Returns:
        Tokens in order. Each covers one word or more, and every word is covered once.
    """
    stream = ReadableStream(LabelStream(restorer), numbers if restorer.config.language == "en" else "words")
    return [*stream.add(words), *stream.finish()]


def readable_text(tokens: Iterable[Token]) -> str:
    """Join tokens to a text."""
    return " ".join(token.text for token in tokens)
