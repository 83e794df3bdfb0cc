"""The picture of a segment on the page: its log-mel spectrogram and the attention of each word, reduced to bytes."""

from __future__ import annotations

import base64
from typing import Any

import torch
from torch import Tensor

from asr.decode.attention import WordAttention

FRAMES_PER_COLUMN = 2  # of 10 ms
BLACK, WHITE = 0.05, 0.995  # quantiles of log-mel power


def picture(attention: WordAttention, seconds: float) -> dict[str, Any]:
    """Encode a segment as JSON.

    Args:
        attention: the log-mel spectrogram and the attention weights.
        seconds: length of the segment.

    Returns:
        `mel` has `columns` columns of `bands` bands over `seconds`. `weights` has one row of `states` values per word of `words`.
        Both are bytes, 0 to 255, in base64. The weights of a word are scaled to a peak of 255.
    """
    log_mel = attention.log_mel
    whole = len(log_mel) // FRAMES_PER_COLUMN * FRAMES_PER_COLUMN
    columns = log_mel[:whole].unflatten(0, (-1, FRAMES_PER_COLUMN)).mean(1) if whole else log_mel
    low, high = torch.quantile(columns.flatten(), torch.tensor([BLACK, WHITE])).tolist()
    peaks = attention.weights.amax(1, keepdim=True).clamp(min=1e-9)
    return {
        "seconds": round(seconds, 3),
        "columns": columns.shape[0],
        "bands": columns.shape[1],
        "mel": _bytes((columns - low) / max(high - low, 1e-6)),
        "words": list(attention.words),
        "states": attention.weights.shape[1],
        "state_seconds": attention.state_seconds,
        "weights": _bytes(attention.weights / peaks),
    }


def _bytes(values: Tensor) -> str:
    """Encode values from 0 to 1 as bytes in base64, row by row."""
    return base64.b64encode((255 * values.clamp(0, 1)).round().to(torch.uint8).numpy().tobytes()).decode()
