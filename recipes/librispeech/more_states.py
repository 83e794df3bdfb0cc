"""Remove the frame reductions of a trained pyramid listener, to train on with more states.

    python recipes/librispeech/more_states.py runs/mini/model runs/mini-more-states
    asr train recipes/librispeech/mini.yaml train.start_from=runs/mini-more-states model.listener.pyramid=[1,1,1,1] output=runs/more …

A layer of a pyramid reads `factor` neighbouring frames. The new layer reads one frame, with the sum of their weights, as if the neighbours
were equal. The stem keeps its strides. At first the network is worse, since its memory is `factor` times shorter in seconds; about a hundred
training steps make up for it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.config import PyramidConfig
from asr.console import one_line_errors
from asr.errors import UsageError
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
    """Return the model with a pyramid of ones, without a language model. Raises UsageError if its listener is not a pyramid."""
    config = model.config.model
    if not isinstance(config.listener, PyramidConfig):
        raise UsageError(f"model.listener.kind is {config.listener.kind}: only a pyramid has frame reductions to remove")
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
    note = "> Frame reductions removed, and not trained since. The rest of this card describes the model before.\n\n"
    return TrainedModel(network, model.tokenizer, model.config.model_copy(update={"model": config}), note + model.card)


if __name__ == "__main__":
    main()
