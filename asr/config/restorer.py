"""Configs of a text restorer: its network, its text, its training, its folder and its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from asr.config.model import TokenizerConfig
from asr.config.section import EMBEDDED, Fraction, Layers, Paths, PositiveInt, Section, Seed, Units
from asr.config.train import OptimizerConfig


class RestorerConfig(Section):
    """Bidirectional LSTM over words, which labels each word with its case and the mark behind it."""

    embedding: Units = 128
    """Dimension of the embeddings of the pieces. A word is the sum of its pieces."""
    hidden: Units = 160
    """LSTM units per direction."""
    layers: Layers = 2
    """Bidirectional LSTM layers."""
    dropout: Fraction = 0.1
    """Dropout of the words and after each layer."""


class CasedTextConfig(Section):
    """Training and development text, with capitals and punctuation."""

    train: Paths = ()
    """Text files (plain or .gz), one paragraph per line. An empty line separates documents."""
    dev: Paths = ()
    """Text that selects the best weights; the same format."""
    window_words: PositiveInt = 96
    """Words of a training example."""
    whole: Fraction = 0.25
    """Fraction of the examples that are whole recordings: they start and end with a sentence, and the network sees both ends."""
    pauses: Fraction = 0.5
    """Fraction of the examples with simulated pauses between the words. In the others they are unknown."""


class RestorerTrainConfig(OptimizerConfig):
    """Training of a text restorer."""

    EMBEDDED = EMBEDDED / "text"
    epochs: PositiveInt = 4
    """Passes over the text."""
    batch_words: PositiveInt = 6_144
    """Words per optimizer step, padding included, over all processes."""
    evaluate_steps: PositiveInt = 500
    """Steps between evaluations on the dev text."""


class RestorerFolderConfig(Section):
    """`config.yaml` of a text restorer's folder."""

    kind: Literal["text_restorer"]
    """Distinguishes the folder from a recogniser's."""
    language: str = "en"
    """ISO 639 code of the text. Numbers are rewritten in English only."""
    model: RestorerConfig = RestorerConfig()
    tokenizer: TokenizerConfig = TokenizerConfig(vocab_size=6_000)


class RestorerRecipe(RestorerFolderConfig):
    """A recipe of `asr train` for a text restorer."""

    output: Path = Path("runs/restorer")
    """Folder for checkpoints, logs and the finished model."""
    seed: Seed = 1
    """Seed of all random draws."""
    data: CasedTextConfig = CasedTextConfig()
    train: RestorerTrainConfig = RestorerTrainConfig()

    def folder_config(self) -> RestorerFolderConfig:
        """Return the part that the finished model's folder keeps."""
        tokenizer = self.tokenizer.model_copy(update={"model": None})
        return RestorerFolderConfig(kind=self.kind, language=self.language, model=self.model, tokenizer=tokenizer)
