"""The speller while it is trained: where dropout falls, and which tokens it is fed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from asr.config import LocationConfig, LSTMSpellerConfig
from asr.model.block import StateLayout
from asr.model.kinds import build_speller
from asr.model.lstm_speller import LSTMSpeller
from asr.text.tokenizer import BLANK, EOS

VOCABULARY, STATES, EMBEDDING, HIDDEN = 12, 8, 20, 30
TARGETS = torch.tensor([[3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3]])


def speller(dropout: float = 0.0) -> LSTMSpeller:
    torch.manual_seed(0)
    config = LSTMSpellerConfig(embedding=EMBEDDING, hidden=HIDDEN, dropout=dropout)
    built = build_speller(VOCABULARY, StateLayout(STATES), config, LocationConfig(size=8))
    assert isinstance(built, LSTMSpeller)
    return built


def inputs(module: nn.Module) -> list[Tensor]:
    """Record the inputs of a module at each call."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    return seen


def spell(network: LSTMSpeller, sampling: float = 0.0) -> Tensor:
    logits, _ = network(torch.randn(2, 9, STATES), torch.tensor([9, 9]), TARGETS, sampling)
    return logits


@pytest.mark.parametrize("sampling", [0.0, 0.99])
def test_dropout_falls_on_embeddings_after_layers_and_before_the_output(sampling: float) -> None:
    network = speller(dropout=0.5)
    fed, merged, out = inputs(network.cells[0]), inputs(network.merge), inputs(network.output)

    def dropped() -> tuple[float, float, float]:
        """Shares of zeros: in tokens as they are fed, in what the LSTM says, in what the last layer sees."""
        for seen in (fed, merged, out):
            seen.clear()
        spell(network, sampling)
        places = torch.cat([x[:, :EMBEDDING] for x in fed]), torch.cat([x[..., :HIDDEN].flatten() for x in merged]), out[-1]
        embedding, layer, last = ((x == 0).float().mean().item() for x in places)
        return embedding, layer, last

    assert dropped() == pytest.approx((0.5, 0.5, 0.5), abs=0.15)
    network.eval()
    assert dropped() == (0, 0, 0)


def test_sampled_tokens_follow_the_output_distribution_without_the_blank() -> None:
    network = speller().eval()
    with torch.no_grad():
        network.output.bias[BLANK], network.output.bias[9] = 200.0, 100.0
    looked_up = inputs(network.embedding)
    spell(network, sampling=0.99)
    given, *drawn = looked_up
    assert given.tolist() == [[EOS, *row] for row in TARGETS.tolist()]
    assert len(drawn) == TARGETS.shape[1]  # the start is nobody's choice
    assert (torch.cat(drawn) == 9).all()


@pytest.mark.parametrize("sampling", [0.0, 0.3, 1.0])
def test_as_many_tokens_are_its_own_as_asked_for(sampling: float) -> None:
    network = speller().eval()
    with torch.no_grad():
        network.output.bias[9] = 100.0  # which is no target
        network.embedding.weight[9] = 7.0
    fed = inputs(network.cells[0])
    for _ in range(30):
        spell(network, sampling)
    own = torch.cat([(x[:, :EMBEDDING] == 7).all(1) for i, x in enumerate(fed) if i % (TARGETS.shape[1] + 1)])
    assert own.float().mean().item() == pytest.approx(sampling, abs=0.1)
