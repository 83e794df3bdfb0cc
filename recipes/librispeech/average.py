"""One model out of two with the same network: a weighted mean of their weights.

    python recipes/librispeech/average.py asr/pretrained runs/more/model --share 0.7 --output runs/mean

A model and what became of it by more training lie close enough for their mean to be a model too, and often a better one than
either (Wortsman et al. 2022, "Model soups"). Settings, pieces and a language model in `lm/` are the second's, and its card, with a line that states
what was done.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.console import one_line_errors
from asr.errors import UsageError
from asr.model.checkpoint import TrainedModel, load_model, save_model
from asr.model.las import LAS


def average(first: TrainedModel, second: TrainedModel, share: float) -> TrainedModel:
    """The second, its weights (1 - share) of the first's and `share` of its own. Raises UsageError for another share, and where pieces or the weights' shapes differ."""
    if not 0 <= share <= 1:
        raise UsageError(f"--share {share:g}: expected a number from 0 to 1")
    if first.tokenizer.serialized != second.tokenizer.serialized:
        raise UsageError("the two have different pieces")
    weights, others = first.network.state_dict(), second.network.state_dict()
    if {name: w.shape for name, w in weights.items()} != {name: w.shape for name, w in others.items()}:
        raise UsageError("the two have different networks")
    network = LAS(second.config.model, len(second.tokenizer)).eval()
    network.load_state_dict({name: weights[name].lerp(own, share) for name, own in others.items()})
    told = f"> Weights: {1 - share:g} of another model and {share:g} of the one whose card this is; error rates below are of that one alone.\n\n"
    return TrainedModel(network, second.tokenizer, second.config, told + second.card, second.lm, second.words)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="the second's: 0 is the first model, 1 the second")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    mean = average(load_model(arguments.first), load_model(arguments.second), arguments.share)
    save_model(arguments.output, mean, half=True)


if __name__ == "__main__":
    main()
