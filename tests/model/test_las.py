"""The whole network: the joint loss against its parts, step by step against all at once."""

from __future__ import annotations

import math

import pytest
import torch
from tests_support import every_network

from asr.config import ModelConfig
from asr.model.las import LAS
from asr.text.tokenizer import BLANK, EOS

NETWORKS = every_network()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features, frames = torch.randn(3, 60, 20, generator=generator), torch.tensor([60, 41, 25])
    for i, n in enumerate(frames):
        features[i, n:] = 0
    return features, frames, torch.tensor([[3, 4, 5, 6], [7, 7, 0, 0], [8, 0, 0, 0]]), torch.tensor([4, 2, 1])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("layers", [1, 2])
def test_teacher_forcing_equals_step_by_step(batch: tuple, name: str, layers: int) -> None:
    sections = NETWORKS[name]
    torch.manual_seed(0)
    network = LAS(ModelConfig.model_validate(sections | {"speller": sections["speller"] | {"layers": layers}}), 12).eval()
    features, frames, targets, _ = batch
    states, lengths = network.listener(features, frames)
    logits, _ = network.speller(states, lengths, targets)
    memory = network.speller.memory(states, lengths)
    state = network.speller.start(memory)
    fed = torch.cat([torch.full((3, 1), EOS), targets], dim=1)
    for i in range(fed.shape[1]):
        log_probs, state = network.speller.step(fed[:, i : i + 1], state, memory)
        torch.testing.assert_close(log_probs[:, 0], logits[:, i].log_softmax(1))


def test_joint_loss_is_its_parts(tiny: ModelConfig, batch: tuple) -> None:
    torch.manual_seed(0)
    network = LAS(tiny, 12).eval()
    features, frames, targets, target_lengths = batch
    losses = network(features, frames, targets, target_lengths)
    states, lengths = network.listener(features, frames)
    attention = ctc = 0.0
    for i in range(3):  # one by one, with nothing padded
        n = int(target_lengths[i])
        own, text = states[i : i + 1, : lengths[i]], targets[i : i + 1, :n]
        logits, _ = network.speller(own, lengths[i : i + 1], text)
        expected = torch.cat([text[0], torch.tensor([EOS])])
        attention -= float(logits[0].detach().log_softmax(1).gather(1, expected[:, None]).sum())
        log_probs = network.ctc_log_probs(own)
        assert log_probs is not None
        ctc += float(torch.nn.functional.ctc_loss(log_probs[0], text[0], lengths[i], target_lengths[i], blank=BLANK, reduction="sum"))
    assert float(losses.attention) == pytest.approx(attention, rel=1e-5)
    assert float(losses.ctc) == pytest.approx(ctc, rel=1e-5)
    assert float(losses.total) == pytest.approx(0.7 * attention + 0.3 * ctc, rel=1e-5)


def test_label_smoothing_hand_worked(tiny: ModelConfig) -> None:
    """The speller finds four tokens 10, 20, 30 and 40 % probable, whatever it hears. The text is the last, then end-of-sentence, 30 %."""
    network = LAS(tiny, 4).eval()
    probabilities = torch.tensor([0.1, 0.2, 0.3, 0.4])
    with torch.no_grad():
        network.speller.output.weight.zero_()
        network.speller.output.bias.copy_(probabilities.log())
        batch = torch.randn(1, 30, 20), torch.tensor([30]), torch.tensor([[3]]), torch.tensor([1])
        hard, smooth = network(*batch), network(*batch, smoothing=0.2)
    assert EOS == 2
    assert float(hard.attention) == pytest.approx(-math.log(0.4) - math.log(0.3))
    of_all = -sum(map(math.log, (0.1, 0.2, 0.3, 0.4))) / 4  # what a token costs in the mean
    assert float(smooth.attention) == pytest.approx(0.8 * (-math.log(0.4) - math.log(0.3)) + 0.2 * 2 * of_all)
    assert float(smooth.ctc) == float(hard.ctc)
    assert float(smooth.total) == pytest.approx(0.7 * float(smooth.attention) + 0.3 * float(smooth.ctc))


def test_without_ctc_there_is_no_head(tiny: ModelConfig, batch: tuple) -> None:
    network = LAS(tiny.model_copy(update={"ctc_weight": 0.0}), 12)
    losses = network(*batch)
    assert network.ctc is None
    assert float(losses.total.detach()) == float(losses.attention.detach())


def test_values_in_the_padding_change_nothing(tiny: ModelConfig, batch: tuple) -> None:
    torch.manual_seed(0)
    network = LAS(tiny, 12).eval()
    features, frames, targets, target_lengths = batch
    other = targets.clone()
    other[2, 1:] = 9
    torch.testing.assert_close(network(features, frames, other, target_lengths), network(*batch))


def test_every_weight_gets_a_gradient(tiny: ModelConfig, batch: tuple) -> None:
    torch.manual_seed(0)
    network = LAS(tiny, 12)
    network(*batch, 0.1, 0.3).total.backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_scheduled_sampling_feeds_back_own_tokens(tiny: ModelConfig, batch: tuple) -> None:
    torch.manual_seed(0)
    network = LAS(tiny, 12).eval()
    features, frames, targets, _ = batch
    states, lengths = network.listener(features, frames)
    forced, _ = network.speller(states, lengths, targets)
    sampled, _ = network.speller(states, lengths, targets, sampling=0.99)
    torch.testing.assert_close(sampled[:, 0], forced[:, 0])  # the first token is always the start
    assert not torch.allclose(sampled[:, 1:], forced[:, 1:])


def test_without_input_feeding_a_sentence_at_once_is_step_by_step(tiny: ModelConfig, batch: tuple) -> None:
    torch.manual_seed(0)
    tree = tiny.model_dump()
    tree["attention"]["kind"], tree["speller"] = "multihead", tree["speller"] | {"input_feeding": False, "layers": 2}
    network = LAS(ModelConfig.model_validate(tree), 12).eval()
    features, frames, targets, _ = batch
    with torch.no_grad():
        states, lengths = network.listener(features, frames)
        logits, weights = network.speller(states, lengths, targets)
        memory = network.speller.memory(states, lengths)
        state = network.speller.start(memory)
        for i, fed in enumerate(torch.nn.functional.pad(targets, (1, 0), value=EOS).T):
            log_probs, state = network.speller.step(fed[:, None], state, memory)
            torch.testing.assert_close(log_probs[:, 0], logits[:, i].log_softmax(1))
            torch.testing.assert_close(state.weights[:, 0], weights[:, i])


def test_location_attention_needs_input_feeding(tiny: ModelConfig) -> None:
    tree = tiny.model_dump()
    tree["speller"]["input_feeding"] = False
    with pytest.raises(ValueError, match="multihead"):
        ModelConfig.model_validate(tree)
