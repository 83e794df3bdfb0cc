"""What the blocks (listener, attention, speller, language model) have in common.

Shapes: B utterances, T frames or states.
"""

from __future__ import annotations

from abc import ABC
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn


class Block(nn.Module, ABC):
    """Base class of the exchangeable networks."""

    int8_types: ClassVar[frozenset[type[nn.Module]]] = frozenset({nn.LSTM, nn.LSTMCell, nn.Linear})
    """Types of its submodules that int8 replaces by quantised ones. Call these modules only: a quantised one has no `weight` tensor."""


class StateLayout(NamedTuple):
    """The layout of a listener's state vectors."""

    size: int
    """Dimension H."""
    backward: int = 0
    """Number of units, the last ones of a state, that run backward in time. Their final value is in the first state."""


def real_frames(lengths: Tensor, frames: int) -> Tensor:
    """Return the mask of real frames.

    Args:
        lengths: (B,) number of real frames.
        frames: T.

    Returns:
        (B, T) bool, False in the padding.
    """
    return torch.arange(frames, device=lengths.device) < lengths[:, None]
