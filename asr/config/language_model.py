"""Configs of a language model: its network, its text, its training, its folder and its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from asr.config.model import TokenizerConfig
from asr.config.section import EMBEDDED, Fraction, Layers, Paths, PositiveInt, Section, Seed, Units
from asr.config.train import OptimizerConfig


class LanguageModelConfig(Section):
    """LSTM over the recogniser's tokens."""

    embedding: Units = 256
    """Dimension of the token embeddings."""
    hidden: Units = 896
    """Units per LSTM layer."""
    layers: Layers = 1
    """LSTM layers."""
    dropout: Fraction = 0.1
    """Dropout of the embeddings, between layers and before the output layer."""


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
    model: LanguageModelConfig = LanguageModelConfig()
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
