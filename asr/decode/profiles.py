"""Profiles: search and precision for a trade-off between speed and accuracy."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from asr.config import DecodeConfig
from asr.decode.precision import Precision, computes_int8, in_precision
from asr.model.checkpoint import TrainedModel

Profile = Literal["fast", "balanced", "accurate"]


def profile_search(own: DecodeConfig, profile: Profile, keep_lm: bool = False) -> DecodeConfig:
    """Change a model's own search by a profile.

    Args:
        own: the search of the model.
        profile: fast: beam 1, no language models; balanced: unchanged; accurate: twice the beam.
        keep_lm: whether to keep the language model in the fast profile.

    Returns:
        The search of the profile.
    """
    changes: dict[str, float] = {}
    if profile == "fast" and not keep_lm:
        changes["lm_weight"] = changes["words_weight"] = 0.0
    if profile != "balanced":
        changes["beam"] = 1 if profile == "fast" else 2 * own.beam
    return own.model_copy(update=changes)


def profile_precision(profile: Profile, device: torch.device) -> Precision:
    """Return the precision of a profile: int8 for fast, if the device has int8 operations, else fp32."""
    return "int8" if profile == "fast" and computes_int8(device) else "fp32"


def in_profile(model: TrainedModel, profile: Profile, precision: Precision | None = None) -> TrainedModel:
    """Convert a model to the search and the precision of a profile.

    Args:
        model: may be changed; use the returned model.
        profile: see `profile_search`.
        precision: overrides the profile's precision.

    Returns:
        The model, for `asr.Transcriber`.

    Raises:
        UsageError: the device cannot compute in `precision`.
    """
    decode = profile_search(model.search, profile)
    model = in_precision(model, precision or profile_precision(profile, model.network.frontend.mean.device))
    return replace(model, config=model.config.model_copy(update={"decode": decode}))
