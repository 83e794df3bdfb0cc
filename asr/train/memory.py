"""What fits into a GPU's memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from asr.errors import AsrError


@contextlib.contextmanager
def enough_memory(utterances: int, longest: float) -> Iterator[None]:
    """A block that learns from some utterances at once, padded to the `longest` of them (s).

    Raises AsrError, saying which setting helps, where the GPU's memory is too small for them.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        advice = (
            f"train.device_seconds={utterances * longest / 2:.0f} takes the same steps in more parts"
            if utterances > 1
            else f"data.max_seconds={longest / 2:.0f} leaves out longer recordings"
        )
        raise AsrError(f"the GPU's memory is too small for {utterances * longest:.0f} s of audio at once: {advice}") from None
