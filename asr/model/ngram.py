"""The n-gram model: a count model over tokens.

Shapes: N hypotheses, V vocabulary, A arcs, C states. A state is a context: the longest suffix of the tokens so far that the model knows.
States are numbered by length, the empty one is 0. An arc is an n-gram: a token after a context.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.errors import ModelError


class NGram(nn.Module):
    """p(y_i | y_{i-n+1} ... y_{i-1}) with backoff (Katz 1987). Arcs are sorted by context and token; state 0 has all V of them."""

    tokens: Tensor
    """(A,) token of each arc"""
    log_probs: Tensor
    """(A,) log-probability of each arc (nats)"""
    counts: Tensor
    """(C,) arcs of each state"""
    arcs: Tensor
    """(C,) the arc that leads to each state from its context without the last token; 0 for the empty one"""
    backoffs: Tensor
    """(C,) log backoff weight of each state (nats)"""
    keys: Tensor
    """(A,) state · V + token of each arc"""
    targets: Tensor
    """(A,) the state after each arc"""
    shorter: Tensor
    """(C,) the state of each context without its first token"""

    def __init__(self, vocabulary: int, tokens: Tensor, log_probs: Tensor, counts: Tensor, arcs: Tensor, backoffs: Tensor):
        super().__init__()
        self.vocabulary = vocabulary
        for name, tensor in {"tokens": tokens, "log_probs": log_probs, "counts": counts, "arcs": arcs, "backoffs": backoffs}.items():
            self.register_buffer(name, tensor.float() if tensor.is_floating_point() else tensor.long())
        contexts = torch.repeat_interleave(torch.arange(len(counts)), self.counts)
        self.register_buffer("keys", contexts * vocabulary + self.tokens, persistent=False)
        self._link(contexts)

    def _link(self, contexts: Tensor) -> None:
        """Find the state after each arc, and each state's context without its first token, from short contexts to long ones."""
        parents, last = contexts[self.arcs], self.tokens[self.arcs]
        lengths = torch.zeros(len(self.counts), dtype=torch.long)
        self.register_buffer("shorter", torch.zeros_like(lengths), persistent=False)
        self.register_buffer("targets", torch.full_like(self.tokens, -1), persistent=False)
        self.targets[self.arcs[1:]] = torch.arange(1, len(self.counts))
        self.depth = 0
        done = torch.zeros(len(self.counts), dtype=torch.bool)
        done[0] = True
        while True:
            # arcs from states of length `depth`: where they lead to no state of their own, the shorter context's arc does
            here = (lengths[contexts] == self.depth) & done[contexts]
            lost = here & (self.targets < 0)
            self.targets[lost] = self.next(self.tokens[lost], self.shorter[contexts[lost]]) if self.depth else 0
            new = ~done & done[parents] & (lengths[parents] == self.depth)
            if not new.any():
                break
            self.shorter[new] = self.next(last[new], self.shorter[parents[new]]) if self.depth else 0
            lengths[new] = self.depth + 1
            done |= new
            self.depth += 1

    def log_prob(self, tokens: Tensor, states: Tensor) -> Tensor:
        """Return the log-probabilities (N,) of `tokens` (N,) in `states` (N,)."""
        total, done = torch.zeros(len(states), device=states.device), torch.zeros_like(states, dtype=torch.bool)
        for _ in range(self.depth + 1):
            arcs, found = self._find(tokens, states)
            total += torch.where(found, self.log_probs[arcs], self.backoffs[states]) * ~done
            done |= found
            states = self.shorter[states]
        return total

    def next(self, tokens: Tensor, states: Tensor) -> Tensor:
        """Return the states (N,) after `tokens` (N,): along the arc of the longest context that has one."""
        after = torch.full_like(states, -1)
        for _ in range(self.depth + 1):
            arcs, found = self._find(tokens, states)
            after = torch.where((after < 0) & found, self.targets[arcs], after)
            states = self.shorter[states]
        return after

    def _find(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the arcs (N,) of tokens in states, and whether there is one."""
        keys = states * self.vocabulary + tokens
        arcs = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
        return arcs, self.keys[arcs] == keys


def pack_levels(levels: list[tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.float64]]], vocabulary: int) -> NGram:
    """Build a model from packed n-grams, log-probabilities and log backoff weights of each order, sorted; the first order holds all V."""
    bits = np.uint64(max(1, (vocabulary - 1).bit_length()))
    token_mask = (np.uint64(1) << bits) - np.uint64(1)
    tokens = np.concatenate([keys & token_mask for keys, _, _ in levels]).astype(np.int64)
    log_probs = np.concatenate([values for _, values, _ in levels])
    counts, arcs, backoffs, offset = [np.array([vocabulary])], [np.array([0])], [np.zeros(1)], 0
    for (keys, _, weights), (longer, _, _) in pairwise(levels):
        contexts, children = np.unique(longer >> bits, return_counts=True)
        at = np.searchsorted(keys, contexts)
        counts.append(children)
        arcs.append(offset + at)
        backoffs.append(weights[at])
        offset += len(keys)
    joined = (torch.from_numpy(np.concatenate(parts)) for parts in (counts, arcs, backoffs))
    return NGram(vocabulary, torch.from_numpy(tokens), torch.from_numpy(log_probs), *joined)


# ---------------------------------------------------------------- files


def to_tensors(model: NGram) -> dict[str, Tensor]:
    """Return the tensors of a model for a file: 16-bit floats, and integers as small as they can be."""
    small = torch.uint8 if model.vocabulary <= 2**8 else torch.uint16 if model.vocabulary <= 2**16 else torch.int32
    types = {"tokens": small, "log_probs": torch.float16, "counts": torch.int32, "arcs": torch.int32, "backoffs": torch.float16}
    return {name: tensor.to(types[name]) for name, tensor in model.state_dict().items()}


def from_tensors(tensors: dict[str, Tensor], vocabulary: int, path: Path) -> NGram:
    """Build a model from the tensors of a file. Raises ModelError if they are no model of this vocabulary."""
    if tensors.keys() != {"tokens", "log_probs", "counts", "arcs", "backoffs"} or any(t.dim() != 1 for t in tensors.values()):
        raise ModelError(f"{path}: not an n-gram model")
    tokens, counts, arcs = (tensors[name].long() for name in ("tokens", "counts", "arcs"))
    whole = (
        len(counts) > 0
        and counts[0] == vocabulary
        and torch.equal(tokens[:vocabulary], torch.arange(vocabulary))
        and len(tensors["log_probs"]) == len(tokens) == int(counts.sum())
        and len(tensors["backoffs"]) == len(arcs) == len(counts)
        and bool((counts > 0).all() and (tokens >= 0).all() and (tokens < vocabulary).all())
        and bool((arcs[1:] > arcs[:-1]).all() and arcs[0] == 0 and arcs[-1] < len(tokens))
        and all(bool(tensors[name].isfinite().all()) for name in ("log_probs", "backoffs"))
    )
    if whole:
        ends = counts.cumsum(0)  # an arc leads to a later state than its own, and arcs of a state are in order
        keys = torch.repeat_interleave(counts) * vocabulary + tokens
        states = torch.arange(len(counts))
        whole = bool((torch.searchsorted(ends, arcs[1:], right=True) < states[1:]).all() and (keys[1:] > keys[:-1]).all())
    if not whole:
        raise ModelError(f"{path}: damaged: copy it again, or train it again")
    return NGram(vocabulary, *(tensors[name] for name in ("tokens", "log_probs", "counts", "arcs", "backoffs")))
