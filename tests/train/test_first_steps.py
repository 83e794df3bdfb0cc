"""The first steps of a run against the same worked out anew: its loss, its gradient, what was done to the audio, and which it hears."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from asr.config import AugmentConfig, Config
from asr.model.las import LAS
from asr.speech.augment import augment_features
from asr.speech.batches import Batch, BatchSampler
from asr.train.log import read_log
from asr.train.trainer import Trainer

UNCHANGED = {"speeds": [], "gain_db": 0, "warp": 0, "frequency_masks": 0, "time_masks": 0}


def plain(config: Config, augment: dict[str, Any], **train: float) -> Config:
    """A run of one step, which hears all utterances, without dropout and with no augmentation but this."""
    tree = config.model_dump(mode="json")
    tree["model"]["listener"]["dropout"] = tree["model"]["speller"]["dropout"] = 0
    tree["augment"] = UNCHANGED | augment
    tree["train"] |= {"batch_seconds": 1000, "device_seconds": 1000, "steps": 1} | train
    return Config.model_validate(tree)


def first_step(config: Config) -> tuple[dict[str, float], LAS, Batch]:
    """What is in the log of it, the network as it was before, and what it was to learn from."""
    trainer = Trainer(config)
    network = copy.deepcopy(trainer.network)
    trainer.run()
    network.frontend.load_state_dict(trainer.network.frontend.state_dict())
    share = next(iter(BatchSampler(trainer.data.examples, 1000, 1000, config.seed, epochs=1)))
    return next(line for line in read_log(config.output) if "loss" in line), network, trainer.data[share]


def mean_loss(network: LAS, batch: Batch, augment: AugmentConfig | None = None, smoothing: float = 0.0) -> torch.Tensor:
    """Of a token, of which each utterance has one more than its text: the end of the sentence."""
    features, frames = network.frontend(batch.waveforms, batch.samples)
    if augment:
        features = augment_features(features, frames, batch.draws, augment, network.config.frontend)
    losses = network(features, frames, batch.targets, batch.target_lengths, smoothing)
    return losses.total / sum(length + 1 for length in batch.target_lengths.tolist())


def test_the_loss_and_its_gradient_are_of_a_token_with_smoothed_labels(tone_config: Config) -> None:
    logged, network, batch = first_step(plain(tone_config, {}, label_smoothing=0.3))
    loss = mean_loss(network, batch, smoothing=0.3)
    loss.backward()
    assert logged["loss"] == pytest.approx(loss.item(), rel=1e-4)
    gradients = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    assert logged["gradient_norm"] == pytest.approx(torch.cat(gradients).norm().item(), rel=1e-3)


@pytest.mark.parametrize("start_epoch", [0, 1])
def test_features_are_augmented_from_the_epoch_on_that_is_asked_for(tone_config: Config, start_epoch: int) -> None:
    config = plain(tone_config, {"warp": 0.3, "frequency_masks": 2, "frequency_width": 8, "start_epoch": start_epoch}, label_smoothing=0)
    logged, network, batch = first_step(config)
    as_it_is = mean_loss(network, batch).item()
    if start_epoch > 0:
        assert logged["loss"] == pytest.approx(as_it_is, rel=1e-4)
    else:
        assert logged["loss"] == pytest.approx(mean_loss(network, batch, config.augment).item(), rel=1e-4)
        assert logged["loss"] != pytest.approx(as_it_is, rel=1e-3)


def test_own_tokens_are_fed_back_if_that_is_asked_for(tone_config: Config) -> None:
    logged, network, batch = first_step(plain(tone_config, {}, label_smoothing=0, scheduled_sampling=0.9))
    assert logged["loss"] != pytest.approx(mean_loss(network, batch).item(), rel=1e-3)


def test_sorted_epochs_begin_with_the_shortest(tone_config: Config) -> None:
    config = plain(tone_config, {}, batch_seconds=0.1, steps=5, sorted_epochs=1)
    Trainer(config).run()
    heard = [line["audio_seconds"] for line in read_log(config.output) if "loss" in line]
    assert heard == [0.25] * 5  # a word each; there are utterances of up to four


@pytest.mark.parametrize(("hours", "remembered"), [(0.0, 0), (10.0, 48)])
def test_the_cache_holds_the_configured_hours(tone_config: Config, hours: float, remembered: int) -> None:
    config = plain(tone_config, {})
    trainer = Trainer(config.model_copy(update={"data": config.data.model_copy(update={"cache_hours": hours})}))
    trainer.run()
    assert len(trainer.data.cache) == remembered
