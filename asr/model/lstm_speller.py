"""The LSTM speller with attention of Chan et al. 2016, section 3.2.

Shapes: B utterances, K hypotheses per utterance (1 in training), L tokens, T listener states, H their size, E the size of an embedding, D
units, V vocabulary.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import LSTMSpellerConfig
from asr.model.attention import Attention, Memory
from asr.model.block import StateLayout
from asr.model.lstm import as_weights, without_autocast
from asr.model.speller import Speller
from asr.text.tokenizer import BLANK, EOS

# The weights of a cell are not contiguous, so cuDNN copies some megabytes and warns. The copy costs nothing that matters.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk of memory")


class LSTMState(NamedTuple):
    """State of each hypothesis."""

    hidden: Tensor  # (B, K, layers, D)
    cell: Tensor  # (B, K, layers, D)
    context: Tensor  # (B, K, H) last context vector, for input feeding
    weights: Tensor  # (B, K, T) last attention weights; all zero without attention


class LSTMSpeller(Speller):
    """s_i = LSTM(s_{i-1}, y_{i-1}, c_{i-1}); c_i = attention(s_i, states); p(y_i) = softmax(MLP(s_i, c_i)).

    Without input feeding, the output of the first layer is the query, and the other layers read the context (Wu et al. 2016, section 3):
    q_i = LSTM(q_{i-1}, y_{i-1}); c_i = attention(q_i, states); s_i = LSTM(s_{i-1}, q_i, c_i).
    """

    def __init__(self, vocabulary: int, states: StateLayout, config: LSTMSpellerConfig, make_attention: Callable[[int], Attention]):
        super().__init__()
        self.config, self.states = config, states.size
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        inputs = [config.embedding] + [config.hidden] * (config.layers - 1)
        reader = 0 if config.input_feeding else 1  # the layer that reads the context
        if reader < config.layers:
            inputs[reader] += states.size
        self.cells = nn.ModuleList(nn.LSTMCell(size, config.hidden) for size in inputs)
        self.attention = make_attention(config.hidden)
        self.merge = nn.Linear(config.hidden + states.size, config.hidden)
        self.output = nn.Linear(config.hidden, vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def start(self, memory: Memory, hypotheses: int = 1) -> LSTMState:
        b, t = memory.mask.shape
        zeros = memory.values.new_zeros
        units = (b, hypotheses, len(self.cells), self.config.hidden)
        return LSTMState(zeros(units), zeros(units), zeros(b, hypotheses, self.states), zeros(b, hypotheses, t))

    def step(self, tokens: Tensor, state: LSTMState, memory: Memory, twin: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        # Without input feeding the first layer does not depend on the memory, so `twin` has its new state.
        features, state = self._advance(self.dropout(self.embedding(tokens)), state, memory, twin)
        return self._logits(features).float().log_softmax(2), state

    def forward(self, states: Tensor, lengths: Tensor, targets: Tensor, sampling: float = 0.0) -> tuple[Tensor, Tensor]:
        memory = self.memory(states, lengths)
        state = self.start(memory)
        fed = nn.functional.pad(targets, (1, 0), value=EOS)  # (B, L + 1)
        embedded = self.dropout(self.embedding(fed))  # (B, L + 1, E)
        if not self.config.input_feeding and isinstance(self.cells[0], nn.LSTMCell):  # quantised cells have no sequence call
            return self._all_tokens(embedded, memory)
        embedded = embedded.unsqueeze(2)  # (B, L + 1, 1, E)
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

    def _advance(self, embedded: Tensor, state: LSTMState, memory: Memory, twin: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """Advance by embedded tokens (B, K, E). Returns the features of the output layer (B, K, D + H) and the new state."""
        before = [(state.hidden[:, :, i], state.cell[:, :, i]) for i in range(len(self.cells))]
        after: list[tuple[Tensor, Tensor]] = []

        def layer(x: Tensor) -> Tensor:
            """Run the next cell: (B, K, *) -> (B, K, D)."""
            i, (b, k, _) = len(after), x.shape
            with without_autocast(x):
                x, h, c = (as_weights(y.flatten(0, 1), self.cells[i]) for y in (x, *before[i]))
                h, c = self.cells[i](x, (h, c))
            after.append((h.unflatten(0, (b, k)), c.unflatten(0, (b, k))))
            return self.dropout(after[i][0])

        if self.config.input_feeding:
            x = layer(torch.cat([embedded, state.context], dim=2))
            for _ in self.cells[1:]:
                x = layer(x)
            context, weights = self.attention(x, state.weights, memory)
        else:
            if twin:
                after.append((twin.hidden[:, :, 0], twin.cell[:, :, 0]))
                x = self.dropout(after[0][0])
            else:
                x = layer(embedded)
            context, weights = self.attention(x, state.weights, memory)
            for i in range(1, len(self.cells)):
                x = layer(torch.cat([x, context], dim=2) if i == 1 else x)
        hidden, cell = (torch.stack(tensors, 2) for tensors in zip(*after, strict=True))
        return torch.cat([x, context], dim=2), LSTMState(hidden, cell, context, weights)

    def _all_tokens(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Compute all tokens at once, without input feeding: embedded tokens (B, L, E) -> logits (B, L, V) and weights (B, L, T)."""
        first, *others = self.cells
        x = self._run(first, embedded)
        context, weights = self.attention(x, memory.values.new_zeros(*x.shape[:2], memory.mask.shape[1]), memory)
        for i, cell in enumerate(others):
            x = self._run(cell, torch.cat([x, context], dim=2) if i == 0 else x)
        return self._logits(torch.cat([x, context], dim=2)), weights

    def _run(self, cell: nn.Module, x: Tensor) -> Tensor:
        """Run a cell over whole sequences from a zero state, in one call: (B, L, *) -> (B, L, D)."""
        weights = tuple(cell.parameters())  # input, state, and their biases
        with without_autocast(x):
            x = as_weights(x, cell)
            start = x.new_zeros(1, x.shape[0], self.config.hidden)
            return self.dropout(torch.lstm(x, (start, start), weights, True, 1, 0.0, self.training, False, True)[0])

    def _logits(self, features: Tensor) -> Tensor:
        return self.output(self.dropout(torch.tanh(self.merge(features))))
