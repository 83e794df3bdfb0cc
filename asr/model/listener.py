"""The listener: features to states, at a lower rate.

Shapes: B utterances, T frames, F mel bands, H units (2 x hidden, both directions). See Chan et al. 2016, section 3.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.config import ListenerConfig
from asr.model.autocast import own_precision, to_own


def real_frames(lengths: Tensor, frames: int) -> Tensor:
    """(B,) lengths -> (B, frames) bool, True where a frame is real and False where it is padding."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


class ConvStem(nn.Module):
    """3x3 convolutions over time and mel bands; each halves the bands and may halve the time.

    (B, T, F) -> (B, T', channels * F'). Padding is set back to zero after every convolution, so that it never leaks
    into an utterance.
    """

    def __init__(self, bands: int, config: ListenerConfig):
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
        x = features.unsqueeze(1)  # (B, 1, T, F)
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            x = torch.relu(convolution(x))
            lengths = (lengths + stride - 1) // stride
            x = x * real_frames(lengths, x.shape[2])[:, None, :, None]
        return x.transpose(1, 2).flatten(2), lengths


class BiLSTM(nn.Module):
    """A bidirectional LSTM over padded batches: (B, T, input) -> (B, T, 2 * hidden).

    The same as `nn.LSTM` over packed sequences, and twice as fast to train on a CPU: packing keeps oneDNN's kernels
    out. Each utterance is turned round within its own length, so that its padding comes last in both directions.
    """

    def __init__(self, size: int, hidden: int):
        super().__init__()
        self.ahead = nn.LSTM(size, hidden, batch_first=True)
        self.back = nn.LSTM(size, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        time = torch.arange(x.shape[1], device=x.device)
        turned = (lengths[:, None] - 1 - time).where(time < lengths[:, None], time)[:, :, None]  # its own inverse
        with own_precision(x):
            x = to_own(x, self.ahead)
            ahead, _ = self.ahead(x)
            back, _ = self.back(x.gather(1, turned.expand_as(x)))
        return torch.cat([ahead, back.gather(1, turned.expand_as(back))], dim=2)


class PyramidLayer(nn.Module):
    """Concatenate `factor` neighbouring frames, then BiLSTM, layer norm and dropout."""

    def __init__(self, size: int, hidden: int, factor: int, dropout: float):
        super().__init__()
        self.factor = factor
        self.lstm = BiLSTM(size * factor, hidden)
        self.norm = nn.LayerNorm(2 * hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if self.factor > 1:
            lengths = (lengths + self.factor - 1) // self.factor  # a last, partial group is filled with zeros
            x = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % self.factor))
            x = x.reshape(x.shape[0], -1, x.shape[2] * self.factor)
        x = self.dropout(self.norm(self.lstm(x, lengths)))
        return x * real_frames(lengths, x.shape[1])[:, :, None], lengths


class Listener(nn.Module):
    """Conv stem (optional) and a pyramid of BiLSTM layers: (B, T, F) -> (B, T / reduction, H)."""

    def __init__(self, bands: int, config: ListenerConfig):
        super().__init__()
        self.config = config
        self.stem = ConvStem(bands, config) if config.stem_channels else None
        size = self.stem.size if self.stem else bands
        self.layers = nn.ModuleList()
        for factor in config.pyramid:
            self.layers.append(PyramidLayer(size, config.hidden, factor, config.dropout))
            size = 2 * config.hidden
        self.size = size

    def state_lengths(self, frames: Tensor) -> Tensor:
        """Frames (any shape, integers) -> listener states."""
        for factor in (*self.config.stem_strides, *self.config.pyramid):
            frames = (frames + factor - 1) // factor
        return frames

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, F) and frames (B,) -> states (B, T', H), zero in the padding, and their lengths (B,)."""
        x = features
        if self.stem is not None:
            x, lengths = self.stem(x, lengths)
        for layer in self.layers:
            x, lengths = layer(x, lengths)
        return x, lengths
