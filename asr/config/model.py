"""Sections for the network: the listener, the attention, the speller and the tokenizer.

`kind` names the implementation of a block. docs/architecture.md says how to add one.
"""

from __future__ import annotations

import itertools
import math
import operator
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from asr.config.section import MAX_REDUCTION, Block, Fraction, Layers, Probability, Section, Units
from asr.config.speech import FrontendConfig

# ---------------------------------------------------------------- listener


class ListenerConfig(Block, ABC):
    """Encoder: features to states. A kind states its sizes here, for what must be known without the network."""

    KINDS: ClassVar[dict[str, type[Block]]] = {}
    DEFAULT = "pyramid"

    @property
    @abstractmethod
    def size(self) -> int:
        """Dimension H of a state, the same after every layer."""

    @property
    @abstractmethod
    def reductions(self) -> tuple[int, ...]:
        """Feature frames per state after each layer."""

    @property
    def reduction(self) -> int:
        """Feature frames per listener state."""
        return self.reductions[-1]

    @property
    @abstractmethod
    def description(self) -> str:
        """Layers and sizes in a few words, for the model card."""


class PyramidConfig(ListenerConfig):
    """Pyramidal BiLSTM (Chan et al. 2016): a convolutional stem, then BiLSTM layers that may each reduce the frame rate."""

    kind: Literal["pyramid"] = "pyramid"
    stem_channels: Annotated[tuple[Annotated[int, Field(ge=1, le=4_096)], ...], Field(max_length=8)] = (32, 32)
    """Channels of each 3x3 convolution of the stem. Empty for no stem."""
    stem_strides: Annotated[tuple[Literal[1, 2], ...], Field(max_length=8)] = (2, 1)
    """Stride in time of each convolution. The stride over mel bands is 2."""
    hidden: Units = 256
    """Units per direction of every BiLSTM layer."""
    pyramid: Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(max_length=32)] = (2, 1, 1)
    """Frames concatenated before each BiLSTM layer. 2 halves the frame rate (pBLSTM), 1 keeps it."""
    dropout: Fraction = 0.3
    """Dropout after every layer."""

    @model_validator(mode="after")
    def _check_layers(self) -> PyramidConfig:
        if len(self.stem_channels) != len(self.stem_strides):
            raise ValueError(f"stem_channels and stem_strides differ in length: {len(self.stem_channels)} and {len(self.stem_strides)}")
        if not self.pyramid:
            raise ValueError("pyramid names no layer: at least one is needed")
        if self.reduction > MAX_REDUCTION:
            raise ValueError(f"stem_strides and pyramid put {self.reduction} frames into one state; at most {MAX_REDUCTION} can be")
        return self

    @property
    def size(self) -> int:
        return 2 * self.hidden

    @property
    def reductions(self) -> tuple[int, ...]:
        return tuple(math.prod(self.stem_strides) * factor for factor in itertools.accumulate(self.pyramid, operator.mul))

    @property
    def description(self) -> str:
        return f"{len(self.pyramid)} x {self.hidden} units a direction, reduction {self.reduction}"


# ---------------------------------------------------------------- speller


class SpellerConfig(Block, ABC):
    """Decoder: states to tokens."""

    KINDS: ClassVar[dict[str, type[Block]]] = {}
    DEFAULT = "lstm"

    @property
    @abstractmethod
    def token_by_token(self) -> bool:
        """Whether training goes token by token, each with the attention weights of the one before. Otherwise all tokens of a sentence are
        computed at once."""


class LSTMSpellerConfig(SpellerConfig):
    """LSTM with attention."""

    kind: Literal["lstm"] = "lstm"
    embedding: Units = 128
    """Dimension of the token embeddings."""
    hidden: Units = 256
    """Units per LSTM layer."""
    layers: Layers = 1
    """LSTM layers."""
    dropout: Fraction = 0.3
    """Dropout of the embeddings, between layers and before the output layer."""
    input_feeding: bool = True
    """Feed the last context vector to the first layer (Luong et al. 2015). Without it, the first layer reads the tokens alone and its output
    is the attention query, which allows training on all tokens at once."""

    @property
    def token_by_token(self) -> bool:
        return self.input_feeding


# ---------------------------------------------------------------- attention


class AttentionConfig(Block):
    """Attention of the speller over the listener states."""

    KINDS: ClassVar[dict[str, type[Block]]] = {}
    DEFAULT = "location"

    def misfit(self, listener: ListenerConfig, speller: SpellerConfig) -> str | None:
        """Return why this attention cannot be used with a listener and a speller, or None if it can."""
        return None


class LocationConfig(AttentionConfig):
    """Additive attention that reads its previous weights (Chorowski et al. 2015)."""

    kind: Literal["location"] = "location"
    size: Units = 256
    """Dimension of the keys and queries."""
    location_channels: Annotated[int, Field(ge=1, le=1_024)] = 10
    """Convolution filters over the previous attention weights."""
    location_width: Annotated[int, Field(ge=1, le=2_047)] = 31
    """Width of a filter, an odd number of listener states."""

    @model_validator(mode="after")
    def _check_width(self) -> LocationConfig:
        if self.location_width % 2 == 0:
            raise ValueError(f"location_width is {self.location_width}, expected an odd number")
        return self

    def misfit(self, listener: ListenerConfig, speller: SpellerConfig) -> str | None:
        if not speller.token_by_token:
            return "location attention reads its previous weights, so it needs speller.input_feeding: choose attention.kind multihead"
        return None


class MultiHeadConfig(AttentionConfig):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017)."""

    kind: Literal["multihead"] = "multihead"
    size: Units = 256
    """Dimension of the keys and queries, summed over the heads."""
    heads: Units = 4
    """Number of heads. It must divide `size` and the size of the listener states."""

    @model_validator(mode="after")
    def _check_heads(self) -> MultiHeadConfig:
        if self.size % self.heads:
            raise ValueError(f"heads ({self.heads}) does not divide size ({self.size})")
        return self

    def misfit(self, listener: ListenerConfig, speller: SpellerConfig) -> str | None:
        if listener.size % self.heads:
            return f"attention.heads ({self.heads}) does not divide the size of the listener's states ({listener.size})"
        return None


class FinalStateConfig(AttentionConfig):
    """No attention: the context is the listener's final state (Sutskever et al. 2014)."""

    kind: Literal["none"] = "none"


# ---------------------------------------------------------------- the whole network


class ModelConfig(Section):
    """The network."""

    frontend: FrontendConfig = FrontendConfig()
    listener: Annotated[SerializeAsAny[ListenerConfig], BeforeValidator(ListenerConfig.of_kind)] = PyramidConfig()
    attention: Annotated[SerializeAsAny[AttentionConfig], BeforeValidator(AttentionConfig.of_kind)] = LocationConfig()
    speller: Annotated[SerializeAsAny[SpellerConfig], BeforeValidator(SpellerConfig.of_kind)] = LSTMSpellerConfig()
    ctc_weight: Probability = 0.3
    """Weight w of the CTC loss in training: (1 - w) attention + w CTC. 0 builds no CTC head; 1 trains the listener alone."""

    @property
    def state_seconds(self) -> float:
        """Time between listener states (s)."""
        return self.listener.reduction * self.frontend.hop_ms / 1000

    @model_validator(mode="after")
    def _check_attention(self) -> ModelConfig:
        if problem := self.attention.misfit(self.listener, self.speller):
            raise ValueError(problem)
        return self


class TokenizerConfig(Section):
    """SentencePiece tokenizer."""

    kind: Literal["char", "unigram", "bpe"] = "unigram"
    """Type of the SentencePiece model."""
    vocab_size: Annotated[int, Field(ge=4, le=100_000)] = 128
    """Vocabulary size, with the three special tokens. For `char` an upper bound."""
    model: Path | None = None
    """Trained SentencePiece model to use. Default: train one on the training transcripts."""
