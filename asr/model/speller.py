"""The speller: an LSTM that writes the text token by token, looking at the listener's states.

Shapes: B utterances, K hypotheses of each (1 in training), L tokens, T listener states, H their size, D units, V tokens
in the vocabulary. See Chan et al. 2016, section 3.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import AttentionConfig, SpellerConfig
from asr.model.attention import Memory, build_attention
from asr.text.tokenizer import BLANK, EOS


class SpellerState(NamedTuple):
    """Everything that a hypothesis remembers."""

    hidden: Tensor  # (B, K, layers, D)
    cell: Tensor  # (B, K, layers, D)
    context: Tensor  # (B, K, H) what was attended to last: the input feeding
    weights: Tensor  # (B, K, T) where; all zero without attention


class Speller(nn.Module):
    """s_i = LSTM(s_{i-1}, y_{i-1}, c_{i-1}); c_i = attention(s_i, states); p(y_i) = softmax(MLP(s_i, c_i))."""

    def __init__(self, vocabulary: int, states: int, config: SpellerConfig, attention: AttentionConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        inputs = [config.embedding + states] + [config.hidden] * (config.layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(size, config.hidden) for size in inputs)
        self.attention = build_attention(states, config.hidden, attention)
        self.merge = nn.Linear(config.hidden + states, config.hidden)
        self.output = nn.Linear(config.hidden, vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        """Listener states (B, T, H) and their lengths (B,) -> what the steps attend to."""
        return self.attention.memory(states, lengths)

    def start(self, memory: Memory, hypotheses: int = 1) -> SpellerState:
        """The state before the first token."""
        b, t = memory.mask.shape
        zeros = memory.values.new_zeros
        units = (b, hypotheses, len(self.cells), self.config.hidden)
        return SpellerState(zeros(units), zeros(units), zeros(b, hypotheses, memory.values.shape[2]), zeros(b, hypotheses, t))

    def step(self, tokens: Tensor, state: SpellerState, memory: Memory) -> tuple[Tensor, SpellerState]:
        """The last tokens (B, K) and state -> log-probabilities of the next (B, K, V), float32, and the new state."""
        features, state = self._advance(self.dropout(self.embedding(tokens)), state, memory)
        return self._logits(features).float().log_softmax(2), state

    def forward(self, states: Tensor, lengths: Tensor, targets: Tensor, sampling: float = 0.0) -> tuple[Tensor, Tensor]:
        """Teacher forcing: states (B, T, H), their lengths (B,) and padded targets (B, L) -> logits (B, L + 1, V) and weights (B, L + 1, T).

        Position i sees the targets before i; position L of the longest is for end-of-sentence. `sampling` is the share of
        tokens that are fed back from the model's own distribution in place of the target.
        """
        memory = self.memory(states, lengths)
        state = self.start(memory)
        fed = nn.functional.pad(targets, (1, 0), value=EOS)  # (B, L + 1)
        embedded = self.dropout(self.embedding(fed)).unsqueeze(2)  # (B, L + 1, 1, E)
        features: list[Tensor] = []
        weights: list[Tensor] = []
        for i in range(fed.shape[1]):
            x = embedded[:, i]
            if sampling > 0 and i > 0:
                own = self._logits(features[-1]).detach().float()
                own[..., BLANK] = float("-inf")
                drawn = torch.distributions.Categorical(logits=own).sample()  # (B, 1)
                swap = torch.rand(drawn.shape, device=drawn.device) < sampling
                x = self.dropout(self.embedding(drawn)).where(swap[..., None], x)
            feature, state = self._advance(x, state, memory)
            features.append(feature)
            weights.append(state.weights)
        return self._logits(torch.cat(features, dim=1)), torch.cat(weights, dim=1)

    def _advance(self, embedded: Tensor, state: SpellerState, memory: Memory) -> tuple[Tensor, SpellerState]:
        """Embedded tokens (B, K, E) -> what the output layer sees (B, K, D + H), and the new state."""
        b, k, _ = embedded.shape
        x = torch.cat([embedded, state.context], dim=2).flatten(0, 1)
        hidden: list[Tensor] = []
        cell: list[Tensor] = []
        for i, lstm in enumerate(self.cells):
            h, c = lstm(x, (state.hidden[:, :, i].flatten(0, 1), state.cell[:, :, i].flatten(0, 1)))
            hidden.append(h)
            cell.append(c)
            x = self.dropout(h)
        query = x.unflatten(0, (b, k))
        context, weights = self.attention(query, state.weights, memory)
        new = SpellerState(torch.stack(hidden, 1).unflatten(0, (b, k)), torch.stack(cell, 1).unflatten(0, (b, k)), context, weights)
        return torch.cat([query, context], dim=2), new

    def _logits(self, features: Tensor) -> Tensor:
        return self.output(self.dropout(torch.tanh(self.merge(features))))
