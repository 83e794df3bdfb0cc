"""Log-mel features of waveforms, in batches on the model's device.

Shapes: B utterances, N samples, T frames, F mel bands.
"""

from __future__ import annotations

import math

import torch
import torchaudio
from torch import Tensor, nn

from asr.config import FrontendConfig

LOG_FLOOR = 1e-8  # minimum power of a band, about the noise of 16-bit samples


def band_centres(config: FrontendConfig) -> Tensor:
    """Return the centre frequencies (F,) of the mel bands (Hz), evenly spaced on Slaney's scale: linear below 1 kHz, logarithmic above."""
    edges = torch.tensor([config.low_hz, config.high_hz], dtype=torch.float64)
    octave = 27 / math.log(6.4)  # mels from 1 kHz to e kHz
    mels = torch.where(edges < 1000, edges * 3 / 200, 15 + octave * (edges / 1000).log())
    points = torch.linspace(float(mels[0]), float(mels[1]), config.mels + 2, dtype=torch.float64)[1:-1]
    return torch.where(points < 15, points * 200 / 3, 1000 * ((points - 15) / octave).exp()).float()


class LogMel(nn.Module):
    """Log-mel power spectrogram with global mean and variance normalisation (CMVN).

    With a `mean_prior`, the mean of each band over the utterance is subtracted too, which removes the loudness and the microphone of the
    recording. It is shrunk towards the global mean, since the mean of a short utterance depends on its words.

    Only complete windows of an utterance's own samples become frames, so padding changes nothing.
    """

    filters: Tensor  # (window // 2 + 1, F)
    hann: Tensor  # (window,)
    mean: Tensor  # (F,)
    deviation: Tensor  # (F,)

    def __init__(self, config: FrontendConfig):
        super().__init__()
        self.config = config
        with torch.device("cpu"):  # computed from the config even if the network is built on the meta device
            filters = torchaudio.functional.melscale_fbanks(
                n_freqs=config.window // 2 + 1, f_min=config.low_hz, f_max=config.high_hz, n_mels=config.mels,
                sample_rate=config.sample_rate, norm="slaney", mel_scale="slaney",
            )  # fmt: skip
            hann = torch.hann_window(config.window)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("hann", hann, persistent=False)
        self.register_buffer("mean", torch.zeros(config.mels))
        self.register_buffer("deviation", torch.ones(config.mels))

    def frames(self, samples: Tensor) -> Tensor:
        """Return the number of frames for numbers of samples (integers, any shape). At least 1, even for less than a window."""
        return ((samples - self.config.window) // self.config.hop + 1).clamp(min=1)

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """Return the natural logarithm of the mel power (B, T, F) of samples (B, N) in [-1, 1], before normalisation."""
        window, hop = self.config.window, self.config.hop
        if waveforms.shape[1] < window:
            waveforms = nn.functional.pad(waveforms, (0, window - waveforms.shape[1]))
        spectrum = torch.stft(waveforms, window, hop, window=self.hann, center=False, return_complex=True)  # (B, bins, T)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power.transpose(1, 2) @ self.filters).clamp(min=LOG_FLOOR).log()

    @torch.no_grad()
    def forward(self, waveforms: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features.

        Args:
            waveforms: (B, N) in [-1, 1].
            samples: (B,) real samples.

        Returns:
            Features (B, T, F), zero in the padding, and frames (B,).
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            features = (self.log_mel(waveforms.float()) - self.mean) / self.deviation
        frames = self.frames(samples)
        features = features[:, : int(frames.max())]
        padding = (torch.arange(features.shape[1], device=features.device) >= frames[:, None])[:, :, None]
        features = features.masked_fill(padding, 0.0)
        if self.config.mean_prior is not None:
            prior = self.config.mean_prior * self.config.sample_rate / self.config.hop  # frames; the global mean is zero here
            features = (features - features.sum(1, keepdim=True) / (frames + prior)[:, None, None]).masked_fill(padding, 0.0)
        return features, frames

    @torch.no_grad()
    def fit(self, total: Tensor, total_of_squares: Tensor, frames: int) -> None:
        """Set the normalisation from the sums (F,) of `log_mel` and of its squares over `frames` frames."""
        mean = total / frames
        variance = total_of_squares / frames - mean.square()
        self.mean.copy_(mean)
        self.deviation.copy_(variance.clamp(min=1e-4).sqrt())
