"""The mean of two models: weights by hand, the rest the second's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests_support import recipe_script

from asr.config import LMFolderConfig, LSTMLanguageModelConfig, ModelConfig
from asr.errors import UsageError
from asr.model.checkpoint import TrainedLM, load_lm, load_model, save_model
from asr.model.las import LAS
from asr.model.lstm_lm import LSTMLanguageModel


def test_weights_are_the_weighted_mean(tiny: ModelConfig, tiny_folder: Path) -> None:
    first, second = load_model(tiny_folder), replace(load_model(tiny_folder), card="the second")
    torch.manual_seed(1)
    second.network.load_state_dict(LAS(second.config.model, len(second.tokenizer)).state_dict())
    expected = {name: 0.3 * w + 0.7 * second.network.state_dict()[name] for name, w in first.network.state_dict().items()}
    before = {name: w.clone() for name, w in second.network.state_dict().items()}
    mean = recipe_script("librispeech/average.py").average(first, second, 0.7)
    torch.testing.assert_close(dict(mean.network.state_dict()), expected)
    assert mean.card.startswith("> Weights: 0.3 of another model and 0.7 of")
    assert mean.card.endswith("\n\nthe second")
    torch.testing.assert_close(dict(second.network.state_dict()), before)  # neither is changed


def test_the_seconds_language_model_is_kept(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = load_model(tiny_folder)
    network = LSTMLanguageModel(len(tiny.tokenizer), LSTMLanguageModelConfig(embedding=4, hidden=5))
    lm = TrainedLM(network, tiny.tokenizer, LMFolderConfig(kind="language_model", model=network.config), "# Its card")
    save_model(tmp_path / "second", replace(tiny, lm=lm))
    monkeypatch.setattr("sys.argv", ["average.py", str(tiny_folder), str(tmp_path / "second"), "--output", str(tmp_path / "mean")])
    recipe_script("librispeech/average.py").main()
    kept = load_lm(tmp_path / "mean" / "lm")
    torch.testing.assert_close(kept.network.state_dict(), network.state_dict(), atol=1e-3, rtol=1e-3)  # 16 bits
    assert kept.card == "# Its card"


def test_another_network_is_refused(tiny: ModelConfig, tiny_folder: Path) -> None:
    first = load_model(tiny_folder)
    wider = tiny.model_copy(update={"listener": tiny.listener.model_copy(update={"hidden": tiny.listener.hidden + 4})})
    other = replace(first, network=LAS(wider, len(first.tokenizer)))
    with pytest.raises(UsageError, match="different networks"):
        recipe_script("librispeech/average.py").average(other, first, 0.5)


@pytest.mark.parametrize("share", ["-0.1", "1.5", "nan"])
def test_a_share_beyond_the_whole_is_refused(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, share: str
) -> None:
    arguments = [str(tiny_folder), str(tiny_folder), f"--share={share}", "--output", str(tmp_path / "mean")]
    monkeypatch.setattr("sys.argv", ["average.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        recipe_script("librispeech/average.py").main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: --share {share}: expected a number from 0 to 1\n"
    assert not (tmp_path / "mean").exists()
