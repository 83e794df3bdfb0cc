"""The attention protocol, and its three kinds.

Shapes: B utterances, K hypotheses per utterance (the tokens of a sentence where training computes them at once), T listener states, H
their size, D the size of a query, A the size of a key. All hypotheses of an utterance share one memory.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import FinalStateConfig, LocationConfig, MultiHeadConfig
from asr.model.block import Block, StateLayout, real_frames


class Memory(NamedTuple):
    """Listener states, prepared for attention once per batch."""

    keys: Tensor  # (B, T, A), or per head (B, heads, T, A / heads)
    values: Tensor  # (B, T, H), or per head (B, heads, T, H / heads)
    mask: Tensor  # (B, T) bool, True for real states


class Attention(Block):
    """Attention over the listener states. A kind is constructed with the layout of the states, the size D of a query, and its config.

    Results must not depend on padding, on the other utterances or on the other hypotheses.
    """

    @abstractmethod
    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        """Prepare states for attention.

        Args:
            states: (B, T, H) listener states.
            lengths: (B,) real states.
        """

    @abstractmethod
    def forward(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attend to the memory.

        Args:
            query: (B, K, D).
            previous: (B, K, T) weights of the previous token; zero for the first, and where training computes all tokens at once.
            memory: The result of `memory`.

        Returns:
            Context (B, K, H) and weights (B, K, T), which are 0 in the padding.
        """

    def internal_lm_memory(self, memory: Memory) -> Memory:
        """Return a memory without acoustic detail, for the internal-LM estimate: the mean state of each utterance, with T = 1."""
        real = memory.mask[..., None] if memory.keys.ndim == 3 else memory.mask[:, None, :, None]
        count = real.sum(-2, keepdim=True).clamp_min(1)
        keys, values = (x.masked_fill(~real, 0).sum(-2, keepdim=True) / count for x in (memory.keys, memory.values))
        return Memory(keys, values, memory.mask.new_ones(len(memory.mask), 1))


class LocationAttention(Attention):
    """Additive attention with location features (Chorowski et al. 2015, equations 6-9).

    e_t = v . tanh(W query + V h_t + U f_t + b), with f = F * previous weights, a convolution along t.
    """

    def __init__(self, states: StateLayout, query: int, config: LocationConfig):
        super().__init__()
        self.key = nn.Linear(states.size, config.size)
        self.query = nn.Linear(query, config.size, bias=False)
        self.location = nn.Conv1d(1, config.location_channels, config.location_width, padding=config.location_width // 2, bias=False)
        self.place = nn.Linear(config.location_channels, config.size, bias=False)
        self.energy = nn.Linear(config.size, 1, bias=False)

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        keys = self.key(states)
        # Cast the values once here, or autocast casts them at every step.
        return Memory(keys, states.to(keys.dtype), real_frames(lengths, states.shape[1]))

    def forward(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        b, k, t = previous.shape
        # The convolution F and the projection U are both linear, so U applied to the filters of F is one kernel (width, A). One call
        # applies it to all windows of the weights and adds the other terms. U is called, since it has no weight tensor in int8. The
        # memory bandwidth for (B, K, T, A) dominates, so tanh works in place.
        kernel = self.place(self.location.weight.squeeze(1).T)
        width = len(kernel)
        windows = nn.functional.pad(previous, (width // 2,) * 2).unfold(2, width, 1)  # (B, K, T, width)
        rest = memory.keys[:, None] + self.query(query)[:, :, None]  # (B, K, T, A)
        hidden = torch.addmm(rest.flatten(0, 2), windows.flatten(0, 2), kernel).tanh_()
        energy = self.energy(hidden).reshape(b, k, t)
        weights = energy.float().masked_fill(~memory.mask[:, None], float("-inf")).softmax(2).to(query.dtype)
        return weights @ memory.values, weights


class MultiHeadAttention(Attention):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017). The returned weights are the mean over the heads."""

    def __init__(self, states: StateLayout, query: int, config: MultiHeadConfig):
        super().__init__()
        if states.size % config.heads:
            raise ValueError(f"heads ({config.heads}) does not divide the size of the listener's states ({states.size})")
        self.heads, self.size = config.heads, config.size // config.heads
        self.key = nn.Linear(states.size, config.size)
        self.value = nn.Linear(states.size, states.size)
        self.query = nn.Linear(query, config.size)

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        # Contiguous per head, or the matrix products of every step copy them.
        keys, values = (x.unflatten(2, (self.heads, -1)).transpose(1, 2).contiguous() for x in (self.key(states), self.value(states)))
        return Memory(keys, values, real_frames(lengths, states.shape[1]))

    def forward(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        q = self.query(query).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, K, size)
        energy = q @ memory.keys.transpose(2, 3) / self.size**0.5
        weights = energy.float().masked_fill(~memory.mask[:, None, None], float("-inf")).softmax(3).to(query.dtype)
        context = (weights @ memory.values).transpose(1, 2).flatten(2)
        return context, weights.mean(1)


class FinalState(Attention):
    """No attention: the context is always the listener's final state, a fixed vector (Sutskever et al. 2014).

    The final state of units that run backward in time is the first one.
    """

    def __init__(self, states: StateLayout, query: int, config: FinalStateConfig):
        super().__init__()
        self.forward_units = states.size - states.backward

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        ahead, back = states[..., : self.forward_units], states[..., self.forward_units :]
        last = (lengths - 1)[:, None, None].expand(-1, 1, ahead.shape[2])
        final = torch.cat([ahead.gather(1, last), back[:, :1]], dim=2)  # (B, 1, H)
        return Memory(final[..., :0], final, real_frames(lengths, states.shape[1]))

    def forward(self, query: Tensor, previous: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        return memory.values.expand(-1, query.shape[1], -1), previous

    def internal_lm_memory(self, memory: Memory) -> Memory:
        """Return zeros: the mean of the one state would be that state."""
        return memory._replace(values=torch.zeros_like(memory.values))
