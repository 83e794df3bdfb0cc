"""A language model of words: an n-gram model over words, and the trie of their pieces.

Shapes: N hypotheses, V pieces, W words, M nodes of the trie.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from asr.errors import ModelError
from asr.model import ngram
from asr.text.tokenizer import EOS, UNKNOWN, Tokenizer

FIRST_WORD = EOS + 1
"""id of the first word; the ids below it mean the same as a tokenizer's"""
SPELLING = -16.0
"""log-probability of the spelling of an unknown word (nats)"""
ROOT = 0
"""the node before the first piece of a word"""


class WordNGram(nn.Module):
    """p(w_i | w_{i-n+1} ... w_{i-1}) of words that are written piece by piece.

    A node of the trie is the beginning of some words. The last node is that of unknown words, and has no children.
    """

    keys: Tensor
    """(M - 2,) parent · V + piece, sorted"""
    nodes: Tensor
    """(M - 2,) the node that each key leads to"""
    words: Tensor
    """(M,) the word that ends at each node; UNKNOWN if none does"""
    ahead: Tensor
    """(M,) log-probability, without context, of all words that begin with each node; 0 at the root"""

    def __init__(self, model: ngram.NGram, vocabulary: Sequence[str], tokenizer: Tokenizer):
        """Join an n-gram model to its words, which have the ids FIRST_WORD, FIRST_WORD + 1, ..."""
        super().__init__()
        self.ngram, self.vocabulary, self.pieces = model, tuple(vocabulary), len(tokenizer)
        probs = model.log_probs[: model.vocabulary].exp().tolist()
        children: dict[int, int] = {}
        ends, mass = [UNKNOWN], [1.0]
        for word, pieces in enumerate(tokenizer.encode_many(self.vocabulary), FIRST_WORD):
            node = ROOT
            for piece in pieces:
                node = children.setdefault(node * self.pieces + piece, len(ends))
                if node == len(ends):
                    ends.append(UNKNOWN)
                    mass.append(0.0)
                mass[node] += probs[word]
            ends[node] = word
        keys, order = torch.tensor(list(children)).sort()
        self.register_buffer("keys", keys)
        self.register_buffer("nodes", torch.tensor(list(children.values()))[order])
        self.register_buffer("words", torch.tensor([*ends, UNKNOWN]))
        self.register_buffer("ahead", torch.tensor([*mass, probs[UNKNOWN]]).log())
        self.unknown = len(ends)

    def child(self, nodes: Tensor, pieces: Tensor) -> Tensor:
        """Return the nodes after one more piece; the arguments broadcast. Where no word continues so, it is the last node."""
        keys = nodes * self.pieces + pieces
        at = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
        return torch.where((self.keys[at] == keys) & (nodes < self.unknown), self.nodes[at], self.unknown)

    def look_ahead(self, nodes: Tensor) -> Tensor:
        """Estimate the log-probabilities of unfinished words."""
        return self.ahead[nodes] + SPELLING * (nodes == self.unknown)

    def log_prob(self, nodes: Tensor, contexts: Tensor) -> Tensor:
        """Return the log-probabilities (N,) of the words that end at `nodes` (N,), in the states `contexts` (N,) of the n-gram model."""
        words = self.words[nodes]
        return self.ngram.log_prob(words, contexts) + SPELLING * (words == UNKNOWN)


# ---------------------------------------------------------------- files


def to_tensors(model: WordNGram) -> dict[str, Tensor]:
    """Return the tensors of a model for a file."""
    text = torch.frombuffer(bytearray("\n".join(model.vocabulary).encode()), dtype=torch.uint8)
    return {**ngram.to_tensors(model.ngram), "vocabulary": text}


def from_tensors(tensors: dict[str, Tensor], tokenizer: Tokenizer, path: Path) -> WordNGram:
    """Build a model from the tensors of a file. Raises ModelError if they are damaged, or this tokenizer can spell no word."""
    text = tensors.get("vocabulary")
    if text is None or text.dtype != torch.uint8 or text.dim() != 1:
        raise ModelError(f"{path}: not an n-gram model of words")
    vocabulary = text.numpy().tobytes().decode(errors="replace").split("\n")
    others = {name: tensor for name, tensor in tensors.items() if name != "vocabulary"}
    model = ngram.from_tensors(others, FIRST_WORD + len(vocabulary), path)
    if not all(vocabulary):
        raise ModelError(f"{path}: damaged: copy it again, or train it again")
    if all(UNKNOWN in pieces for pieces in tokenizer.encode_many(vocabulary)):
        raise ModelError(f"{path}: the recogniser's pieces spell none of its words: train it with text like that of the recogniser")
    return WordNGram(model, vocabulary, tokenizer)
