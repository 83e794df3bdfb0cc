"""Language models of every registered kind: steps against whole sentences, padding, state, learning."""

from __future__ import annotations

import pytest
import torch

from asr.config import LanguageModelConfig
from asr.model.kinds import build_language_model
from asr.model.lm import LanguageModel
from asr.text.tokenizer import EOS

V = 11


@pytest.fixture(params=list(LanguageModelConfig.KINDS))
def network(request: pytest.FixtureRequest) -> LanguageModel:
    torch.manual_seed(0)
    config = LanguageModelConfig.of_kind({"kind": request.param, "embedding": 8, "hidden": 12, "layers": 2})
    return build_language_model(V, config).eval()


@torch.no_grad()
def test_steps_sum_to_the_likelihood_of_the_sentence(network: LanguageModel) -> None:
    """With end-of-sentence and without."""
    sentences = torch.tensor([[3, 4, 5, 3, EOS], [7, 8, EOS, 0, 0], [7, 8, 0, 0, 0]])
    lengths = torch.tensor([5, 3, 2])
    whole = network(sentences, lengths)
    for b, length in enumerate(lengths.tolist()):
        state, last, nats = network.start(1, 2), torch.full((1, 2), EOS), 0.0
        for token in sentences[b, :length].tolist():
            log_probs, state = network.step(last, state)
            assert log_probs.shape == (1, 2, V)
            torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(1, 2))
            nats -= log_probs[0, 1, token].item()
            last = torch.full((1, 2), token)
        assert whole[b].item() == pytest.approx(nats, abs=1e-4)


@torch.no_grad()
def test_padding_and_other_sentences_change_nothing(network: LanguageModel) -> None:
    together = network(torch.tensor([[3, 4, 9, 9], [7, 8, 5, 6]]), torch.tensor([2, 4]))
    alone = network(torch.tensor([[3, 4]]), torch.tensor([2]))
    torch.testing.assert_close(together[:1], alone)


@torch.no_grad()
def test_hypotheses_keep_their_own_state(network: LanguageModel) -> None:
    _, state = network.step(torch.tensor([[3, 4]]), network.start(1, 2))
    both, _ = network.step(torch.tensor([[5, 5]]), state)
    _, alone = network.step(torch.tensor([[4]]), network.start(1, 1))
    second, _ = network.step(torch.tensor([[5]]), alone)
    torch.testing.assert_close(both[0, 1], second[0, 0])
    assert not torch.allclose(both[0, 0], both[0, 1])


def test_training_memorises_a_sentence(network: LanguageModel) -> None:
    sentence, length = torch.tensor([[3, 4, 5, 6, 3, EOS]]), torch.tensor([6])
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    network.train()
    for _ in range(60):
        optimizer.zero_grad()
        network(sentence, length).sum().backward()
        optimizer.step()
    network.eval()
    assert network(sentence, length).item() < 0.2
    assert network(sentence.flip(1), length).item() > 5
