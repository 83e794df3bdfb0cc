"""The speller: an LSTM that writes the text token by token, looking at the listener's states.

Shapes: B utterances, K hypotheses of each (1 in training), L tokens, T listener states, H their size, D units, V tokens
in the vocabulary. See Chan et al. 2016, section 3.2.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import AttentionConfig, SpellerConfig
from asr.model.attention import Memory, build_attention
from asr.model.autocast import own_precision, to_own
from asr.text.tokenizer import BLANK, EOS

# A cell's weights do not lie in one piece as cuDNN wants them; it copies them, some megabytes, and need not tell.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk of memory")


class SpellerState(NamedTuple):
    """Everything that a hypothesis remembers."""

    hidden: Tensor  # (B, K, layers, D)
    cell: Tensor  # (B, K, layers, D)
    context: Tensor  # (B, K, H) what was attended to last: the input feeding
    weights: Tensor  # (B, K, T) where; all zero without attention


class Speller(nn.Module):
    """s_i = LSTM(s_{i-1}, y_{i-1}, c_{i-1}); c_i = attention(s_i, states); p(y_i) = softmax(MLP(s_i, c_i)).

    Without input feeding, the first layer asks and the others see the answers, as in Wu et al. 2016 (section 3):
    q_i = LSTM(q_{i-1}, y_{i-1}); c_i = attention(q_i, states); s_i = LSTM(s_{i-1}, q_i, c_i).
    """

    def __init__(self, vocabulary: int, states: int, config: SpellerConfig, attention: AttentionConfig):
        super().__init__()
        self.config, self.states = config, states
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        inputs = [config.embedding] + [config.hidden] * (config.layers - 1)
        seeing = 0 if config.input_feeding else 1  # the layer that takes in what was attended to
        if seeing < config.layers:
            inputs[seeing] += states
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
        return SpellerState(zeros(units), zeros(units), zeros(b, hypotheses, self.states), zeros(b, hypotheses, t))

    def step(self, tokens: Tensor, state: SpellerState, memory: Memory, asked: SpellerState | None = None) -> tuple[Tensor, SpellerState]:
        """The last tokens (B, K) and state -> log-probabilities of the next (B, K, V), float32, and the new state.

        `asked` is the new state of the same texts that attend to another memory. Without input feeding the layer that asks hears
        nothing of either, so it is taken over from there, and not computed again.
        """
        features, state = self._advance(self.dropout(self.embedding(tokens)), state, memory, asked)
        return self._logits(features).float().log_softmax(2), state

    def forward(self, states: Tensor, lengths: Tensor, targets: Tensor, sampling: float = 0.0) -> tuple[Tensor, Tensor]:
        """Teacher forcing: states (B, T, H), their lengths (B,) and padded targets (B, L) -> logits (B, L + 1, V) and weights (B, L + 1, T).

        Position i sees the targets before i; position L of the longest is for end-of-sentence. `sampling` is the share of
        tokens that are fed back from the model's own distribution in place of the target.
        """
        memory = self.memory(states, lengths)
        state = self.start(memory)
        fed = nn.functional.pad(targets, (1, 0), value=EOS)  # (B, L + 1)
        embedded = self.dropout(self.embedding(fed))  # (B, L + 1, E)
        if not self.config.input_feeding and isinstance(self.cells[0], nn.LSTMCell):  # quantised cells go step by step
            return self._sentences(embedded, memory)
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

    def _advance(
        self, embedded: Tensor, state: SpellerState, memory: Memory, asked: SpellerState | None = None
    ) -> tuple[Tensor, SpellerState]:
        """Embedded tokens (B, K, E) -> what the output layer sees (B, K, D + H), and the new state."""
        before = [(state.hidden[:, :, i], state.cell[:, :, i]) for i in range(len(self.cells))]
        after: list[tuple[Tensor, Tensor]] = []

        def layer(x: Tensor) -> Tensor:
            """The next of the cells: (B, K, *) -> (B, K, D)."""
            i, (b, k, _) = len(after), x.shape
            with own_precision(x):
                x, h, c = (to_own(y.flatten(0, 1), self.cells[i]) for y in (x, *before[i]))
                h, c = self.cells[i](x, (h, c))
            after.append((h.unflatten(0, (b, k)), c.unflatten(0, (b, k))))
            return self.dropout(after[i][0])

        if self.config.input_feeding:
            x = layer(torch.cat([embedded, state.context], dim=2))
            for _ in self.cells[1:]:
                x = layer(x)
            context, weights = self.attention(x, state.weights, memory)
        else:
            if asked:
                after.append((asked.hidden[:, :, 0], asked.cell[:, :, 0]))
                x = self.dropout(after[0][0])
            else:
                x = layer(embedded)
            context, weights = self.attention(x, state.weights, memory)
            for i in range(1, len(self.cells)):
                x = layer(torch.cat([x, context], dim=2) if i == 1 else x)
        hidden, cell = (torch.stack(tensors, 2) for tensors in zip(*after, strict=True))
        return torch.cat([x, context], dim=2), SpellerState(hidden, cell, context, weights)

    def _sentences(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """All steps at once, which needs no input feeding: embedded tokens (B, L, E) -> logits (B, L, V) and weights (B, L, T)."""
        first, *others = self.cells
        x = self._run(first, embedded)
        context, weights = self.attention(x, memory.values.new_zeros(*x.shape[:2], memory.mask.shape[1]), memory)
        for i, cell in enumerate(others):
            x = self._run(cell, torch.cat([x, context], dim=2) if i == 0 else x)
        return self._logits(torch.cat([x, context], dim=2)), weights

    def _run(self, cell: nn.Module, x: Tensor) -> Tensor:
        """A cell over whole sequences, from zero: (B, L, *) -> (B, L, D). One call in place of L."""
        weights = tuple(cell.parameters())  # of the input, of the state, and their biases
        with own_precision(x):
            x = to_own(x, cell)
            start = x.new_zeros(1, x.shape[0], self.config.hidden)
            return self.dropout(torch.lstm(x, (start, start), weights, True, 1, 0.0, self.training, False, True)[0])

    def _logits(self, features: Tensor) -> Tensor:
        return self.output(self.dropout(torch.tanh(self.merge(features))))
