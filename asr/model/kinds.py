"""The kinds of each block: the tables from config classes to network classes.

A new kind is one class with its config, and one line here. docs/architecture.md has a worked example.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from asr.config import (
    AttentionConfig,
    FinalStateConfig,
    LanguageModelConfig,
    ListenerConfig,
    LocationConfig,
    LSTMLanguageModelConfig,
    LSTMSpellerConfig,
    MultiHeadConfig,
    PyramidConfig,
    SpellerConfig,
)
from asr.model.attention import Attention, FinalState, LocationAttention, MultiHeadAttention
from asr.model.block import StateLayout
from asr.model.listener import Listener
from asr.model.lm import LanguageModel
from asr.model.lstm_lm import LSTMLanguageModel
from asr.model.lstm_speller import LSTMSpeller
from asr.model.pyramid import PyramidListener
from asr.model.speller import Speller

LISTENERS: dict[type[ListenerConfig], Callable[[int, Any], Listener]] = {
    PyramidConfig: PyramidListener,
}
SPELLERS: dict[type[SpellerConfig], Callable[[int, StateLayout, Any, Callable[[int], Attention]], Speller]] = {
    LSTMSpellerConfig: LSTMSpeller,
}
ATTENTIONS: dict[type[AttentionConfig], Callable[[StateLayout, int, Any], Attention]] = {
    LocationConfig: LocationAttention,
    MultiHeadConfig: MultiHeadAttention,
    FinalStateConfig: FinalState,
}
LANGUAGE_MODELS: dict[type[LanguageModelConfig], Callable[[int, Any], LanguageModel]] = {
    LSTMLanguageModelConfig: LSTMLanguageModel,
}


def build_listener(bands: int, config: ListenerConfig) -> Listener:
    """Build the listener that `config.kind` names, for features of F = `bands`."""
    return LISTENERS[type(config)](bands, config)


def build_speller(vocabulary: int, states: StateLayout, config: SpellerConfig, attention: AttentionConfig) -> Speller:
    """Build the speller that `config.kind` names, with its attention."""
    return SPELLERS[type(config)](vocabulary, states, config, partial(build_attention, states, config=attention))


def build_attention(states: StateLayout, query: int, config: AttentionConfig) -> Attention:
    """Build the attention that `config.kind` names, for queries of size D = `query`."""
    return ATTENTIONS[type(config)](states, query, config)


def build_language_model(vocabulary: int, config: LanguageModelConfig) -> LanguageModel:
    """Build the language model that `config.kind` names."""
    return LANGUAGE_MODELS[type(config)](vocabulary, config)
