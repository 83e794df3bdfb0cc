"""Augmentation of the training data.

Random draws depend on the seed, the epoch and the utterance alone, not on batches or processes. Waveforms are augmented where they are
loaded. Features are augmented in batches on the model's device, with uniform random numbers (`draws`) drawn at loading.

Shapes: B utterances, N samples, T frames, F mel bands, M masks.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache

import numpy as np
import torch
import torchaudio
from torch import Tensor

from asr.config import AugmentConfig, FrontendConfig
from asr.errors import AudioError, ConfigError
from asr.speech.audio import load_audio, probe
from asr.speech.frontend import band_centres
from asr.speech.manifest import Utterance, part_seconds, read_manifest

CACHED_NOISES = 1024  # decoded noise recordings in memory
CUTOFF = 0.6  # fraction of the upper band edge up to which vocal tract length perturbation scales linearly
SILENCE = 1e-10  # mean square, 10 dB below the last of 16 bits; codec residue of silence must not be amplified
CACHED_SECONDS = 10.0  # longest cached noise: at most 0.66 GB per process at 16 kHz; of longer ones a part is read each time


def draws_needed(config: AugmentConfig) -> int:
    """Return how many uniform random numbers `augment_features` needs per utterance."""
    return 1 + 2 * (config.frequency_masks + config.time_masks)


class WaveformAugmenter:
    """Augmentation of waveforms: speed, loudness and noise. Raises ConfigError if there are no noise recordings, or unusable ones."""

    def __init__(self, config: AugmentConfig, sample_rate: int):
        self.config, self.sample_rate = config, sample_rate
        self.noises = [noise for path in config.noise for noise in read_manifest(path)]
        if config.noise_probability > 0 and not self.noises:
            raise ConfigError("augment.noise_probability is above 0, but augment.noise names no recordings")
        self.seconds: list[float] = []  # length of each noise recording (s)
        if config.noise_probability > 0:
            lengths, found = zip(*map(_length, self.noises), strict=True)
            if problems := [problem for problem in found if problem]:
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                raise ConfigError(f"augment.noise: {problems[0]}{more}: remove it from the manifest")
            self.seconds = list(lengths)

    @property
    def slowest(self) -> float:
        """Smallest speed factor. It makes an utterance longest."""
        return min(self.config.speeds, default=1.0)

    @property
    def fastest(self) -> float:
        """Largest speed factor."""
        return max(self.config.speeds, default=1.0)

    def __call__(self, samples: Tensor, random: np.random.Generator) -> Tensor:
        """Augment samples: (N,) -> (N',)."""
        c = self.config
        if c.speeds:
            speed = c.speeds[random.integers(len(c.speeds))]
            if speed != 1.0:
                samples = _resampler(round(self.sample_rate * speed), self.sample_rate)(samples)
        if random.random() < c.noise_probability:
            snr = random.uniform(*c.noise_snr_db)
            samples = add_noise(samples, self._noise(len(samples), random), snr)
        if c.gain_db:
            samples = samples * 10 ** (random.uniform(-c.gain_db, c.gain_db) / 20)
        peak = float(samples.abs().max())
        return samples / peak if peak > 1 else samples

    def _noise(self, length: int, random: np.random.Generator) -> Tensor:
        """Return samples (length,) from a random position of a random noise recording, repeated if it is too short."""
        i = random.integers(len(self.noises))
        noise, seconds = self.noises[i], self.seconds[i]
        if seconds > CACHED_SECONDS:
            start = int(random.integers(round(seconds * self.sample_rate)))
            samples = _part(noise, self.sample_rate, start / self.sample_rate, seconds, length)
            return samples[torch.arange(length) % len(samples)]
        samples = _whole_recording(noise, self.sample_rate)
        start = int(random.integers(len(samples)))
        return samples[(start + torch.arange(length)) % len(samples)]


def add_noise(samples: Tensor, noise: Tensor, snr_db: float) -> Tensor:
    """Add noise (N,) to samples (N,) at the signal-to-noise ratio `snr_db` (dB, over the whole utterance). Silent noise is not added."""
    if noise.square().mean() < SILENCE:
        return samples
    return torchaudio.functional.add_noise(samples, noise, torch.tensor(snr_db))


def augment_features(features: Tensor, frames: Tensor, draws: Tensor, config: AugmentConfig, frontend: FrontendConfig) -> Tensor:
    """Apply vocal tract length perturbation and SpecAugment. Masked values are 0, the mean after CMVN.

    Args:
        features: (B, T, F).
        frames: (B,) real frames.
        draws: (B, `draws_needed`) random numbers in [0, 1).
        config: Methods and their ranges.
        frontend: Front end of the features.

    Returns:
        (B, T, F).
    """
    stretch, f, t = draws.split([1, 2 * config.frequency_masks, 2 * config.time_masks], dim=1)
    if config.warp:
        features = warp_bands(features, 1 + config.warp * (2 * stretch.squeeze(1) - 1), frontend)
    bands = torch.full_like(frames, features.shape[2])
    longest = torch.full_like(frames, config.time_width).minimum((config.time_share * frames).long())
    masked = _masks(features.shape[2], bands, torch.full_like(frames, config.frequency_width), f)[:, None, :]
    masked = masked | _masks(features.shape[1], frames, longest, t)[:, :, None]
    return features.masked_fill(masked, 0.0)


def warp_bands(features: Tensor, factors: Tensor, frontend: FrontendConfig) -> Tensor:
    """Vocal tract length perturbation: scale the frequency axis of each utterance.

    The band centred at f takes the value at the frequency `warp_hz(f)`, interpolated linearly between the two bands around it.

    Args:
        features: (B, T, F).
        factors: (B,), each above 0; 1.1 moves a formant at 1100 Hz to 1000 Hz.
        frontend: Front end of the features.

    Returns:
        (B, T, F).
    """
    if features.shape[2] < 2:
        return features
    centres = _centres(frontend, features.device)
    source = warp_hz(centres, factors[:, None], frontend.high_hz).clamp(centres[0], centres[-1])  # (B, F)
    high = torch.searchsorted(centres, source).clamp(1, len(centres) - 1)
    weight = (source - centres[high - 1]) / (centres[high] - centres[high - 1])
    high = high[:, None].expand_as(features)
    return torch.lerp(features.gather(2, high - 1), features.gather(2, high), weight[:, None].to(features.dtype))


def warp_hz(hz: Tensor, factors: Tensor, edge: float) -> Tensor:
    """Piecewise linear map of frequencies (Hz) by Jaitly and Hinton (2013), equation 1. `hz` and `factors` broadcast.

    Frequencies are scaled by the factor up to 0.6 of the upper band `edge`, as in the paper (4.8 of 8 kHz); the limit holds for frequencies and
    their images. Above, the map is linear to the edge, which maps to itself.
    """
    image = CUTOFF * edge * factors.clamp(max=1.0)  # image of the frequency where the slope changes
    cutoff = image / factors
    return torch.where(hz <= cutoff, hz * factors, edge - (edge - image) / (edge - cutoff) * (edge - hz))


def _masks(size: int, extent: Tensor, widest: Tensor, draws: Tensor) -> Tensor:
    """Return the union of M masks on an axis of `size`: extents (B,), maximum widths (B,), draws (B, 2M) -> (B, size) bool, True if masked."""
    if draws.shape[1] == 0:
        return torch.zeros(len(extent), size, dtype=torch.bool, device=extent.device)
    width_draws, start_draws = draws.chunk(2, dim=1)  # (B, M) each
    width = (width_draws * (widest[:, None] + 1)).long().minimum(extent[:, None])
    start = (start_draws * (extent[:, None] - width + 1)).long()
    at = torch.arange(size, device=extent.device)
    return ((at >= start[..., None]) & (at < (start + width)[..., None])).any(1)


def _length(noise: Utterance) -> tuple[float, str | None]:
    """Return the length of a noise recording (s), and why it cannot be used, so that training fails at its start."""
    try:
        seconds, problem = part_seconds(noise, probe(noise.audio_filepath, noise.track).seconds)
        return seconds, f"{noise.audio_filepath}: {problem}" if problem else None
    except AudioError as e:
        return 0.0, str(e)


@lru_cache(maxsize=16)
def _centres(frontend: FrontendConfig, device: torch.device) -> Tensor:
    return band_centres(frontend).to(device)


@lru_cache(maxsize=16)
def _resampler(from_rate: int, to_rate: int) -> torchaudio.transforms.Resample:
    return torchaudio.transforms.Resample(from_rate, to_rate)


@lru_cache(maxsize=CACHED_NOISES)
def _whole_recording(noise: Utterance, sample_rate: int) -> Tensor:
    return torch.from_numpy(load_audio(noise.audio_filepath, sample_rate, noise.offset, noise.duration, track=noise.track))


def _part(noise: Utterance, sample_rate: int, start: float, seconds: float, length: int) -> Tensor:
    """Read at least `length` samples of a recording of `seconds` starting at `start` (s), wrapping to its beginning."""
    wanted = length / sample_rate
    samples = np.zeros(0, np.float32)
    with contextlib.suppress(AudioError):  # the file ends before the length in its header
        samples = load_audio(noise.audio_filepath, sample_rate, noise.offset + start, min(wanted, seconds - start), track=noise.track)
    if len(samples) < length:
        again = load_audio(noise.audio_filepath, sample_rate, noise.offset, min(wanted, seconds), track=noise.track)
        samples = np.concatenate([samples, again])
    return torch.from_numpy(samples)
