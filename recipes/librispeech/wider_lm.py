"""Widen a trained language model without changing its predictions, so that training of a larger model need not start from scratch.

    python recipes/librispeech/wider_lm.py asr/pretrained/lm runs/lm-1536 --hidden 1536
    asr train recipes/librispeech/lm.yaml train.start_from=runs/lm-1536 model.hidden=1536 output=runs/lm …

New units are copies of old ones, and the outgoing weights of a unit are split among its copies (Chen et al. 2016, "Net2Net"). `--seed` draws the
shares, which differ: equal copies would get equal gradients and stay equal.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from asr.config import LSTMLanguageModelConfig
from asr.console import one_line_errors
from asr.errors import UsageError
from asr.model.checkpoint import TrainedLM, load_lm, save_lm
from asr.model.lstm_lm import LSTMLanguageModel


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--hidden", type=int, required=True, help="units of each layer")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    save_lm(arguments.output, wider(load_lm(arguments.model), arguments.hidden, arguments.seed))


def wider(model: TrainedLM, hidden: int, seed: int = 1) -> TrainedLM:
    """Return an LSTM language model with `hidden` units a layer and the same predictions.

    Raises:
        UsageError: the model is of another kind, or has as many units already.
    """
    if not isinstance(model.config.model, LSTMLanguageModelConfig):
        raise UsageError(f"{model.config.model.kind}: only a language model of kind lstm can be widened")
    if hidden <= model.config.model.hidden:
        raise UsageError(f"--hidden {hidden}: the model has {model.config.model.hidden} units already")
    generator = torch.Generator().manual_seed(seed)
    config = model.config.model.model_copy(update={"hidden": hidden})
    weights = model.network.state_dict()
    sources = shares = None
    for layer in range(config.layers):
        below, below_shares = sources, shares
        sources, shares = copied(model.config.model.hidden, hidden, generator)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            gates = weights[f"lstm.{name}_l{layer}"].unflatten(0, (4, -1))  # (4, hidden, …)
            weights[f"lstm.{name}_l{layer}"] = gates[:, sources].flatten(0, 1)
        weights[f"lstm.weight_hh_l{layer}"] = weights[f"lstm.weight_hh_l{layer}"][:, sources] * shares
        if below is not None:
            weights[f"lstm.weight_ih_l{layer}"] = weights[f"lstm.weight_ih_l{layer}"][:, below] * below_shares
    weights["output.weight"] = weights["output.weight"][:, sources] * shares
    network = LSTMLanguageModel(len(model.tokenizer), config)
    network.load_state_dict(weights)
    told = (
        f"> Widened from {model.config.model.hidden} to {hidden} units, and not trained since; what follows is of the narrower model.\n\n"
    )
    return TrainedLM(network.eval(), model.tokenizer, model.config.model_copy(update={"model": config}), told + model.card)


def copied(before: int, after: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """For each of `after` units (after,) which of `before` it is, and its share (after,) in what that one said; shares of one unit sum to 1."""
    sources = torch.cat([torch.arange(before), torch.randint(before, (after - before,), generator=generator)])
    parts = torch.rand(after, generator=generator) + 0.5
    return sources, parts / torch.zeros(before).index_add(0, sources, parts)[sources]


if __name__ == "__main__":
    main()
