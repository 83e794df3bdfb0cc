"""The pyramidal BiLSTM listener of Chan et al. 2016, section 3.1.

Shapes: B utterances, T frames, F mel bands, T' states, H units (2 x hidden, forward ones first).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.config import PyramidConfig
from asr.model.block import StateLayout, real_frames
from asr.model.listener import Listener
from asr.model.lstm import BiLSTM


class ConvStem(nn.Module):
    """3x3 convolutions over time and mel bands. Each halves the bands and may halve the frame rate.

    Padding is reset to zero after every convolution, so it never leaks into an utterance.
    """

    def __init__(self, bands: int, config: PyramidConfig):
        super().__init__()
        self.strides = config.stem_strides
        channels = [1, *config.stem_channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], kernel_size=3, stride=(stride, 2), padding=1) for i, stride in enumerate(self.strides)
        )
        for _ in self.strides:
            bands = (bands + 1) // 2
        self.size = channels[-1] * bands

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) -> (B, T', channels * F')."""
        x = features.unsqueeze(1)  # (B, 1, T, F)
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            x = torch.relu(convolution(x))
            lengths = (lengths + stride - 1) // stride
            x = x * real_frames(lengths, x.shape[2])[:, None, :, None]
        return x.transpose(1, 2).flatten(2), lengths


class PyramidLayer(nn.Module):
    """Concatenate `factor` neighbouring frames; BiLSTM; layer norm; dropout."""

    def __init__(self, size: int, hidden: int, factor: int, dropout: float):
        super().__init__()
        self.factor = factor
        self.lstm = BiLSTM(size * factor, hidden)
        self.norm = nn.LayerNorm(2 * hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, size) -> (B, T / factor, 2 * hidden)."""
        if self.factor > 1:
            lengths = (lengths + self.factor - 1) // self.factor  # zeros complete the last group
            x = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % self.factor))
            x = x.reshape(x.shape[0], -1, x.shape[2] * self.factor)
        x = self.dropout(self.norm(self.lstm(x, lengths)))
        return x * real_frames(lengths, x.shape[1])[:, :, None], lengths


class PyramidListener(Listener):
    """Optional convolutional stem and a pyramid of BiLSTM layers."""

    def __init__(self, bands: int, config: PyramidConfig):
        super().__init__()
        self.config = config
        self.layout = StateLayout(config.size, backward=config.hidden)
        self.stem = ConvStem(bands, config) if config.stem_channels else None
        size = self.stem.size if self.stem else bands
        self.layers = nn.ModuleList()
        for factor in config.pyramid:
            self.layers.append(PyramidLayer(size, config.hidden, factor, config.dropout))
            size = config.size

    def state_lengths(self, frames: Tensor) -> Tensor:
        for factor in (*self.config.stem_strides, *self.config.pyramid):
            frames = (frames + factor - 1) // factor
        return frames

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = features
        if self.stem is not None:
            x, lengths = self.stem(x, lengths)
        for layer in self.layers:
            x, lengths = layer(x, lengths)
        return x, lengths
