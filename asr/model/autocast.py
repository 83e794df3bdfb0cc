"""LSTMs under mixed precision.

CUDA's autocast runs cuDNN's LSTMs in float16, whatever type it was asked for (`_cudnn_rnn_cast_reflatten` in PyTorch, up to 2.11 at least).
Training in bfloat16 has no loss scaling, so their gradients would silently be rounded away. They keep the type of their weights, in
which cuDNN computes with TF32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def own_precision(weight: Tensor) -> AbstractContextManager[object]:
    """The context for an LSTM of such weights; what it is given must be `to_own` type."""
    return torch.autocast("cuda", enabled=False) if weight.is_cuda else nullcontext()


def to_own(x: Tensor, weight: Tensor) -> Tensor:
    """`x` in the type of the weights on a GPU, as it is elsewhere: CPUs run LSTMs in the type that autocast was asked for."""
    return x.to(weight.dtype) if weight.is_cuda else x
