"""Configs of a language model: its network, its text, its training, its folder and its recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, SerializeAsAny

from asr.config.model import TokenizerConfig
from asr.config.section import EMBEDDED, Block, Fraction, Layers, Paths, PositiveInt, Section, Seed, Units
from asr.config.train import OptimizerConfig


class LanguageModelConfig(Block, ABC):
    """Distribution over texts of the recogniser's tokens."""

    KINDS: ClassVar[dict[str, type[Block]]] = {}
    DEFAULT = "lstm"

    @property
    @abstractmethod
    def description(self) -> str:
        """Layers and sizes in a few words, for the model card."""


class LSTMLanguageModelConfig(LanguageModelConfig):
    """LSTM layers over token embeddings."""

    kind: Literal["lstm"] = "lstm"
    embedding: Units = 256
    """Dimension of the token embeddings."""
    hidden: Units = 896
    """Units per LSTM layer."""
    layers: Layers = 1
    """LSTM layers."""
    dropout: Fraction = 0.1
    """Dropout of the embeddings, between layers and before the output layer."""

    @property
    def description(self) -> str:
        return f"LSTM, {self.layers} x {self.hidden} units"


class TextConfig(Section):
    """Training and development text."""

    train: Paths = ()
    """Text files (one sentence per line, plain or .gz) or manifests (.json, .jsonl)."""
    dev: Paths = ()
    """Text that selects the best weights, by its perplexity; the same formats."""
    max_tokens: PositiveInt = 200
    """Maximum sentence length (tokens). The rest of a longer sentence is not used."""


class LMTrainConfig(OptimizerConfig):
    """Training of a language model."""

    EMBEDDED = EMBEDDED / "lm"
    epochs: PositiveInt = 4
    """Passes over the text."""
    batch_tokens: PositiveInt = 8_192
    """Tokens per optimizer step, padding included, over all processes."""
    evaluate_steps: PositiveInt = 1_000
    """Steps between evaluations on the dev text."""


class LMFolderConfig(Section):
    """`config.yaml` of a language model folder."""

    kind: Literal["language_model"]
    """Distinguishes the folder from a recogniser's."""
    model: Annotated[SerializeAsAny[LanguageModelConfig], BeforeValidator(LanguageModelConfig.of_kind)] = LSTMLanguageModelConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()


class LMRecipe(LMFolderConfig):
    """A recipe of `asr train` for a language model."""

    output: Path = Path("runs/lm")
    """Folder for checkpoints, logs and the finished model."""
    seed: Seed = 1
    """Seed of all random draws."""
    data: TextConfig = TextConfig()
    train: LMTrainConfig = LMTrainConfig()

    def folder_config(self) -> LMFolderConfig:
        """Return the part that the finished model's folder keeps."""
        return LMFolderConfig(kind=self.kind, model=self.model, tokenizer=self.tokenizer.model_copy(update={"model": None}))
