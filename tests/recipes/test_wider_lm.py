"""A wider language model says what the narrower one did, and can learn more than it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from tests_support import ROOT, recipe_script

from asr.config import LMFolderConfig, LSTMLanguageModelConfig
from asr.config_file import load_config
from asr.errors import UsageError
from asr.model.checkpoint import TrainedLM, load_model
from asr.model.lstm_lm import LSTMLanguageModel


@pytest.mark.parametrize("layers", [1, 2])
def test_texts_are_as_probable_as_before(layers: int, tiny_folder: Path) -> None:
    tokenizer = load_model(tiny_folder).tokenizer
    torch.manual_seed(0)
    config = LSTMLanguageModelConfig(embedding=6, hidden=8, layers=layers, dropout=0)
    given = TrainedLM(LSTMLanguageModel(len(tokenizer), config).eval(), tokenizer, LMFolderConfig(kind="language_model", model=config))
    wider = recipe_script("librispeech/wider_lm.py").wider
    new = wider(given, 21)
    assert new.config.model.hidden == new.network.lstm.hidden_size == 21
    texts, lengths = torch.randint(3, len(tokenizer), (5, 9)), torch.tensor([9, 4, 1, 0, 7])
    torch.testing.assert_close(new.network(texts, lengths), given.network(texts, lengths))
    new.network(texts, lengths).sum().backward()
    rows = new.network.lstm.weight_hh_l0.grad
    assert rows is not None
    assert len(rows.unique(dim=0)) == len(rows)  # copies are trained apart
    with pytest.raises(UsageError, match="has 8 units already"):
        wider(given, 8)


def test_the_example_widens_the_embedded_language_model() -> None:
    told = recipe_script("librispeech/wider_lm.py").__doc__ or ""
    (example,) = re.findall(r"wider_lm\.py (\S+) \S+ --hidden (\d+)", told)
    assert re.findall(r"model\.hidden=(\d+)", told) == [example[1]]
    assert load_config(LMFolderConfig, ROOT / example[0] / "config.yaml").model.hidden < int(example[1])
