"""Small things that several tests need."""

from __future__ import annotations

from asr.config import ModelConfig


def with_attention(config: ModelConfig, kind: str, layers: int = 1) -> ModelConfig:
    """The config with another attention and number of speller layers."""
    return config.model_copy(
        update={
            "attention": config.attention.model_copy(update={"kind": kind}),
            "speller": config.speller.model_copy(update={"layers": layers}),
        }
    )
