"""Augmentation: what is drawn stays within what was asked, and depends on the utterance alone."""

from __future__ import annotations

import json
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch

from asr.config import AugmentConfig, FrontendConfig
from asr.errors import ConfigError
from asr.speech import augment
from asr.speech.audio import load_audio
from asr.speech.augment import WaveformAugmenter, add_noise, augment_features, draws_needed, warp_bands
from asr.speech.frontend import band_centres

PLAIN = AugmentConfig(speeds=(), gain_db=0, warp=0, frequency_masks=0, time_masks=0)


def draws(batch: int, config: AugmentConfig, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, draws_needed(config), generator=torch.Generator().manual_seed(seed))


def test_masks_stay_within_their_widths() -> None:
    config = PLAIN.model_copy(update={"frequency_masks": 1, "frequency_width": 9, "time_masks": 1, "time_width": 30, "time_share": 0.2})
    frames = torch.full((300,), 100)
    masked = augment_features(torch.ones(300, 100, 80), frames, draws(300, config), config, FrontendConfig()) == 0
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
    masked = augment_features(torch.ones(500, 100, 8), frames, draws(500, config), config, FrontendConfig(mels=8))[:, :, 0] == 0
    assert masked[:, :40].any(0).all()
    assert not masked[:, 40:].any()


def test_features_do_not_depend_on_the_batch() -> None:
    config = AugmentConfig()
    features, rolls = torch.randn(3, 50, 80), draws(3, config)
    frames = torch.tensor([50, 50, 50])
    together = augment_features(features, frames, rolls, config, FrontendConfig())
    for i in range(3):
        alone = augment_features(features[i : i + 1], frames[i : i + 1], rolls[i : i + 1], config, FrontendConfig())
        torch.testing.assert_close(alone[0], together[i])


@pytest.mark.parametrize("frontend", [FrontendConfig(), FrontendConfig(sample_rate=8000, mels=40, low_hz=100, high_hz=3700)])
def test_warp_scales_frequencies_as_the_paper_says(frontend: FrontendConfig) -> None:
    """Against librosa's band centres, the paper's equation written for one frequency, and NumPy's interpolation."""
    centres = librosa.mel_frequencies(frontend.mels + 2, fmin=frontend.low_hz, fmax=frontend.high_hz)[1:-1]
    top, high = frontend.high_hz, 0.6 * frontend.high_hz

    def warped(f: float, factor: float) -> float:
        if f <= high * min(factor, 1) / factor:
            return f * factor
        return top - (top - high * min(factor, 1)) / (top - high * min(factor, 1) / factor) * (top - f)

    factors = [0.9, 0.97, 1.0, 1.04, 1.1]
    features = torch.randn(len(factors), 7, frontend.mels, generator=torch.Generator().manual_seed(0))
    result = warp_bands(features, torch.tensor(factors), frontend)
    for row, factor in enumerate(factors):
        places = [warped(f, factor) for f in centres]
        assert warped(top, factor) == pytest.approx(top)
        for frame in range(7):
            expected = np.interp(places, centres, features[row, frame].numpy())
            np.testing.assert_allclose(result[row, frame].numpy(), expected, atol=2e-3)
    torch.testing.assert_close(result[2], features[2], atol=1e-4, rtol=0)


def test_a_formant_moves_by_no_more_than_the_warp() -> None:
    """By the largest factors that `warp: 0.1` draws: by a tenth of its frequency, and less towards the edge."""
    config, frontend = PLAIN.model_copy(update={"warp": 0.1}), FrontendConfig(mels=1000)
    centres = band_centres(frontend)
    for hz in (500.0, 1000.0, 2000.0, 4000.0, 7000.0):
        formant = -(centres / hz).log().square()
        warped = augment_features(
            formant.expand(3, 1, -1), torch.ones(3, dtype=torch.long), torch.tensor([[0.0], [0.5], [1.0]]), config, frontend
        )
        low, same, high = centres[warped[:, 0].argmax(1)].tolist()
        assert same == pytest.approx(hz, rel=0.005)
        if hz < 4500:
            assert [low, high] == pytest.approx([hz / 0.9, hz / 1.1], rel=0.005)
        else:
            assert hz / 1.1 < high < same < low < hz / 0.9


def test_noise_has_the_ratio_asked_for() -> None:
    random = torch.Generator().manual_seed(0)
    speech, noise = torch.randn(16_000, generator=random), 3 * torch.randn(16_000, generator=random)
    added = add_noise(speech, noise, 10.0) - speech
    ratio = 10 * torch.log10(speech.square().sum() / added.square().sum())
    assert float(ratio) == pytest.approx(10.0, abs=0.01)


def test_noise_is_as_loud_as_asked_for_and_as_frequent(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(5_000), 16_000)
    config = noise_of(tmp_path, audio_filepath="noise.wav").model_copy(update={"noise_probability": 0.5, "noise_snr_db": (3.0, 9.0)})
    augmenter = WaveformAugmenter(config, 16_000)
    speech = 0.01 * torch.randn(4_000, generator=torch.Generator().manual_seed(0))
    heard = [augmenter(speech, np.random.default_rng(seed)) for seed in range(200)]
    ratios = [decibels(speech, samples - speech) for samples in heard if not torch.equal(samples, speech)]
    assert 70 < len(ratios) < 130
    assert 2.9 < min(ratios) < 3.5
    assert 8.5 < max(ratios) < 9.1


@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-6])  # digital silence, and what codecs leave of it
def test_silence_adds_nothing(level: float) -> None:
    speech, noise = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(add_noise(speech, level * noise, 5.0), speech)
    assert not torch.equal(add_noise(speech, 3e-5 * noise, 5.0), speech)  # the last of 16 bits


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


def decibels(samples: torch.Tensor, reference: torch.Tensor) -> float:
    return float(10 * torch.log10(samples.square().sum() / reference.square().sum()))


def test_loudness_changes_up_and_down_by_no_more_than_asked_for() -> None:
    augmenter = WaveformAugmenter(PLAIN.model_copy(update={"gain_db": 6.0}), 16_000)
    speech = 0.01 * torch.randn(1_000, generator=torch.Generator().manual_seed(0))
    gains = [decibels(augmenter(speech, np.random.default_rng(seed)), speech) for seed in range(200)]
    assert -6.01 < min(gains) < -5.5
    assert 5.5 < max(gains) < 6.01


def test_clipping_is_avoided_by_scaling_the_whole() -> None:
    augmenter = WaveformAugmenter(PLAIN.model_copy(update={"gain_db": 6.0}), 16_000)
    speech = 0.9 * torch.sin(torch.arange(1_000) / 7)
    heard = [augmenter(speech, np.random.default_rng(seed)) for seed in range(50)]
    peaks = [float(samples.abs().max()) for samples in heard]
    assert max(peaks) == 1
    assert 10 < peaks.count(1.0) < 40  # it is quiet enough as it is where it was made quieter
    for samples, peak in zip(heard, peaks, strict=True):
        torch.testing.assert_close(samples / peak, speech / speech.abs().max())  # the shape is kept, nothing is cut off


def test_noise_without_recordings_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"augment\.noise"):
        WaveformAugmenter(AugmentConfig(noise_probability=0.5), 16_000)


def ramp(path: Path, seconds: int) -> np.ndarray:
    """Write a recording of which every second is another, and return it."""
    samples = np.arange(seconds * 16_000) // 16 + 1
    soundfile.write(path, samples.astype(np.int16), 16_000)
    return samples / np.float32(32_768)


def noise_of(folder: Path, **line: object) -> AugmentConfig:
    """Nothing but noise: of the one recording that the line names."""
    (folder / "noise.json").write_text(json.dumps(line), encoding="utf-8")
    return PLAIN.model_copy(update={"noise": (folder / "noise.json",), "noise_probability": 1.0})


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Lengths of all that augmentation decodes (s)."""
    seconds: list[float] = []

    def counted(path: Path, rate: int, offset: float, duration: float | None, track: int | None) -> np.ndarray:
        samples = load_audio(path, rate, offset, duration)
        seconds.append(len(samples) / rate)
        return samples

    monkeypatch.setattr(augment, "load_audio", counted)
    return seconds


def test_only_the_used_part_of_a_long_noise_is_read(tmp_path: Path, decoded: list[float]) -> None:
    part = ramp(tmp_path / "long.wav", 30)[5 * 16_000 : 25 * 16_000]
    augmenter = WaveformAugmenter(noise_of(tmp_path, audio_filepath="long.wav", offset=5, duration=20), 16_000)
    past_the_end = 0
    for seed in range(20):
        noise = augmenter._noise(4 * 16_000, np.random.default_rng(seed)).numpy()
        random = np.random.default_rng(seed)
        random.integers(1)  # which recording
        start = random.integers(len(part))
        assert np.array_equal(noise, part[(start + np.arange(len(noise))) % len(part)]), seed
        past_the_end += start + len(noise) > len(part)
    assert 0 < past_the_end < 20
    assert max(decoded) <= 4
    assert len(augmenter._noise(50 * 16_000, np.random.default_rng(0))) == 50 * 16_000  # longer than all of it


def test_a_short_noise_is_decoded_once(tmp_path: Path, decoded: list[float]) -> None:
    whole = ramp(tmp_path / "short.wav", 5)
    augmenter = WaveformAugmenter(noise_of(tmp_path, audio_filepath="short.wav"), 16_000)
    for seed in range(5):
        noise = augmenter._noise(16_000, np.random.default_rng(seed)).numpy()
        assert set(noise) < set(whole)
    assert decoded == [5.0]


def test_a_truncated_noise_is_used_to_its_end(tmp_path: Path) -> None:
    whole = ramp(tmp_path / "long.flac", 30)
    content = (tmp_path / "long.flac").read_bytes()
    (tmp_path / "long.flac").write_bytes(content[: len(content) // 3])
    augmenter = WaveformAugmenter(noise_of(tmp_path, audio_filepath="long.flac"), 16_000)
    for seed in range(10):
        noise = augmenter._noise(2 * 16_000, np.random.default_rng(seed)).numpy()
        assert set(noise) < set(whole[: 15 * 16_000]), seed
