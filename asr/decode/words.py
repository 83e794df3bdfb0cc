"""The scorer of a language model of words.

Shapes: B utterances, K hypotheses of each, V pieces.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asr.decode.scorer import Scorer
from asr.model.words import ROOT, WordNGram
from asr.text.tokenizer import EOS, Tokenizer


class WordScorer(Scorer):
    """log p of the words, with look-ahead: an unfinished word counts as all words that begin as it does (Ortmanns, Ney and Eiden 1996).

    The look-ahead has no context. Once the word is finished, its probability in context replaces it. So a hypothesis pays for a word
    from its first piece on, as it does to a language model of pieces.
    """

    name = "words"
    state: tuple[Tensor, Tensor]  # node of the trie and state of the n-gram model, (B, K) each

    def __init__(self, model: WordNGram, tokenizer: Tokenizer):
        """Score with `model`; `tokenizer` is that of the recogniser."""
        self.model = model
        device = model.words.device
        self.pieces = torch.arange(len(tokenizer), device=device)
        self.begins = torch.tensor([tokenizer.begins_word(piece) for piece in range(len(tokenizer))], device=device)
        self.first = model.look_ahead(model.child(torch.full_like(self.pieces, ROOT), self.pieces))

    def start(self, utterances: int, hypotheses: int) -> None:
        root = self.pieces.new_full((utterances, hypotheses), ROOT)
        before = self.pieces.new_zeros(utterances * hypotheses)
        self.state = root, self.model.ngram.next(torch.full_like(before, EOS), before).view_as(root)

    def score(self, prefixes: Tensor) -> Tensor:
        node, _ = self.state
        ahead = self.model.look_ahead(node)
        self.finished = self._finished() - ahead
        inside = self.model.look_ahead(self.model.child(node[..., None], self.pieces)) - ahead[..., None]
        return torch.where(self.begins, self.finished[..., None] + self.first, inside)

    def final(self, prefixes: Tensor) -> Tensor:
        after = self._after().flatten()
        return self.finished + self.model.ngram.log_prob(torch.full_like(after, EOS), after).view_as(self.finished)

    def advance(self, tokens: Tensor) -> None:
        node, context = self.state
        begins = self.begins[tokens]
        self.state = self.model.child(node.masked_fill(begins, ROOT), tokens), torch.where(begins, self._after(), context)

    def bound(self, steps: Tensor) -> Tensor:
        return -self.model.ahead[self.state[0]]  # a finished word cannot be more than certain

    def _finished(self) -> Tensor:
        """Return log p of the last words as finished ones (B, K): 0 before the first word."""
        node, context = self.state
        found = self.model.log_prob(node.flatten(), context.flatten()).view_as(node)
        return found.masked_fill(node == ROOT, 0.0)

    def _after(self) -> Tensor:
        """Return the states (B, K) of the n-gram model after the last words."""
        node, context = self.state
        after = self.model.ngram.next(self.model.words[node].flatten(), context.flatten()).view_as(node)
        return torch.where(node == ROOT, context, after)
