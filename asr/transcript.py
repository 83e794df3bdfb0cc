"""Transcripts: the words of a recording, their times and their probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Word:
    """A word with its time."""

    text: str
    start: float
    """seconds from the start of the recording, or of the part that was transcribed"""
    end: float
    probability: float
    """0 to 1, by the speller and the CTC head together"""


@dataclass(frozen=True)
class Reading:
    """An entry of the n-best list of a segment."""

    text: str
    tokens: tuple[int, ...]
    """pieces of the vocabulary, without end-of-sentence"""
    score: float
    """the weighted sum of `scores`, which the search ranks by (nats)"""
    scores: Mapping[str, float] = field(default_factory=dict)
    """each term of the score, unweighted, by its name in the search: `attention` (log-probability of the tokens and of the end by the speller),
    `ctc`, `lm`, `internal_lm` (nats), `length` (tokens), `coverage` (states), `hotwords` (nats); terms without weight are absent"""

    @property
    def average_log_probability(self) -> float:
        """log-probability per token by the speller, end-of-sentence included (nats)"""
        return self.scores["attention"] / (len(self.tokens) + 1)


@dataclass(frozen=True)
class Segment:
    """A stretch of speech that was decoded as one utterance."""

    start: float
    """seconds from the start of the recording, or of the part that was transcribed"""
    end: float
    readings: tuple[Reading, ...]
    """best first, never empty"""
    words: tuple[Word, ...]
    """those of the best reading; empty for a model without a CTC head, which gives no times"""
    doubtful: bool = False
    """the CTC head gives the words little evidence: they may be invented"""

    @property
    def text(self) -> str:
        return self.readings[0].text


@dataclass(frozen=True)
class HeldBack:
    """A stretch of speech without text: the CTC head gives no evidence for the words found, so they are most likely invented."""

    start: float
    """seconds, as in a Segment"""
    end: float
    text: str
    """the words found"""


@dataclass(frozen=True)
class Transcript:
    """A recording's text."""

    audio_filepath: str
    duration: float
    """seconds"""
    segments: tuple[Segment, ...]
    """in order; none without speech"""
    missing: float = 0.0
    """seconds of the recording that are damaged, or missing although the header states them"""
    language: str = "en"
    """the model's: its ISO 639 code"""
    held_back: tuple[HeldBack, ...] = ()
    """in order"""
    notes: tuple[str, ...] = ()
    """sentences on the recording: where audio is missing, which of several tracks was read"""

    @classmethod
    def of(
        cls,
        audio_filepath: str,
        duration: float,
        found: Iterable[Segment | HeldBack | None],
        missing: float = 0.0,
        language: str = "en",
        notes: Iterable[str] = (),
    ) -> Transcript:
        """Build a transcript of the segments found, in any order; None is skipped."""
        ordered = sorted((one for one in found if one), key=lambda one: one.start)
        segments = tuple(one for one in ordered if isinstance(one, Segment))
        held_back = tuple(one for one in ordered if isinstance(one, HeldBack))
        return cls(audio_filepath, duration, segments, missing, language, held_back, tuple(notes))

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)
