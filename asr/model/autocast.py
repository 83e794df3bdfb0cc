"""LSTMs under mixed precision.

CUDA's autocast runs cuDNN's LSTMs in float16, whatever type it was asked for (`_cudnn_rnn_cast_reflatten` in PyTorch, up to 2.11 at least).
Training in bfloat16 has no loss scaling, so their gradients would silently be rounded away. They keep the type of their weights, in
which cuDNN computes with TF32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def own_precision(x: Tensor) -> AbstractContextManager[object]:
    """The context in which an LSTM hears `x`; give it `to_own` type there."""
    return torch.autocast("cuda", enabled=False) if x.is_cuda else nullcontext()


def to_own(x: Tensor, lstm: nn.Module) -> Tensor:
    """`x` in the type of the LSTM's weights on a GPU, as it is elsewhere: CPUs run LSTMs in the type that autocast was asked for."""
    return x.to(next(lstm.parameters()).dtype) if x.is_cuda else x
