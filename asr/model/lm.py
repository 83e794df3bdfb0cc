"""The language model: an LSTM over tokens, for shallow fusion in the search.

Shapes: B sentences, K hypotheses, L tokens, D units, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import LanguageModelConfig
from asr.model.lstm import as_weights, without_autocast
from asr.text.tokenizer import EOS


class LMState(NamedTuple):
    """State of each hypothesis."""

    hidden: Tensor  # (B, K, layers, D)
    cell: Tensor  # (B, K, layers, D)


class LanguageModel(nn.Module):
    """p(y_i | y_1 ... y_{i-1}): embedding, LSTM layers, softmax. Every sentence starts with EOS, as in the speller."""

    def __init__(self, vocabulary: int, config: LanguageModelConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.lstm = nn.LSTM(
            config.embedding, config.hidden, config.layers, batch_first=True, dropout=config.dropout if config.layers > 1 else 0
        )
        self.output = nn.Linear(config.hidden, vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, targets: Tensor, lengths: Tensor) -> Tensor:
        """Compute the negative log-likelihood of sentences.

        Args:
            targets: (B, L) tokens with EOS at the end, padded with anything valid.
            lengths: (B,) tokens, EOS included.

        Returns:
            (B,) -log p of each sentence (nats).
        """
        fed = nn.functional.pad(targets, (1, -1), value=EOS)  # (B, L) previous tokens
        embedded = self.dropout(self.embedding(fed))
        with without_autocast(embedded):
            features, _ = self.lstm(as_weights(embedded, self.lstm))
        positions = torch.arange(targets.shape[1], device=targets.device)
        expected = targets.masked_fill(positions >= lengths[:, None], -100)
        logits = self.output(self.dropout(features)).float()  # (B, L, V)
        return nn.functional.cross_entropy(logits.transpose(1, 2), expected, ignore_index=-100, reduction="none").sum(1)

    def start(self, batch: int, hypotheses: int = 1) -> LMState:
        """Return the state before the first token, for K = `hypotheses`."""
        zeros = self.embedding.weight.new_zeros(batch, hypotheses, self.config.layers, self.config.hidden)
        return LMState(zeros, zeros)

    def step(self, tokens: Tensor, state: LMState) -> tuple[Tensor, LMState]:
        """Advance all hypotheses by their last tokens (B, K).

        Returns:
            Log-probabilities of the next token (B, K, V), float32, and the new state.
        """
        b, k = tokens.shape
        before = (state.hidden.flatten(0, 1).transpose(0, 1).contiguous(), state.cell.flatten(0, 1).transpose(0, 1).contiguous())
        features, after = self.lstm(self.dropout(self.embedding(tokens.reshape(-1, 1))), before)
        hidden, cell = (x.transpose(0, 1).unflatten(0, (b, k)) for x in after)
        log_probs = self.output(self.dropout(features.squeeze(1))).float().log_softmax(1)
        return log_probs.unflatten(0, (b, k)), LMState(hidden, cell)
