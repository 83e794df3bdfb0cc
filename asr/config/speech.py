"""Sections for audio: log-mel features, segmentation of long recordings, and augmentation of the training data."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from asr.config.section import (
    Fraction,
    Milliseconds,
    NonNegativeFloat,
    NonNegativeInt,
    Paths,
    PositiveFloat,
    Probability,
    Section,
)


class FrontendConfig(Section):
    """Log-mel features."""

    sample_rate: Annotated[int, Field(ge=1, le=192_000)] = 16_000
    """Sample rate (Hz)."""
    mels: Annotated[int, Field(ge=1, le=1_024)] = 80
    """Number of mel bands, the feature dimension F."""
    window_ms: Milliseconds = 25.0
    """Length of the Hann window (ms)."""
    hop_ms: Milliseconds = 10.0
    """Time between frames (ms)."""
    low_hz: NonNegativeFloat = 20.0
    """Lower edge of the lowest band (Hz)."""
    high_hz: PositiveFloat = 7_600.0
    """Upper edge of the highest band (Hz)."""
    mean_prior: NonNegativeFloat | None = None
    """Weight of the global mean in per-utterance mean normalisation, as seconds of pseudo-observations. 0 uses the utterance mean only;
    null uses the global mean only."""

    @model_validator(mode="after")
    def _check_bands(self) -> FrontendConfig:
        if not self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise ValueError(f"low_hz < high_hz <= sample_rate / 2 does not hold: {self.low_hz}, {self.high_hz}, {self.sample_rate / 2}")
        return self

    @model_validator(mode="after")
    def _check_frames(self) -> FrontendConfig:
        for name, milliseconds, samples in (("window_ms", self.window_ms, self.window), ("hop_ms", self.hop_ms, self.hop)):
            if samples < 1:
                raise ValueError(f"{name} is {milliseconds:g}, less than one sample at {self.sample_rate} Hz: usual are 25 and 10 ms")
        return self

    @property
    def window(self) -> int:
        """Samples per window."""
        return round(self.sample_rate * self.window_ms / 1000)

    @property
    def hop(self) -> int:
        """Samples between frames."""
        return round(self.sample_rate * self.hop_ms / 1000)


class SegmentConfig(Section):
    """Segmentation of recordings into stretches of speech, by voice activity detection."""

    longest_seconds: Annotated[float, Field(ge=1, le=120)] = 18.0
    """Maximum segment length (s). Longer speech is cut at its quietest place."""
    first_seconds: Annotated[float, Field(ge=0, le=120)] = 6.0
    """Maximum length to which stretches of speech are joined at the start of a longer recording (s), so that its first text comes soon."""
    join_seconds: Annotated[float, Field(ge=0, le=120)] = 0.6
    """Longest pause inside a segment (s). Speech on both sides of a shorter pause is joined."""
    pause_seconds: Annotated[float, Field(gt=0, le=60)] = 0.25
    """Shortest silence that ends a stretch of speech (s)."""
    pad_seconds: Annotated[float, Field(ge=0, le=10)] = 0.2
    """Silence kept before and after a segment (s)."""
    edge_seconds: NonNegativeFloat = 1.0
    """Silence kept before and after the speech of a recording of up to `longest_seconds`, which is one segment (s)."""
    shortest_seconds: Annotated[float, Field(ge=0, le=60)] = 0.1
    """Minimum length of speech (s). Shorter sounds are ignored."""
    threshold: Fraction = 0.5
    """Speech probability at which a stretch of speech begins."""
    hysteresis: Fraction = 0.15
    """A stretch of speech ends below `threshold - hysteresis`."""


class AugmentConfig(Section):
    """Augmentation of the training data, drawn anew for every utterance and epoch. 0 or an empty list disables a method."""

    start_epoch: NonNegativeInt = 0
    """Epochs without augmentation at the start, in which CTC finds its alignments on clean speech."""
    speeds: tuple[PositiveFloat, ...] = (0.9, 1.0, 1.1)
    """Factors of speed perturbation, one drawn per utterance (Ko et al. 2015)."""
    gain_db: NonNegativeFloat = 6.0
    """Maximum change of loudness, up or down (dB)."""
    noise: Paths = ()
    """Manifests of noise recordings."""
    noise_probability: Probability = 0.0
    """Probability that noise is added to an utterance."""
    noise_snr_db: tuple[float, float] = (0.0, 15.0)
    """Range of the signal-to-noise ratio, drawn uniformly (dB)."""
    warp: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """Vocal tract length perturbation: frequencies are scaled by a factor drawn uniformly from 1 - warp to 1 + warp (Jaitly and Hinton 2013)."""
    frequency_masks: NonNegativeInt = 2
    """Number of frequency masks (SpecAugment, Park et al. 2019)."""
    frequency_width: NonNegativeInt = 27
    """Maximum width of a frequency mask (mel bands)."""
    time_masks: NonNegativeInt = 2
    """Number of time masks."""
    time_width: NonNegativeInt = 100
    """Maximum width of a time mask (frames)."""
    time_share: Probability = 0.1
    """Maximum width of a time mask, as a fraction of the utterance."""
