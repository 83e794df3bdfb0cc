"""A trained recogniser whose listener no longer lowers the rate, to train on from: more states, with what was learnt at fewer.

    python recipes/librispeech/more_states.py runs/mini/model runs/mini-more-states
    asr train recipes/librispeech/mini.yaml train.start_from=runs/mini-more-states model.listener.pyramid=[1,1,1,1] output=runs/more …

A pyramid's layer sees `factor` neighbouring frames side by side. Here each sees one frame, as if its neighbours were equal to it: the
weights of the neighbours are summed. The stem keeps its strides. The network is at first worse than it was, since its memory lasts
`factor` times shorter in seconds, and had made up for it after about a hundred steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.console import one_line_errors
from asr.model.checkpoint import TrainedModel, load_model, save_model
from asr.model.las import LAS


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    save_model(arguments.output, more_states(load_model(arguments.model)))


def more_states(model: TrainedModel) -> TrainedModel:
    """The model with a pyramid of ones, and no language model."""
    config = model.config.model
    factors = config.listener.pyramid
    listener = config.listener.model_copy(update={"pyramid": (1,) * len(factors)})
    config = config.model_copy(update={"listener": listener})
    weights = model.network.state_dict()
    for layer, factor in enumerate(factors):
        for direction in ("ahead", "back"):
            name = f"listener.layers.{layer}.lstm.{direction}.weight_ih_l0"  # (4 hidden, factor · size)
            weights[name] = weights[name].unflatten(1, (factor, -1)).sum(1)
    network = LAS(config, len(model.tokenizer))
    network.load_state_dict(weights)
    told = "> With more states than when it was trained, and not trained since; what follows is of the model before.\n\n"
    return TrainedModel(network, model.tokenizer, model.config.model_copy(update={"model": config}), told + model.card)


if __name__ == "__main__":
    main()
