"""The language model protocol: a distribution over texts, one token after the other, for shallow fusion in the search.

Shapes: B sentences, K hypotheses, L tokens, V vocabulary.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from asr.model.block import Block


class LanguageModel(Block):
    """p(y_i | y_1 ... y_{i-1}). A kind is constructed with the vocabulary size V and its config.

    `forward` and repeated calls of `step` must agree. Every text starts and ends with EOS, as in the speller.
    """

    @abstractmethod
    def forward(self, targets: Tensor, lengths: Tensor) -> Tensor:
        """Compute the negative log-likelihood of sentences.

        Args:
            targets: (B, L) tokens with EOS at the end, padded with anything valid.
            lengths: (B,) tokens, EOS included.

        Returns:
            (B,) -log p of each sentence (nats).
        """

    @abstractmethod
    def start(self, batch: int, hypotheses: int = 1) -> Any:
        """Return the state before the first token, for K = `hypotheses`: a NamedTuple of tensors (B, K, ...), of any shape after K."""

    @abstractmethod
    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Advance all hypotheses by their last tokens (B, K).

        Returns:
            Log-probabilities of the next token (B, K, V), float32 or wider, and the new state.
        """
