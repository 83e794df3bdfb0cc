"""What comes out: what is said in a recording, when, and how sure the model is of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word and its place."""

    text: str
    start: float
    """seconds from the start of the recording, or of the part that was transcribed"""
    end: float
    probability: float
    """that it was said, by the speller and the CTC head together: 0 to 1"""


@dataclass(frozen=True)
class Reading:
    """One way to read a stretch of speech."""

    text: str
    tokens: tuple[int, ...]
    """pieces of the vocabulary, without end-of-sentence"""
    score: float
    """what the search ranks by (nats): attention, CTC, language model and length together"""
    attention_score: float
    """log-probability of the tokens and of the end by the speller (nats)"""
    ctc_score: float | None
    """log-probability of the tokens by the CTC head (nats); None where it was not asked"""
    lm_score: float | None = None
    """log-probability of the tokens and of the end by the language model (nats); None where it was not asked"""
    internal_lm_score: float | None = None
    """the same by the speller's own language model, which was taken off (nats); None where it was not"""

    @property
    def average_log_probability(self) -> float:
        """of a token, by the speller, the end counted (nats)"""
        return self.attention_score / (len(self.tokens) + 1)


@dataclass(frozen=True)
class Segment:
    """A stretch of speech that was heard at once."""

    start: float
    """seconds from the start of the recording, or of the part that was transcribed"""
    end: float
    readings: tuple[Reading, ...]
    """best first, never empty"""
    words: tuple[Word, ...]
    """those of the best reading; none by a model without a CTC head, which cannot tell their times"""
    doubtful: bool = False
    """the CTC head does not bear the words out: they may be invented"""

    @property
    def text(self) -> str:
        return self.readings[0].text


@dataclass(frozen=True)
class HeldBack:
    """A stretch of speech for which nothing is written: the CTC head gives the words no credit, and they are most likely invented."""

    start: float
    """seconds, as in a Segment"""
    end: float
    text: str
    """what would have been written"""


@dataclass(frozen=True)
class Transcript:
    """A recording's text."""

    audio_filepath: str
    duration: float
    """seconds"""
    segments: tuple[Segment, ...]
    """in order; none where nobody speaks"""
    missing: float = 0.0
    """seconds of the recording that are damaged, or that its header states and that are not there"""
    language: str = "en"
    """the model's: its ISO 639 code"""
    held_back: tuple[HeldBack, ...] = ()
    """in order"""
    notes: tuple[str, ...] = ()
    """sentences on the recording: where sound is missing, which of several tracks was read"""

    @classmethod
    def of(
        cls,
        audio_filepath: str,
        duration: float,
        heard: Iterable[Segment | HeldBack | None],
        missing: float = 0.0,
        language: str = "en",
        notes: Iterable[str] = (),
    ) -> Transcript:
        """Made of what was heard in each stretch of speech, in any order; None for nothing."""
        ordered = sorted((one for one in heard if one), key=lambda one: one.start)
        segments = tuple(one for one in ordered if isinstance(one, Segment))
        held_back = tuple(one for one in ordered if isinstance(one, HeldBack))
        return cls(audio_filepath, duration, segments, missing, language, held_back, tuple(notes))

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)
