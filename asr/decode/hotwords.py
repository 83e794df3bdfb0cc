"""Hotwords: names and terms that the search favours, even words that the model has never seen.

Shapes: B utterances, K hypotheses of each, V tokens, S states, X entries of a sparse table. Scores are in nats.

A text is worth `weight` for every letter of every hotword in it, wherever that stands as whole words, alone or with the 's
of a possessive; spaces count nothing. Only the text counts, not the pieces that spell it: a rare name is often spelled in
unusual ones. A hypothesis is credited with a hotword once it has completed it.

A search that heeded nothing else would have dropped a rare name before its last letter. So a hypothesis that is spelling a
hotword holds a promise, the worth of the letters that it has, and the search keeps a few places for the most promising beside
its own beam. A promise is no credit: it moves no other hypothesis out of the beam, and a hotword that fails leaves no trace.

What a hypothesis is spelling is its state: the longest end of its text that begins a hotword (the automaton of Aho and
Corasick 1975, over characters). The start of a word promises nothing yet, or all short words would be favoured.

A table of S × V next states would hold gigabytes for a thousand phrases and five thousand pieces, but a piece either goes on
with a phrase, which is rare and kept as an entry (state, piece) -> state, or it leaves a state that the piece alone decides:
a beginning of a phrase that is the whole piece, or none. Where a state has no entry for a piece, that of the next shorter end of
the text that begins a phrase holds: after NEW, YORK goes on with NEW YORK, and if that is no phrase, YORK may begin one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from asr.errors import ModelError
from asr.text.phrases import read_phrases
from asr.text.tokenizer import BLANK, EOS, UNKNOWN, Tokenizer

WEIGHT = 1.0
"""nats for a letter; with more, names are written that nobody said, and so with a list of a thousand (benchmarks/hotwords.py)"""

WORD = "▁"
"""begins a word, in pieces"""

NOWHERE, AT_WORD = 0, 1
"""states: no phrase can be under way; a word starts, and with it perhaps a phrase"""


def load_hotwords(source: Path | str | Iterable[str], tokenizer: Tokenizer, weight: float = WEIGHT) -> Hotwords:
    """Hotwords out of a file, one phrase a line, or a list of such lines; `read_phrases` says how they are written.

    `weight`, for a letter, is for phrases without their own. Raises UsageError where a phrase cannot be used or there is none,
    and ModelError where the model's pieces run over the borders of words.
    """
    pieces = _written(tokenizer.pieces)
    return build_hotwords(read_phrases(source, set("".join(pieces)) - {WORD}, weight), tokenizer.pieces)


@dataclass(frozen=True)
class Hotwords:
    """The automaton, as tensors on one device; `load_hotwords` makes it, the search uses it."""

    worth: Tensor  # (S,) of the phrases that are completed if the word ends here
    promise: Tensor  # (S,) worth of the letters so far of the dearest phrase under way
    reach: Tensor  # (S,) worth of the dearest phrase under way, once completed
    at_word: Tensor  # (S,) 1 where the text ends in the start of a word, else 0: the row of `other` that holds
    other: Tensor  # (2, V) next state where no phrase under way goes on
    starts: Tensor  # (V,) 1 for pieces that start a word, else 0
    shorter: Tensor  # (depth, S) the state itself, the next shorter end of the text that begins a phrase, the next, ...
    first: Tensor  # (S + 1,) place of a state's first entry
    keys: Tensor  # (X + 1,) entries, sorted: state · V + piece; the last is larger than any
    targets: Tensor  # (X + 1,) next state of each

    def to(self, device: torch.device) -> Hotwords:
        """The same on `device`."""
        return Hotwords(*(getattr(self, field.name).to(device) for field in fields(self)))

    def start(self, utterances: int, hypotheses: int) -> Tensor:
        """States (B, K) at the start of a sentence."""
        return torch.full((utterances, hypotheses), AT_WORD, device=self.first.device)

    def completed(self, states: Tensor) -> Tensor:
        """What every token adds to the credit of hypotheses in `states` (B, K): (B, K, V); the end of the sentence adds `worth`."""
        return self.worth[states, None] * self.starts

    def promises(self, states: Tensor) -> Tensor:
        """What hypotheses in `states` (B, K) promise after every token: (B, K, V)."""
        flat, size = states.flatten(), len(self.starts)
        after = self.promise[self.other][self.at_word[flat]]  # (B · K, V)
        for shorter in reversed(self.shorter):  # the longest has the last word
            begun = shorter[flat]
            entries = self.first[begun + 1] - self.first[begun]
            rows = torch.repeat_interleave(entries)
            places = torch.arange(len(rows), device=rows.device) + (self.first[begun] - entries.cumsum(0) + entries)[rows]
            after[rows, self.keys[places] % size] = self.promise[self.targets[places]]
        return after.view(*states.shape, size)

    def advance(self, states: Tensor, tokens: Tensor) -> Tensor:
        """States of hypotheses in `states` (B, K) after `tokens` (B, K)."""
        after = self.other[self.at_word[states], tokens]
        for shorter in reversed(self.shorter):
            keys = shorter[states] * len(self.starts) + tokens
            places = torch.searchsorted(self.keys, keys)
            after = self.targets[places].where(self.keys[places] == keys, after)
        return after


def build_hotwords(phrases: Mapping[str, float], pieces: Sequence[str]) -> Hotwords:
    """The automaton of `phrases`, words parted by single spaces, with their weights, over the pieces of a vocabulary.

    Raises ModelError where a piece runs over the border of a word.
    """
    ids = {piece: i for i, piece in enumerate(_written(pieces)) if piece}
    if across := [piece for piece in ids if WORD in piece[1:]]:
        raise ModelError(f"hotwords need pieces that end where a word ends, and {across[0]!r} of this model does not")
    states = _States(phrases, [ending for ending in ("'S", "'s") if set(ending) <= set("".join(ids))])

    other = torch.full((2, len(pieces)), NOWHERE)
    for piece, i in ids.items():
        other[:, i] = states.of.get(piece, NOWHERE)
    entries: list[dict[int, int]] = [{} for _ in states.of]
    longest = max(map(len, ids), default=0)
    for text, target in states.of.items():
        for size in range(1, min(longest, len(text) - 1) + 1):
            if text[-size:] in ids:
                entries[states.of[text[:-size]]][ids[text[-size:]]] = target
    for i, target in entries[AT_WORD].items():  # so many that they have a row of their own
        other[1, i] = target
    entries[AT_WORD] = {}
    shorter = [torch.arange(len(entries))]
    while (further := torch.tensor(states.shorter)[shorter[-1]]).max() > AT_WORD:  # those two have no entries
        shorter.append(further)

    keys = [state * len(pieces) + i for state, row in enumerate(entries) for i in sorted(row)]
    targets = [row[i] for row in entries for i in sorted(row)]
    return Hotwords(
        torch.tensor(states.worth, dtype=torch.float64),
        torch.tensor(states.promise, dtype=torch.float64),
        torch.tensor(states.reach, dtype=torch.float64),
        torch.tensor([int(text.endswith(WORD)) for text in states.of]),
        other,
        torch.tensor([float(piece.startswith(WORD)) for piece in _written(pieces)], dtype=torch.float64),
        torch.stack(shorter),
        torch.tensor([0, *(len(row) for row in entries)]).cumsum(0),
        torch.tensor([*keys, torch.iinfo(torch.int64).max]),
        torch.tensor([*targets, NOWHERE]),
    )


class _States:
    """The states, by the beginning of a phrase that each stands for, and what each is worth."""

    def __init__(self, phrases: Mapping[str, float], endings: Sequence[str]):
        self.of = {"": NOWHERE, WORD: AT_WORD}
        self.worth, self.promise, self.reach = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        for phrase, weight in phrases.items():
            text = WORD + phrase.replace(" ", WORD)
            worth = weight * _letters(text)
            for spelled in (text, *(text + ending for ending in endings)):
                for end in range(2, len(spelled) + 1):
                    state = self._state(spelled[:end])
                    self.promise[state] = max(self.promise[state], min(worth, weight * _letters(spelled[:end])))
                    self.reach[state] = max(self.reach[state], worth)
                self.worth[state] += worth

        # A shorter end of the text may begin a phrase too, and end one.
        self.shorter = [self._shorter(text) for text in self.of]
        for text in sorted(self.of, key=len):
            state = self.of[text]
            shorter = self.shorter[state]
            self.promise[state] = max(self.promise[state], self.promise[shorter])
            self.reach[state] = max(self.reach[state], self.reach[shorter])
            self.worth[state] += self.worth[shorter]

    def _state(self, text: str) -> int:
        if text not in self.of:
            self.of[text] = len(self.of)
            for values in (self.worth, self.promise, self.reach):
                values.append(0.0)
        return self.of[text]

    def _shorter(self, text: str) -> int:
        """The state of the longest end of `text`, but itself, that begins a phrase."""
        ends = (text[i:] for i in range(1, len(text)) if text[i] == WORD)
        return next((self.of[end] for end in ends if end in self.of), NOWHERE)


def _letters(text: str) -> int:
    return len(text) - text.count(WORD)


def _written(pieces: Sequence[str]) -> list[str]:
    """What every piece writes; those that stand for no text write nothing."""
    return ["" if i in (BLANK, UNKNOWN, EOS) else piece for i, piece in enumerate(pieces)]
