"""Where the speller looks: soft attention over the listener's states.

Shapes: B utterances, K hypotheses of each (1 in training), T listener states, H their size, A the attention's size.
All hypotheses of an utterance share one memory, so that beam search copies no states.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from asr.config import AttentionConfig
from asr.model.listener import real_frames


class Memory(NamedTuple):
    """What the speller attends to; made once for a batch."""

    keys: Tensor  # (B, T, A), or of each head (B, heads, T, A / heads)
    values: Tensor  # (B, T, H), or of each head (B, heads, T, H / heads)
    mask: Tensor  # (B, T) bool, True where a state is real


class Attention(Protocol):
    """States to memory, then, token by token, a query to a context."""

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        """Listener states (B, T, H) and their lengths (B,) -> memory."""
        ...

    def __call__(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Query (B, K, D) and the previous weights (B, K, T) -> context (B, K, H) and weights (B, K, T)."""
        ...

    def blurred(self, memory: Memory) -> Memory:
        """What is left of a memory where it no longer tells what was heard when: the answer is the same to every question."""
        ...


def mean_state(memory: Memory) -> Memory:
    """The mean of an utterance's states in place of them: T is 1."""
    real = memory.mask[..., None] if memory.keys.ndim == 3 else memory.mask[:, None, :, None]
    count = real.sum(-2, keepdim=True).clamp_min(1)
    keys, values = (x.masked_fill(~real, 0).sum(-2, keepdim=True) / count for x in (memory.keys, memory.values))
    return Memory(keys, values, memory.mask.new_ones(len(memory.mask), 1))


class LocationAttention(nn.Module):
    """Additive attention that knows where it looked last (Chorowski et al. 2015, equations 6-9).

    e_t = v . tanh(W query + V h_t + U f_t + b), with f = F * previous weights, a convolution along t.
    """

    def __init__(self, states: int, query: int, config: AttentionConfig):
        super().__init__()
        self.key = nn.Linear(states, config.size)
        self.query = nn.Linear(query, config.size, bias=False)
        self.location = nn.Conv1d(1, config.location_channels, config.location_width, padding=config.location_width // 2, bias=False)
        self.place = nn.Linear(config.location_channels, config.size, bias=False)
        self.energy = nn.Linear(config.size, 1, bias=False)

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        keys = self.key(states)
        return Memory(keys, states.to(keys.dtype), real_frames(lengths, states.shape[1]))  # or autocast would do so at every step

    def forward(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        b, k, t = previous.shape
        # The convolution F and the projection U after it are both linear: U applied to F's filters is one kernel (width, A), which
        # is applied to every window of the weights and added to the rest in one call. U is called, not read: in int8 it has no
        # weight tensor. Over (B, K, T, A) the memory's speed counts, so in place from there.
        kernel = self.place(self.location.weight.squeeze(1).T)
        width = len(kernel)
        windows = nn.functional.pad(previous, (width // 2,) * 2).unfold(2, width, 1)  # (B, K, T, width)
        rest = memory.keys[:, None] + self.query(query)[:, :, None]  # (B, K, T, A)
        hidden = torch.addmm(rest.flatten(0, 2), windows.flatten(0, 2), kernel).tanh_()
        energy = self.energy(hidden).reshape(b, k, t)
        weights = energy.float().masked_fill(~memory.mask[:, None], float("-inf")).softmax(2).to(query.dtype)
        return weights @ memory.values, weights

    def blurred(self, memory: Memory) -> Memory:
        return mean_state(memory)


class MultiHeadAttention(nn.Module):
    """Scaled dot products, several heads side by side (Vaswani et al. 2017). The weights returned are the heads' mean."""

    def __init__(self, states: int, query: int, config: AttentionConfig):
        super().__init__()
        self.heads, self.size = config.heads, config.size // config.heads
        self.key = nn.Linear(states, config.size)
        self.value = nn.Linear(states, states)
        self.query = nn.Linear(query, config.size)
        if states % config.heads:
            raise ValueError(f"heads ({config.heads}) does not divide the listener's size ({states})")

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        # Each head's in one piece, or the products of every step would copy them.
        keys, values = (x.unflatten(2, (self.heads, -1)).transpose(1, 2).contiguous() for x in (self.key(states), self.value(states)))
        return Memory(keys, values, real_frames(lengths, states.shape[1]))

    def forward(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        q = self.query(query).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, K, size)
        energy = q @ memory.keys.transpose(2, 3) / self.size**0.5
        weights = energy.float().masked_fill(~memory.mask[:, None, None], float("-inf")).softmax(3).to(query.dtype)
        context = (weights @ memory.values).transpose(1, 2).flatten(2)
        return context, weights.mean(1)

    def blurred(self, memory: Memory) -> Memory:
        return mean_state(memory)


class FinalState(nn.Module):
    """No attention: the context is always the listener's final state of either direction, a fixed vector.

    The sequence-to-sequence model of Sutskever et al. 2014, here to show what attention buys.
    """

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        ahead, back = states.chunk(2, dim=2)
        last = (lengths - 1)[:, None, None].expand(-1, 1, ahead.shape[2])
        final = torch.cat([ahead.gather(1, last), back[:, :1]], dim=2)  # (B, 1, H)
        return Memory(final[..., :0], final, real_frames(lengths, states.shape[1]))

    def forward(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        return memory.values.expand(-1, query.shape[1], -1), previous

    def blurred(self, memory: Memory) -> Memory:
        return memory._replace(values=torch.zeros_like(memory.values))  # it is one state as it is, and tells all


def build_attention(states: int, query: int, config: AttentionConfig) -> Attention:
    """The attention that `config.kind` names, over states of size H with queries of size D."""
    if config.kind == "location":
        return LocationAttention(states, query, config)
    if config.kind == "multihead":
        return MultiHeadAttention(states, query, config)
    return FinalState()
