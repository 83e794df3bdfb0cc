"""Every setting of the system: typed, with its unit and default.

A recipe is a `Config` (recogniser), an `LMRecipe` (language model) or a `RestorerRecipe` (text restorer). A model folder keeps the part that
describes the model (`ModelFolderConfig`, `LMFolderConfig`, `RestorerFolderConfig`). `asr.config_file` reads and writes them as YAML.
"""

from asr.config.decode import DecodeConfig
from asr.config.language_model import LanguageModelConfig, LMFolderConfig, LMRecipe, LMTrainConfig, LSTMLanguageModelConfig, TextConfig
from asr.config.model import (
    AttentionConfig,
    FinalStateConfig,
    ListenerConfig,
    LocationConfig,
    LSTMSpellerConfig,
    ModelConfig,
    MultiHeadConfig,
    PyramidConfig,
    SpellerConfig,
    TokenizerConfig,
)
from asr.config.recipe import Config, ModelFolderConfig
from asr.config.restorer import CasedTextConfig, RestorerConfig, RestorerFolderConfig, RestorerRecipe, RestorerTrainConfig
from asr.config.section import EMBEDDED, Block, Section
from asr.config.speech import AugmentConfig, FrontendConfig, SegmentConfig
from asr.config.train import DataConfig, OptimizerConfig, TrainConfig

__all__ = [
    "EMBEDDED",
    "AttentionConfig",
    "AugmentConfig",
    "Block",
    "CasedTextConfig",
    "Config",
    "DataConfig",
    "DecodeConfig",
    "FinalStateConfig",
    "FrontendConfig",
    "LMFolderConfig",
    "LMRecipe",
    "LMTrainConfig",
    "LSTMLanguageModelConfig",
    "LSTMSpellerConfig",
    "LanguageModelConfig",
    "ListenerConfig",
    "LocationConfig",
    "ModelConfig",
    "ModelFolderConfig",
    "MultiHeadConfig",
    "OptimizerConfig",
    "PyramidConfig",
    "RestorerConfig",
    "RestorerFolderConfig",
    "RestorerRecipe",
    "RestorerTrainConfig",
    "Section",
    "SegmentConfig",
    "SpellerConfig",
    "TextConfig",
    "TokenizerConfig",
    "TrainConfig",
]
