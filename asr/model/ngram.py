"""The n-gram model: a count model over tokens, with the interface of `LanguageModel`.

Shapes: B sentences, K hypotheses, N = B·K, L tokens, V vocabulary. A state is a context: the longest suffix of the tokens so far that the
model knows. States are numbered by length, the empty one is 0. An arc is an n-gram: a token after a context.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.errors import ModelError
from asr.files import write_atomically
from asr.model.checkpoint import read_tensors, tensor_bytes
from asr.text.tokenizer import EOS


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

    def __init__(self, vocabulary: int, tokens: Tensor, log_probs: Tensor, counts: Tensor, arcs: Tensor, backoffs: Tensor):
        super().__init__()
        self.vocabulary = vocabulary
        for name, tensor in {"tokens": tokens, "log_probs": log_probs, "counts": counts, "arcs": arcs, "backoffs": backoffs}.items():
            self.register_buffer(name, tensor.float() if tensor.is_floating_point() else tensor.long())
        starts = self.counts.cumsum(0) - self.counts
        contexts = torch.repeat_interleave(torch.arange(len(counts)), self.counts)
        self.register_buffer("starts", starts, persistent=False)
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
            self.targets[lost] = self._next(self.shorter[contexts[lost]], self.tokens[lost]) if self.depth else 0
            new = ~done & done[parents] & (lengths[parents] == self.depth)
            if not new.any():
                break
            self.shorter[new] = self._next(self.shorter[parents[new]], last[new]) if self.depth else 0
            lengths[new] = self.depth + 1
            done |= new
            self.depth += 1

    def forward(self, targets: Tensor, lengths: Tensor) -> Tensor:
        """Compute the negative log-likelihood of sentences, as `LanguageModel.forward` does."""
        fed = nn.functional.pad(targets, (1, -1), value=EOS)
        state, total = self.start(len(targets)), torch.zeros(len(targets), dtype=torch.float64)
        for i in range(targets.shape[1]):
            log_probs, state = self.step(fed[:, i : i + 1], state)
            total -= log_probs[:, 0].gather(1, targets[:, i : i + 1])[:, 0].double() * (i < lengths)
        return total

    def start(self, batch: int, hypotheses: int = 1) -> Tensor:
        """Return the state (B, K) before the first token, for K = `hypotheses`."""
        return self.shorter.new_zeros(batch, hypotheses)

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Advance all hypotheses by their last tokens (B, K). Returns log-probabilities (B, K, V) and the new state (B, K)."""
        after = self._next(state.flatten(), tokens.flatten())
        return self._distribution(after).unflatten(0, state.shape), after.view_as(state)

    def _next(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Return the states (N,) after `tokens` (N,): along the arc of the longest context that has one."""
        after = torch.full_like(states, -1)
        for _ in range(self.depth + 1):
            keys = states * self.vocabulary + tokens
            arcs = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
            after = torch.where((after < 0) & (self.keys[arcs] == keys), self.targets[arcs], after)
            states = self.shorter[states]
        return after

    def _distribution(self, states: Tensor) -> Tensor:
        """Return log p of every token (N, V): from the empty context on, each longer one weights the last and replaces its own arcs."""
        chain = [states]
        for _ in range(self.depth - 1):
            chain.append(self.shorter[chain[-1]])
        log_probs = self.log_probs[: self.vocabulary].repeat(len(states), 1)
        for contexts in reversed(chain):
            log_probs += self.backoffs[contexts, None]
            counts = self.counts[contexts] * (contexts > 0)
            rows = torch.repeat_interleave(counts)
            arcs = torch.arange(len(rows), device=rows.device) + (self.starts[contexts] - counts.cumsum(0) + counts)[rows]
            log_probs[rows, self.tokens[arcs]] = self.log_probs[arcs]
        return log_probs


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


def save_ngram(path: Path, model: NGram) -> None:
    """Write a model as safetensors: 16-bit floats, and integers as small as they can be."""
    small = torch.uint8 if model.vocabulary <= 256 else torch.int32
    types = {"tokens": small, "log_probs": torch.float16, "counts": torch.int32, "arcs": torch.int32, "backoffs": torch.float16}
    write_atomically(path, tensor_bytes({name: tensor.to(types[name]) for name, tensor in model.state_dict().items()}))


def load_ngram(path: Path, vocabulary: int) -> NGram:
    """Read a model. Raises ModelError if the file is missing or damaged, or the model is of another vocabulary."""
    tensors = read_tensors(path)
    if tensors.keys() != {"tokens", "log_probs", "counts", "arcs", "backoffs"} or any(t.dim() != 1 for t in tensors.values()):
        raise ModelError(f"{path}: not an n-gram model")
    tokens, counts, arcs = (tensors[name].long() for name in ("tokens", "counts", "arcs"))
    if len(counts) == 0 or counts[0] != vocabulary or not torch.equal(tokens[:vocabulary], torch.arange(vocabulary)):
        raise ModelError(
            f"{path}: its vocabulary is not the recogniser's {vocabulary} pieces: train it with tokenizer.model of the recogniser"
        )
    whole = (
        len(tensors["log_probs"]) == len(tokens) == int(counts.sum())
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
