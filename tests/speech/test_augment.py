"""Augmentation: what is drawn stays within what was asked, and depends on the utterance alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asr.config import AugmentConfig
from asr.errors import ConfigError
from asr.speech.augment import WaveformAugmenter, add_noise, augment_features, dice_needed, warp_bands

PLAIN = AugmentConfig(speeds=(), gain_db=0, warp=0, frequency_masks=0, time_masks=0)


def dice(batch: int, config: AugmentConfig, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, dice_needed(config), generator=torch.Generator().manual_seed(seed))


def test_masks_stay_within_their_widths() -> None:
    config = PLAIN.model_copy(update={"frequency_masks": 1, "frequency_width": 9, "time_masks": 1, "time_width": 30, "time_share": 0.2})
    frames = torch.full((300,), 100)
    masked = augment_features(torch.ones(300, 100, 80), frames, dice(300, config), config) == 0
    bands = masked.all(1).sum(1)  # (300,) hidden bands
    times = masked.all(2).sum(1)  # (300,) hidden frames
    assert bands.max() == 9
    assert bands.min() == 0
    assert times.max() == 20  # time_share of 100 frames, less than time_width
    edges = masked.all(1).int().diff(dim=1).abs().sum(1)
    assert edges.max() <= 2  # one stretch, not scattered bands


def test_time_masks_reach_every_frame_of_a_short_utterance_and_none_beyond_it() -> None:
    config = PLAIN.model_copy(update={"time_masks": 1, "time_width": 50, "time_share": 1.0})
    frames = torch.full((500,), 40)
    masked = augment_features(torch.ones(500, 100, 8), frames, dice(500, config), config)[:, :, 0] == 0
    assert masked[:, :40].any(0).all()
    assert not masked[:, 40:].any()


def test_features_do_not_depend_on_the_batch() -> None:
    config = AugmentConfig()
    features, rolls = torch.randn(3, 50, 80), dice(3, config)
    frames = torch.tensor([50, 50, 50])
    together = augment_features(features, frames, rolls, config)
    for i in range(3):
        torch.testing.assert_close(augment_features(features[i : i + 1], frames[i : i + 1], rolls[i : i + 1], config)[0], together[i])


def test_warp_moves_a_band_by_its_factor() -> None:
    features = torch.zeros(2, 1, 80)
    features[:, 0, 40] = 1.0
    warped = warp_bands(features, torch.tensor([1.0, 0.8]))
    assert warped[0, 0].argmax() == 40
    assert warped[1, 0].argmax() == 50


def test_noise_has_the_ratio_asked_for() -> None:
    random = torch.Generator().manual_seed(0)
    speech, noise = torch.randn(16_000, generator=random), 3 * torch.randn(16_000, generator=random)
    added = add_noise(speech, noise, 10.0) - speech
    ratio = 10 * torch.log10(speech.square().sum() / added.square().sum())
    assert float(ratio) == pytest.approx(10.0, abs=0.01)


def test_speed_changes_length_and_pitch_together() -> None:
    config = PLAIN.model_copy(update={"speeds": (1.1,)})
    tone = torch.sin(2 * torch.pi * 500 * torch.arange(16_000) / 16_000)
    faster = WaveformAugmenter(config, 16_000)(tone, np.random.default_rng(0))
    assert len(faster) == pytest.approx(16_000 / 1.1, abs=2)
    peak = torch.fft.rfft(faster).abs().argmax() * 16_000 / len(faster)
    assert float(peak) == pytest.approx(550, abs=2)


def test_same_dice_same_audio(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(5_000), 16_000)
    manifest = tmp_path / "noise.json"
    manifest.write_text(json.dumps({"audio_filepath": "noise.wav"}), encoding="utf-8")
    config = AugmentConfig(noise=(manifest,), noise_probability=1.0)
    augmenter = WaveformAugmenter(config, 16_000)
    speech = 0.1 * torch.randn(12_000)
    first, again = (augmenter(speech, np.random.default_rng(7)) for _ in range(2))
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, augmenter(speech, np.random.default_rng(8))[: len(first)])
    assert first.abs().max() <= 1


def test_noise_without_recordings_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"augment\.noise"):
        WaveformAugmenter(AugmentConfig(noise_probability=0.5), 16_000)
