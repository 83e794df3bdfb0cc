"""The LSTM language model.

Shapes: B sentences, K hypotheses, L tokens, D units, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import LSTMLanguageModelConfig
from asr.model.lm import LanguageModel
from asr.model.lstm import as_weights, without_autocast
from asr.text.tokenizer import EOS


class LSTMLanguageModelState(NamedTuple):
    """State of each hypothesis."""

    hidden: Tensor  # (B, K, layers, D)
    cell: Tensor  # (B, K, layers, D)


class LSTMLanguageModel(LanguageModel):
    """Embedding, LSTM layers and softmax."""

    def __init__(self, vocabulary: int, config: LSTMLanguageModelConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.lstm = nn.LSTM(
            config.embedding, config.hidden, config.layers, batch_first=True, dropout=config.dropout if config.layers > 1 else 0
        )
        self.output = nn.Linear(config.hidden, vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, targets: Tensor, lengths: Tensor) -> Tensor:
        fed = nn.functional.pad(targets, (1, -1), value=EOS)  # (B, L) previous tokens
        embedded = self.dropout(self.embedding(fed))
        with without_autocast(embedded):
            features, _ = self.lstm(as_weights(embedded, self.lstm))
        positions = torch.arange(targets.shape[1], device=targets.device)
        expected = targets.masked_fill(positions >= lengths[:, None], -100)
        logits = self.output(self.dropout(features)).float()  # (B, L, V)
        return nn.functional.cross_entropy(logits.transpose(1, 2), expected, ignore_index=-100, reduction="none").sum(1)

    def start(self, batch: int, hypotheses: int = 1) -> LSTMLanguageModelState:
        zeros = self.embedding.weight.new_zeros(batch, hypotheses, self.config.layers, self.config.hidden)
        return LSTMLanguageModelState(zeros, zeros)

    def step(self, tokens: Tensor, state: LSTMLanguageModelState) -> tuple[Tensor, LSTMLanguageModelState]:
        b, k = tokens.shape
        before = (state.hidden.flatten(0, 1).transpose(0, 1).contiguous(), state.cell.flatten(0, 1).transpose(0, 1).contiguous())
        features, after = self.lstm(self.dropout(self.embedding(tokens.reshape(-1, 1))), before)
        hidden, cell = (x.transpose(0, 1).unflatten(0, (b, k)) for x in after)
        log_probs = self.output(self.dropout(features.squeeze(1))).float().log_softmax(1)
        return log_probs.unflatten(0, (b, k)), LSTMLanguageModelState(hidden, cell)
