"""The speller protocol: an autoregressive decoder over the listener's states.

Shapes: B utterances, K hypotheses per utterance (1 in training), L tokens, T listener states, H their size, V vocabulary.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

from torch import Tensor, nn

from asr.model.attention import Attention, Memory
from asr.model.block import Block


class SpellerState(Protocol):
    """The state of each hypothesis: a NamedTuple of tensors (B, K, ...), of any shape after K.

    The search reorders and drops hypotheses and utterances along the first two axes of every tensor. A key/value cache fits, as (B, K,
    layers, L, D).
    """

    @property
    def weights(self) -> Tensor:
        """(B, K, T) attention weights of the last token; all zero without attention."""


class Speller(Block):
    """A decoder. A kind is constructed with the vocabulary size V, the layout of the listener's states, its config, and a function that
    builds the attention for queries of a given size.

    `forward` and repeated calls of `step` must agree. Every text starts and ends with EOS.
    """

    attention: Attention
    output: nn.Linear
    """The last layer, with V outputs."""

    def memory(self, states: Tensor, lengths: Tensor) -> Memory:
        """Prepare listener states (B, T, H) with lengths (B,) for `step`."""
        return self.attention.memory(states, lengths)

    def internal_lm_memory(self, memory: Memory) -> Memory:
        """Return a memory with which `step` estimates the internal language model: it has no acoustic detail."""
        return self.attention.internal_lm_memory(memory)

    @abstractmethod
    def start(self, memory: Memory, hypotheses: int = 1) -> Any:
        """Return the state before the first token, a `SpellerState` for K = `hypotheses`."""

    @abstractmethod
    def step(self, tokens: Tensor, state: Any, memory: Memory, twin: Any = None) -> tuple[Tensor, Any]:
        """Advance all hypotheses by one token.

        Args:
            tokens: (B, K) last tokens.
            state: State of the hypotheses.
            memory: The result of `memory` or `internal_lm_memory`.
            twin: New state of the same hypotheses with another memory, if the search has it. Whatever does not depend on the memory
                may be taken from it.

        Returns:
            Log-probabilities of the next token (B, K, V), float32 or wider, and the new state.
        """

    @abstractmethod
    def forward(self, states: Tensor, lengths: Tensor, targets: Tensor, sampling: float = 0.0) -> tuple[Tensor, Tensor]:
        """Compute the logits of all tokens with teacher forcing.

        Args:
            states: (B, T, H) listener states.
            lengths: (B,) real states.
            targets: (B, L) tokens, padded with anything valid.
            sampling: Fraction of input tokens drawn from the model itself (scheduled sampling). Always 0 if the config's
                `token_by_token` is False.

        Returns:
            Logits (B, L + 1, V) and attention weights (B, L + 1, T). Position i sees the targets before i; the last position is for EOS.
        """
