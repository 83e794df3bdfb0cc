"""LSTMs: over padded batches in both directions, and under mixed precision.

CUDA's autocast runs cuDNN's LSTMs in float16, even if it is asked for bfloat16 (`_cudnn_rnn_cast_reflatten` in PyTorch). Training in
bfloat16 has no loss scaling, so their gradients would silently underflow. On a GPU, LSTMs therefore run in the type of their weights, for
which cuDNN uses TF32.

Shapes: B utterances, T frames.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Disable CUDA autocast around an LSTM call. Cast the input with `as_weights` inside. No effect on a CPU."""
    return torch.autocast("cuda", enabled=False) if x.is_cuda else nullcontext()


def as_weights(x: Tensor, lstm: nn.Module) -> Tensor:
    """Cast `x` to the type of an LSTM's weights on a GPU. On a CPU, return it unchanged: autocast works there."""
    return x.to(next(lstm.parameters()).dtype) if x.is_cuda else x


class BiLSTM(nn.Module):
    """Bidirectional LSTM over padded batches.

    Equivalent to `nn.LSTM` over packed sequences, which cannot use oneDNN's kernels on a CPU. Each utterance is reversed within its own
    length, so padding comes last in both directions.
    """

    def __init__(self, size: int, hidden: int):
        super().__init__()
        self.ahead = nn.LSTM(size, hidden, batch_first=True)
        self.back = nn.LSTM(size, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Run both directions.

        Args:
            x: (B, T, size).
            lengths: (B,) real frames.

        Returns:
            (B, T, 2 * hidden), forward units first.
        """
        time = torch.arange(x.shape[1], device=x.device)
        reverse = (lengths[:, None] - 1 - time).where(time < lengths[:, None], time)[:, :, None]  # its own inverse
        with without_autocast(x):
            x = as_weights(x, self.ahead)
            ahead, _ = self.ahead(x)
            back, _ = self.back(x.gather(1, reverse.expand_as(x)))
        return torch.cat([ahead, back.gather(1, reverse.expand_as(back))], dim=2)
