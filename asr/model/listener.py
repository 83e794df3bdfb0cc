"""The listener protocol: an encoder of features to states, usually at a lower rate.

Shapes: B utterances, T frames, F mel bands, T' states, H their size.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from asr.model.block import Block, StateLayout


class Listener(Block):
    """An encoder. A kind is constructed with the number of mel bands F and its config, and sets `layout` and `layers`.

    Results must not depend on padding or on the other utterances of a batch.
    """

    layout: StateLayout
    """Layout of the states, after every layer."""
    layers: nn.ModuleList
    """Layers in order. Each returns its states (B, T', H) and their lengths (B,) from `forward`; a teacher's loss reads them there."""

    @abstractmethod
    def state_lengths(self, frames: Tensor) -> Tensor:
        """Return the number of states for numbers of frames (integers, any shape)."""

    @abstractmethod
    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode features.

        Args:
            features: (B, T, F), zero in the padding.
            lengths: (B,) frames.

        Returns:
            States (B, T', H), zero in the padding, and their lengths (B,).
        """
