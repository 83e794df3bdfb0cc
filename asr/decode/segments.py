"""Recognised segments of speech as parts of a transcript: listener states become seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from asr.decode.align import PlacedWord, words_of
from asr.decode.recognize import Recognition
from asr.model.checkpoint import TrainedModel
from asr.speech.segment import SpeechSegment
from asr.transcript import HeldBack, Segment, Word

HANGOVER = 0.16  # seconds by which a word may outlast the states that CTC aligns it with

Found: TypeAlias = Segment | HeldBack | None
"""The result for a segment of speech; None if it has no words."""


def to_segment(model: TrainedModel, speech: SpeechSegment, result: Recognition, nbest: int | None) -> Found:
    """Convert the recognition of a segment of speech.

    Args:
        model: the model.
        speech: the segment.
        result: its recognition.
        nbest: readings to keep; None for all.

    Returns:
        A segment of the transcript, or the words that are held back for lack of CTC evidence, or None without words.
    """
    start, end = speech.start, speech.start + speech.seconds
    if result.held_back:
        return HeldBack(start, end, result.held_back)
    if not result.readings or not result.readings[0].text:
        return None
    timed = model.network.ctc is not None
    words = _words(speech, words_of(result.placed, model.tokenizer), model.config.model.state_seconds) if timed else ()
    return Segment(start, end, tuple(result.readings[:nbest]), words, result.doubtful)


def _words(speech: SpeechSegment, placed: Sequence[PlacedWord], state_seconds: float) -> tuple[Word, ...]:
    """Convert states to seconds.

    CTC aligns a word early and leaves it before its end. So no word begins before the speech does, and each lasts until the next, but at most
    HANGOVER longer than its states.
    """

    def seconds(state: int) -> float:
        return min(max(speech.start + state * state_seconds, speech.speech_start), speech.speech_end)

    starts = [seconds(word.start) for word in placed]
    ends = [min(seconds(word.end) + HANGOVER, following) for word, following in zip(placed, [*starts[1:], speech.speech_end], strict=True)]
    return tuple(Word(w.text, start, max(start, end), w.probability) for w, start, end in zip(placed, starts, ends, strict=True))
