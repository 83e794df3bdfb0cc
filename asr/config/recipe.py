"""Configs of a recogniser: `config.yaml` of its folder, and its recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import field_validator, model_validator

from asr.config.decode import DecodeConfig
from asr.config.model import ModelConfig, TokenizerConfig
from asr.config.problems import format_value
from asr.config.section import Section, Seed
from asr.config.speech import AugmentConfig, SegmentConfig
from asr.config.train import DataConfig, TrainConfig


class ModelFolderConfig(Section):
    """`config.yaml` of a model folder."""

    language: str = "en"
    """ISO 639 code of the spoken language, with two letters (en, de), or three if there is no shorter one."""
    model: ModelConfig = ModelConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    segment: SegmentConfig = SegmentConfig()
    decode: DecodeConfig = DecodeConfig()

    @field_validator("language", mode="before")
    @classmethod
    def _check_language(cls, value: Any) -> Any:
        value = "no" if value is False else value  # YAML reads Norwegian as a boolean
        if not (isinstance(value, str) and re.fullmatch("[a-z]{2,3}", value)):
            raise ValueError(f"expected the ISO 639 code of a language, such as en, de or fr, not {format_value(value)}")
        return value


class Config(ModelFolderConfig):
    """A recipe of `asr train` for a recogniser."""

    output: Path = Path("runs/las")
    """Folder for checkpoints, logs and the finished model."""
    seed: Seed = 1
    """Seed of all random draws."""
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _check_heads(self) -> Config:
        if self.model.ctc_weight == 0 and self.decode.ctc_weight > 0:
            raise ValueError("decode.ctc_weight needs a CTC head, and model.ctc_weight is 0: set both to 0 or both above")
        if self.model.ctc_weight == 1:
            raise ValueError("model.ctc_weight is 1, which would never train the speller: choose less")
        if self.train.scheduled_sampling > 0 and not self.model.speller.token_by_token:
            raise ValueError("train.scheduled_sampling goes token by token, so it needs model.speller.input_feeding")
        return self

    @model_validator(mode="after")
    def _check_teacher(self) -> Config:
        layers = len(self.model.listener.reductions)
        if self.train.teacher_weight and not self.data.teacher:
            raise ValueError("train.teacher_weight is above 0, and data.teacher names no targets: name a folder, or set the weight to 0")
        if self.train.teacher_layer and self.train.teacher_layer > layers:
            raise ValueError(
                f"train.teacher_layer is {self.train.teacher_layer}, and the listener has {layers} layers: choose {layers} or less"
            )
        return self

    def folder_config(self) -> ModelFolderConfig:
        """Return the part that the finished model's folder keeps."""
        tokenizer = self.tokenizer.model_copy(update={"model": None})
        return ModelFolderConfig(language=self.language, model=self.model, tokenizer=tokenizer, segment=self.segment, decode=self.decode)
