"""More states from a trained listener: where neighbouring frames are equal, the input of its layers is unchanged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests_support import recipe_script

from asr.config import ModelConfig
from asr.errors import UsageError
from asr.model.checkpoint import TrainedModel, load_model
from asr.model.las import LAS


def test_layers_get_the_same_input_where_neighbouring_states_are_equal(tiny: ModelConfig, tiny_folder: Path) -> None:
    given = load_model(tiny_folder)
    listener = tiny.listener.model_copy(update={"pyramid": (1, 2, 3), "dropout": 0.0})
    config = tiny.model_copy(update={"listener": listener})
    torch.manual_seed(0)
    folder_config = given.config.model_copy(update={"model": config})
    old = TrainedModel(LAS(config, len(given.tokenizer)).eval(), given.tokenizer, folder_config)
    new = recipe_script("librispeech/more_states.py").more_states(old)
    assert new.config.model.listener == listener.model_copy(update={"pyramid": (1, 1, 1)})
    assert new.config.model.state_seconds * 6 == old.config.model.state_seconds
    lengths = torch.tensor([4, 2])
    before, after = old.network.listener, new.network.listener
    for layer, factor, size in ((0, 1, before.stem.size), (1, 2, before.layout.size), (2, 3, before.layout.size)):
        x = torch.randn(2, 4, size)
        states, state_lengths = before.layers[layer](x.repeat_interleave(factor, 1), lengths * factor)
        torch.testing.assert_close(after.layers[layer](x, lengths), (states, state_lengths))


def test_only_a_pyramid_has_reductions_to_remove(tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    network = model.config.model.model_copy(update={"listener": SimpleNamespace(kind="flat")})
    other = replace(model, config=model.config.model_copy(update={"model": network}))
    with pytest.raises(UsageError, match=r"^model\.listener\.kind is flat: only a pyramid has frame reductions to remove$"):
        recipe_script("librispeech/more_states.py").more_states(other)
