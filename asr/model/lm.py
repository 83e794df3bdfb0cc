"""The language model: an LSTM that foretells the next piece of text, for shallow fusion in the search.

Shapes: B sentences, K hypotheses, L tokens, D units, V tokens in the vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import LanguageModelConfig
from asr.model.autocast import own_precision, to_own
from asr.text.tokenizer import EOS


class LMState(NamedTuple):
    """What a hypothesis remembers."""

    hidden: Tensor  # (B, K, layers, D)
    cell: Tensor  # (B, K, layers, D)


class LanguageModel(nn.Module):
    """p(y_i | y_1 ... y_{i-1}): embedding, LSTM layers, softmax. Every sentence starts from end-of-sentence, as the speller does."""

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
        """-log p of each sentence (B,), in nats.

        Sentences are (B, L), with end-of-sentence where they end, padded with anything; their lengths (B,) count it.
        """
        fed = nn.functional.pad(targets, (1, -1), value=EOS)  # (B, L): what came before each token
        embedded = self.dropout(self.embedding(fed))
        with own_precision(embedded):
            features, _ = self.lstm(to_own(embedded, self.lstm))
        positions = torch.arange(targets.shape[1], device=targets.device)
        expected = targets.masked_fill(positions >= lengths[:, None], -100)
        logits = self.output(self.dropout(features)).float()  # (B, L, V)
        return nn.functional.cross_entropy(logits.transpose(1, 2), expected, ignore_index=-100, reduction="none").sum(1)

    def start(self, batch: int, hypotheses: int = 1) -> LMState:
        """The state before the first token."""
        zeros = self.embedding.weight.new_zeros(batch, hypotheses, self.config.layers, self.config.hidden)
        return LMState(zeros, zeros)

    def step(self, tokens: Tensor, state: LMState) -> tuple[Tensor, LMState]:
        """The last tokens (B, K) and state -> log-probabilities of the next (B, K, V), float32, and the new state."""
        b, k = tokens.shape
        before = (state.hidden.flatten(0, 1).transpose(0, 1).contiguous(), state.cell.flatten(0, 1).transpose(0, 1).contiguous())
        features, after = self.lstm(self.dropout(self.embedding(tokens.reshape(-1, 1))), before)
        hidden, cell = (x.transpose(0, 1).unflatten(0, (b, k)) for x in after)
        log_probs = self.output(self.dropout(features.squeeze(1))).float().log_softmax(1)
        return log_probs.unflatten(0, (b, k)), LMState(hidden, cell)
