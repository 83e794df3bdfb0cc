"""The front end against librosa, and its promise that padding changes nothing."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from asr.config import FrontendConfig
from asr.speech.frontend import LOG_FLOOR, LogMel


@pytest.fixture
def waveform() -> torch.Tensor:
    t = torch.arange(16_000) / 16_000
    return 0.3 * torch.sin(2 * torch.pi * (200 + 1500 * t) * t) + 0.01 * torch.randn(16_000, generator=torch.Generator().manual_seed(0))


def test_equals_librosa(waveform: torch.Tensor) -> None:
    config = FrontendConfig()
    ours = LogMel(config).log_mel(waveform[None])[0].numpy()
    power = librosa.feature.melspectrogram(
        y=waveform.numpy(),
        sr=16_000,
        n_fft=config.window,
        hop_length=config.hop,
        n_mels=80,
        fmin=config.low_hz,
        fmax=config.high_hz,
        center=False,
    )
    theirs = np.log(np.maximum(power, LOG_FLOOR)).T
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("mean_prior", [None, 0.0, 2.0])
def test_padding_changes_nothing(waveform: torch.Tensor, mean_prior: float | None) -> None:
    frontend = LogMel(FrontendConfig(mean_prior=mean_prior))
    short = waveform[:7_777]
    alone, alone_frames = frontend(short[None], torch.tensor([len(short)]))
    padded = torch.zeros(2, len(waveform))
    padded[0], padded[1, : len(short)] = waveform, short
    both, frames = frontend(padded, torch.tensor([len(waveform), len(short)]))
    assert frames[1] == alone_frames[0]
    torch.testing.assert_close(both[1, : frames[1]], alone[0])
    assert (both[1, frames[1] :] == 0).all()


@pytest.mark.parametrize("samples", [1, 160, 399, 400, 401, 560, 16_000])
def test_the_number_of_frames_is_exact(samples: int) -> None:
    frontend = LogMel(FrontendConfig())
    features, frames = frontend(torch.randn(1, samples), torch.tensor([samples]))
    assert features.shape[1] == int(frames[0]) == max(1, (samples - 400) // 160 + 1)


def test_fit_gives_zero_mean_and_unit_deviation(waveform: torch.Tensor) -> None:
    frontend = LogMel(FrontendConfig())
    raw = frontend.log_mel(waveform[None])[0].double()
    frontend.fit(raw.sum(0), raw.square().sum(0), len(raw))
    features, _ = frontend(waveform[None], torch.tensor([len(waveform)]))
    torch.testing.assert_close(features[0].mean(0), torch.zeros(80), atol=1e-3, rtol=0)
    torch.testing.assert_close(features[0].std(0, correction=0), torch.ones(80), atol=1e-3, rtol=0)


def test_own_mean_makes_loudness_and_tone_of_no_account(waveform: torch.Tensor) -> None:
    frontend, lengths = LogMel(FrontendConfig(mean_prior=0.0)), torch.tensor([len(waveform)])
    quiet = torch.nn.functional.conv1d(0.2 * waveform[None, None], torch.tensor([[[0.3, 1.0]]]), padding=1)[0, 0, : len(waveform)]
    features, other = frontend(waveform[None], lengths)[0], frontend(quiet[None], lengths)[0]
    torch.testing.assert_close(features.mean(1), torch.zeros(1, 80), atol=1e-4, rtol=0)
    assert (features - other)[0, 2:].abs().mean() < 0.05
    plain = LogMel(FrontendConfig())
    assert (plain(waveform[None], lengths)[0] - plain(quiet[None], lengths)[0])[0, 2:].abs().mean() > 1


def test_prior_is_so_many_seconds_of_the_training_mean(waveform: torch.Tensor) -> None:
    frontend = LogMel(FrontendConfig(mean_prior=0.5))
    frontend.mean.copy_(torch.linspace(-12, 3, 80))
    frontend.deviation.fill_(2.0)
    raw = frontend.log_mel(waveform[None])[0]  # (98, 80): 0.98 s
    centre = torch.cat([raw, frontend.mean.expand(50, 80)]).mean(0)
    torch.testing.assert_close(frontend(waveform[None], torch.tensor([len(waveform)]))[0][0], (raw - centre) / 2, atol=1e-4, rtol=0)


def test_silence_is_finite() -> None:
    features, _ = LogMel(FrontendConfig())(torch.zeros(1, 4_000), torch.tensor([4_000]))
    assert torch.isfinite(features).all()
