"""Transcripts made by hand."""

from __future__ import annotations

from dataclasses import replace

from asr.transcript import Reading, Segment, Transcript, Word


def spoken(text: str, start: float = 0.0, each: float = 0.25) -> list[Word]:
    """Words of the same length, one straight after the other; a number in brackets is a pause: `GO [0.5] ON`."""
    words = []
    for part in text.split():
        if part.startswith("["):
            start = round(start + float(part.strip("[]")), 3)
        else:
            words.append(Word(part, start, round(start + each, 3), 0.9))
            start = round(start + each, 3)
    return words


def segment(words: list[Word], doubtful: bool = False) -> Segment:
    text = " ".join(word.text for word in words)
    return Segment(words[0].start, words[-1].end, (Reading(text, (3, 4), -2.5, {"attention": -1.5, "ctc": -2.0}),), tuple(words), doubtful)


def readable(words: list[Word], text: str, doubtful: bool = False) -> Segment:
    """A segment whose text was made readable, word by word."""
    own = segment(words, doubtful)
    written = tuple(replace(word, text=part) for word, part in zip(words, text.split(), strict=True))
    return replace(own, readable=text, words=written, verbatim_words=tuple(words))


def transcript(*segments: Segment, duration: float = 100.0) -> Transcript:
    return Transcript("talks/a.mp3", duration, segments)
