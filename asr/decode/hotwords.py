"""Hotwords: names and terms that the search favours, even words that the model has never seen.

Shapes: B utterances, K hypotheses of each, V tokens, S states, X entries of a sparse table. Scores are in nats.

A text earns `weight` for every letter of every hotword in it, wherever the hotword stands as whole words, alone or with the 's of a
possessive. Spaces do not count. Only the text counts, not the pieces that spell it, since a rare name is often spelled in unusual pieces.
A hypothesis is credited with a hotword when it completes it.

Without more, the search would prune a rare name before its last letter. So hypotheses with a partial match are kept in a side beam, ranked
by score plus the promise of the match, `weight` for each letter so far. The promise is no part of the score: it moves no other
hypothesis out of the main beam, and a hotword that fails leaves no trace.

The state of a hypothesis is the longest suffix of its text that is a prefix of some hotword: the automaton of Aho and Corasick 1975, over
characters. The start of a word has no promise, or all short words would be favoured.

A dense table of S × V transitions would take gigabytes for a thousand phrases and five thousand pieces. But a piece either continues a
phrase, which is rare and stored as an entry (state, piece) -> state, or it leads to a state that depends on the piece alone: the whole
piece begins a phrase, or none is under way. If a state has no transition on a piece, follow its failure link (the longest proper suffix
that is a prefix of some phrase): after NEW, YORK continues NEW YORK; if that is no phrase, YORK may begin one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from asr.decode.scorer import Matcher
from asr.errors import ModelError
from asr.text.phrases import read_phrases
from asr.text.tokenizer import BLANK, EOS, UNKNOWN, Tokenizer

WEIGHT = 1.0
"""nats per letter; a higher weight, like a list of a thousand phrases, inserts names that nobody said (benchmarks/hotwords.py)"""

WORD = "▁"
"""marks the start of a word in a piece"""

NOWHERE, AT_WORD = 0, 1
"""states: inside a word that begins no phrase; at the start of a word"""


def load_hotwords(source: Path | str | Iterable[str], tokenizer: Tokenizer, weight: float = WEIGHT) -> Hotwords:
    """Build hotwords from a file or a list.

    Args:
        source: a file with one phrase a line, or a list of such lines, in the format of `asr.text.phrases.read_phrases`.
        tokenizer: the model's tokenizer.
        weight: nats per letter of phrases without a weight of their own.

    Raises:
        UsageError: a phrase cannot be used, or there is none.
        ModelError: a piece of the model's vocabulary spans two words.
    """
    pieces = _written(tokenizer.pieces)
    return build_hotwords(read_phrases(source, set("".join(pieces)) - {WORD}, weight), tokenizer.pieces)


@dataclass(frozen=True)
class Hotwords:
    """The automaton, as tensors on one device; made by `load_hotwords`."""

    worth: Tensor  # (S,) value of the phrases that are complete if the word ends here
    promise: Tensor  # (S,) value of the letters so far of the most valuable partial match
    reach: Tensor  # (S,) value of the most valuable partial match once complete
    at_word: Tensor  # (S,) 1 where the text ends in the start of a word, else 0: the row of `other` that applies
    other: Tensor  # (2, V) next state where no partial match continues
    starts: Tensor  # (V,) 1 for pieces that start a word, else 0
    failure: Tensor  # (depth, S) the state itself, its failure link, the failure link of that, ...
    first: Tensor  # (S + 1,) index of a state's first entry
    keys: Tensor  # (X + 1,) entries, sorted: state · V + piece; the last is larger than any
    targets: Tensor  # (X + 1,) next state of each entry

    def to(self, device: torch.device) -> Hotwords:
        """Copy to `device`."""
        return Hotwords(*(getattr(self, field.name).to(device) for field in fields(self)))

    def start(self, utterances: int, hypotheses: int) -> Tensor:
        """Return the states (B, K) at the start of a sentence."""
        return torch.full((utterances, hypotheses), AT_WORD, device=self.first.device)

    def completed(self, states: Tensor) -> Tensor:
        """Value of the phrases that each token completes after `states` (B, K): (B, K, V); the end of the sentence completes `worth`."""
        return self.worth[states, None] * self.starts

    def promises(self, states: Tensor) -> Tensor:
        """Promise of the partial match after each token, from `states` (B, K): (B, K, V)."""
        flat, size = states.flatten(), len(self.starts)
        after = self.promise[self.other][self.at_word[flat]]  # (B · K, V)
        for link in reversed(self.failure):  # the longest suffix takes precedence
            begun = link[flat]
            entries = self.first[begun + 1] - self.first[begun]
            rows = torch.repeat_interleave(entries)
            places = torch.arange(len(rows), device=rows.device) + (self.first[begun] - entries.cumsum(0) + entries)[rows]
            after[rows, self.keys[places] % size] = self.promise[self.targets[places]]
        return after.view(*states.shape, size)

    def advance(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Return the states (B, K) after `tokens` (B, K) from `states` (B, K)."""
        after = self.other[self.at_word[states], tokens]
        for link in reversed(self.failure):
            keys = link[states] * len(self.starts) + tokens
            places = torch.searchsorted(self.keys, keys)
            after = self.targets[places].where(self.keys[places] == keys, after)
        return after


class HotwordScorer(Matcher):
    """The value of the hotwords that a hypothesis has completed."""

    name = "hotwords"
    state: Tensor  # (B, K) of the automaton

    def __init__(self, hotwords: Hotwords):
        """Score with `hotwords`, which are on the device of the other scorers."""
        self.hotwords = hotwords

    def start(self, utterances: int, hypotheses: int) -> None:
        self.state = self.hotwords.start(utterances, hypotheses)

    def score(self, prefixes: Tensor) -> Tensor:
        return self.hotwords.completed(self.state)

    def final(self, prefixes: Tensor) -> Tensor:
        return self.hotwords.worth[self.state]

    def partial(self) -> Tensor:
        return self.hotwords.promises(self.state)

    def advance(self, tokens: Tensor) -> None:
        self.state = self.hotwords.advance(self.state, tokens)

    def bound(self, steps: Tensor) -> Tensor:
        return self.hotwords.reach[self.state]


def build_hotwords(phrases: Mapping[str, float], pieces: Sequence[str]) -> Hotwords:
    """Build the automaton.

    Args:
        phrases: weights (nats per letter) by phrase; words are separated by single spaces.
        pieces: the vocabulary.

    Raises:
        ModelError: a piece spans two words.
    """
    ids = {piece: i for i, piece in enumerate(_written(pieces)) if piece}
    if across := [piece for piece in ids if WORD in piece[1:]]:
        raise ModelError(
            f"hotwords need pieces within words, and {across[0]!r} of this model spans two: use a model with another tokenizer"
        )
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
    for i, target in entries[AT_WORD].items():  # too many to be entries: a row of their own
        other[1, i] = target
    entries[AT_WORD] = {}
    failure = [torch.arange(len(entries))]
    while (further := torch.tensor(states.failure)[failure[-1]]).max() > AT_WORD:  # those two have no entries
        failure.append(further)

    keys = [state * len(pieces) + i for state, row in enumerate(entries) for i in sorted(row)]
    targets = [row[i] for row in entries for i in sorted(row)]
    return Hotwords(
        torch.tensor(states.worth, dtype=torch.float64),
        torch.tensor(states.promise, dtype=torch.float64),
        torch.tensor(states.reach, dtype=torch.float64),
        torch.tensor([int(text.endswith(WORD)) for text in states.of]),
        other,
        torch.tensor([float(piece.startswith(WORD)) for piece in _written(pieces)], dtype=torch.float64),
        torch.stack(failure),
        torch.tensor([0, *(len(row) for row in entries)]).cumsum(0),
        torch.tensor([*keys, torch.iinfo(torch.int64).max]),
        torch.tensor([*targets, NOWHERE]),
    )


class _States:
    """The states, by the prefix of a phrase that each stands for, and their values."""

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

        # A shorter suffix of the text may begin a phrase too, and end one.
        self.failure = [self._failure(text) for text in self.of]
        for text in sorted(self.of, key=len):
            state = self.of[text]
            failure = self.failure[state]
            self.promise[state] = max(self.promise[state], self.promise[failure])
            self.reach[state] = max(self.reach[state], self.reach[failure])
            self.worth[state] += self.worth[failure]

    def _state(self, text: str) -> int:
        if text not in self.of:
            self.of[text] = len(self.of)
            for values in (self.worth, self.promise, self.reach):
                values.append(0.0)
        return self.of[text]

    def _failure(self, text: str) -> int:
        """Return the state of the longest proper suffix of `text` that is a prefix of a phrase."""
        suffixes = (text[i:] for i in range(1, len(text)) if text[i] == WORD)
        return next((self.of[suffix] for suffix in suffixes if suffix in self.of), NOWHERE)


def _letters(text: str) -> int:
    return len(text) - text.count(WORD)


def _written(pieces: Sequence[str]) -> list[str]:
    """Return the text of every piece; empty for those that stand for no text."""
    return ["" if i in (BLANK, UNKNOWN, EOS) else piece for i, piece in enumerate(pieces)]
