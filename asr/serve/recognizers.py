"""The model with the hotwords of a request.

A request may name hotwords. They replace those of the server for its recording. Requests with the same hotwords share batches.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from asr.decode.hotwords import Hotwords, load_hotwords
from asr.errors import AsrError
from asr.transcribe import Transcriber

CACHED = 32  # sets of hotwords kept
MOST_HOTWORDS = 500  # in a request
MOST_WORDS = 4  # in a hotword: a longer phrase is prose
QUOTED_CHARACTERS = 40  # of a hotword in a note
MOST_NOTES = 5  # of each kind


class Recognizers:
    """Transcribers that differ only in their hotwords. Thread-safe."""

    def __init__(self, transcriber: Transcriber):
        """Derive all others from `transcriber`."""
        self.default = transcriber
        self._cache: OrderedDict[tuple[str, ...], Transcriber] = OrderedDict()
        self._lock = threading.Lock()

    def with_hotwords(self, phrases: Sequence[str]) -> tuple[Transcriber, list[str]]:
        """Return the transcriber for hotwords, and notes on phrases that cannot be hotwords. A new list takes about 1 ms per phrase."""
        hotwords, notes = _select(phrases)
        try:
            return self._get(hotwords), notes
        except AsrError:
            hotwords, unusable = self._check(hotwords)
            notes += unusable
        try:
            return self._get(hotwords), notes
        except AsrError as e:  # the search does not take hotwords
            return self.default, [f"hotwords left out: {e}"]

    def _get(self, hotwords: tuple[str, ...]) -> Transcriber:
        if not hotwords:
            return self.default
        with self._lock:
            if (known := self._cache.get(hotwords)) is not None:
                self._cache.move_to_end(hotwords)
                return known
        base = self.default
        made = Transcriber(base.model, base.decode, base.segment, base.batch_seconds, self._build(hotwords), base.nbest, base.readable)
        with self._lock:
            made = self._cache.setdefault(hotwords, made)
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return made

    def _check(self, phrases: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        """Separate phrases that can be hotwords from those that cannot, with a note on each of the latter."""
        usable, notes = [], []
        for phrase in phrases:
            try:
                self._build([phrase])
                usable.append(phrase)
            except AsrError as e:
                reason = str(e).removeprefix("hotwords:1: ").partition(": ")[0]
                notes.append(f"hotword {_quote_phrase(phrase)} left out: {reason}")
        return tuple(usable), notes[:MOST_NOTES]

    def _build(self, phrases: Sequence[str]) -> Hotwords:
        return load_hotwords(phrases, self.default.model.tokenizer)


def _select(phrases: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Drop empty, repeated and long phrases, and those beyond MOST_HOTWORDS."""
    distinct = [phrase for phrase in dict.fromkeys(_plain(phrase) for phrase in phrases) if phrase]
    short = [phrase for phrase in distinct if len(phrase.split()) <= MOST_WORDS]
    long = [phrase for phrase in distinct if len(phrase.split()) > MOST_WORDS]
    notes = [f"hotword {_quote_phrase(phrase)} left out: longer than {MOST_WORDS} words" for phrase in long[:MOST_NOTES]]
    if len(short) > MOST_HOTWORDS:
        notes.append(f"hotwords after the first {MOST_HOTWORDS} left out")
    return tuple(short[:MOST_HOTWORDS]), notes


def _plain(phrase: str) -> str:
    """Remove what has a meaning in files of hotwords: a tab before a weight, and `#` before a comment."""
    return " ".join(phrase.split()).lstrip("# ")


def _quote_phrase(phrase: str) -> str:
    """Quote a hotword in a note, cut to QUOTED_CHARACTERS."""
    return repr(phrase if len(phrase) <= QUOTED_CHARACTERS else phrase[:QUOTED_CHARACTERS] + "…")
