"""What a segment looks like to the network, small enough to be sent: the log-mel spectrogram, and each word's attention."""

from __future__ import annotations

import base64
from typing import Any

import torch
from torch import Tensor

from asr.decode.attention import WordAttention

FRAMES = 2  # of 10 ms that make a column
DARKEST, BRIGHTEST = 0.05, 0.995  # quantiles of the log-mel powers


def picture(look: WordAttention, seconds: float) -> dict[str, Any]:
    """JSON: `mel` has `columns` columns of `bands` bands over `seconds`, `weights` a row of `states` for each of `words`.

    Both are bytes in base64, 0 to 255; a word's attention is 255 where it is greatest.
    """
    columns = (
        look.log_mel[: len(look.log_mel) // FRAMES * FRAMES].unflatten(0, (-1, FRAMES)).mean(1)
        if len(look.log_mel) >= FRAMES
        else look.log_mel
    )
    dark, bright = torch.quantile(columns.flatten(), torch.tensor([DARKEST, BRIGHTEST])).tolist()
    peaks = look.weights.amax(1, keepdim=True).clamp(min=1e-9)
    return {
        "seconds": round(seconds, 3),
        "columns": columns.shape[0],
        "bands": columns.shape[1],
        "mel": _bytes((columns - dark) / max(bright - dark, 1e-6)),
        "words": list(look.words),
        "states": look.weights.shape[1],
        "state_seconds": look.state_seconds,
        "weights": _bytes(look.weights / peaks),
    }


def _bytes(values: Tensor) -> str:
    """0 to 1 -> base64 of 0 to 255, row by row."""
    return base64.b64encode((255 * values.clamp(0, 1)).round().to(torch.uint8).numpy().tobytes()).decode()
