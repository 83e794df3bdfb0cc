"""What fits into a GPU's memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from asr.errors import AsrError


@contextlib.contextmanager
def enough_memory(seconds: float, device_seconds: float) -> Iterator[None]:
    """A block that learns from so many seconds of audio at once, of the `train.device_seconds` that it may be.

    Raises AsrError, saying which setting helps, where the GPU's memory is too small for them.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise AsrError(
            f"the GPU's memory is too small for {seconds:.0f} s of audio at once: train.device_seconds={device_seconds / 2:g} (now "
            f"{device_seconds:g}) takes the same steps in more parts"
        ) from None
