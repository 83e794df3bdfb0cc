"""More states from a trained listener: where neighbouring frames are equal, its layers hear what they heard."""

from __future__ import annotations

from pathlib import Path

import torch
from tests_support import recipe_script

from asr.config import ModelConfig
from asr.model.checkpoint import TrainedModel, load_model
from asr.model.las import LAS


def test_layers_hear_what_they_heard_where_neighbours_are_equal(tiny: ModelConfig, tiny_folder: Path) -> None:
    given = load_model(tiny_folder)
    listener = tiny.listener.model_copy(update={"pyramid": (1, 2, 3), "dropout": 0.0})
    config = tiny.model_copy(update={"listener": listener})
    torch.manual_seed(0)
    folder_config = given.config.model_copy(update={"model": config})
    old = TrainedModel(LAS(config, len(given.tokenizer)).eval(), given.tokenizer, folder_config)
    new = recipe_script("librispeech/more_states.py").more_states(old)
    assert new.config.model.listener.pyramid == (1, 1, 1)
    assert new.config.model.state_seconds * 6 == old.config.model.state_seconds
    lengths = torch.tensor([4, 2])
    before, after = old.network.listener, new.network.listener
    for layer, factor, size in ((0, 1, before.stem.size), (1, 2, before.size), (2, 3, before.size)):
        x = torch.randn(2, 4, size)
        states, state_lengths = before.layers[layer](x.repeat_interleave(factor, 1), lengths * factor)
        torch.testing.assert_close(after.layers[layer](x, lengths), (states, state_lengths))
