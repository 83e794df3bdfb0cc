"""Transcripts: the words of a recording, their times and their probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from asr.errors import UsageError
from asr.files import write_atomically

SHORT = 60  # characters of a text in a representation


def shorten(text: str) -> str:
    """Cut a text to `SHORT` characters."""
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


@dataclass(frozen=True)
class Word:
    """A word with its time."""

    text: str
    start: float
    """seconds from the start of the recording, or of the part that was transcribed"""
    end: float
    probability: float
    """0 to 1: geometric mean over the tokens of the word, by speller and CTC head"""

    @property
    def word(self) -> str:
        """the text, under the name in Whisper and faster-whisper; without their leading space"""
        return self.text


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


@dataclass(frozen=True, repr=False)
class Segment:
    """A stretch of speech that was decoded as one utterance."""

    start: float
    """seconds from the start of the recording, or of the part that was transcribed"""
    end: float
    readings: tuple[Reading, ...]
    """best first, never empty"""
    words: tuple[Word, ...]
    """words of the text, with times; empty for a model without a CTC head"""
    doubtful: bool = False
    """whether the CTC evidence for the words is weak: they may be invented"""
    readable: str | None = None
    """the text with capitals, punctuation and numbers; None: the text is as the model wrote it"""
    verbatim_words: tuple[Word, ...] = ()
    """with a readable text: the words as the model wrote them, with times"""

    @property
    def text(self) -> str:
        """the readable text, or else that of the best reading"""
        return self.readings[0].text if self.readable is None else self.readable

    @property
    def verbatim_text(self) -> str:
        """the text as the model wrote it: that of the best reading"""
        return self.readings[0].text

    @property
    def tokens(self) -> tuple[int, ...]:
        """pieces of the model's vocabulary, without end-of-sentence"""
        return self.readings[0].tokens

    @property
    def avg_logprob(self) -> float:
        """log-probability per token by the speller, end-of-sentence included (nats)"""
        return self.readings[0].average_log_probability

    def __repr__(self) -> str:
        return f"Segment({self.start:.2f} to {self.end:.2f} s, {shorten(self.text)!r})"


@dataclass(frozen=True)
class HeldBack:
    """A stretch of speech without text: the CTC head gives no evidence for the words found, so they are most likely invented."""

    start: float
    """seconds, counted as in `Segment`"""
    end: float
    text: str
    """the words found"""


@dataclass(frozen=True, repr=False)
class Transcript:
    """Text of a recording: segments, words with times, and n-best readings."""

    audio_filepath: str
    duration: float
    """of the recording, or of the part that was transcribed (s)"""
    segments: tuple[Segment, ...]
    """by start time; empty for a recording without speech"""
    missing: float = 0.0
    """seconds of the recording that are damaged, or missing although the header states them"""
    language: str = "en"
    """ISO 639 code of the model's language"""
    held_back: tuple[HeldBack, ...] = ()
    """speech whose words have no CTC evidence, by start time"""
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
    def verbatim_text(self) -> str:
        """the text as the model wrote it, without capitals, punctuation and numbers in digits"""
        return " ".join(segment.verbatim_text for segment in self.segments if segment.verbatim_text)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    def to_txt(self, **options: bool | int) -> str:
        """Write one line for each segment. `options` are those of `write`."""
        return self._written("txt", options)

    def to_srt(self, **options: bool | int) -> str:
        """Write SubRip subtitles. `options` are those of `write`."""
        return self._written("srt", options)

    def to_vtt(self, **options: bool | int) -> str:
        """Write WebVTT subtitles. `options` are those of `write`."""
        return self._written("vtt", options)

    def to_tsv(self, **options: bool | int) -> str:
        """Write `start<tab>end<tab>text` for each segment (ms). `options` are those of `write`."""
        return self._written("tsv", options)

    def to_json(self, **options: bool | int) -> str:
        """Write segments and words with times and probabilities, with Whisper's keys. `options` are those of `write`."""
        return self._written("json", options)

    def write(self, path: Path | str, **options: bool | int) -> Path:
        """Write a file atomically, in the format of its ending: .txt, .srt, .vtt, .tsv or .json. An existing file is replaced.

        Args:
            path: the file. Its folders are created.
            options: attributes of `asr.output.OutputOptions`, such as `word_times=True` or `line_characters=32`.

        Returns:
            The path.

        Raises:
            UsageError: the ending is of another format, or an option is unknown or out of range.
            OSError: the file cannot be written.
        """
        path = Path(path)
        form = path.suffix.lower().removeprefix(".")
        known = self._formats().FORMATS
        if form not in known:
            raise UsageError(f"{path}: the ending names no format: choose of {', '.join(f'.{name}' for name in known)}")
        write_atomically(path, self._written(form, options))
        return path

    def _written(self, form: str, options: Mapping[str, bool | int]) -> str:
        formats = self._formats()
        return formats.FORMATS[form](self, formats.OutputOptions.of(options))

    @staticmethod
    def _formats() -> Any:
        """The package of formats, which is built on this module and therefore is loaded by name."""
        return import_module("asr.output")

    def __repr__(self) -> str:
        many = "" if len(self.segments) == 1 else "s"
        return f"Transcript({self.audio_filepath!r}, {self.duration:.1f} s, {len(self.segments)} segment{many}, {shorten(self.text)!r})"
