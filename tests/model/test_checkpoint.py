"""Model folders: what is saved comes back, and what is broken says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from asr.config import LanguageModelConfig, LMFolderConfig, ModelConfig, ModelFolderConfig, TokenizerConfig
from asr.errors import AsrError, ConfigError, ModelError, UsageError
from asr.model.checkpoint import TrainedLM, TrainedModel, load_lm, load_model, save_lm, save_model
from asr.model.las import LAS
from asr.model.lm import LanguageModel
from asr.text.tokenizer import Tokenizer


@pytest.fixture
def model(tiny: ModelConfig) -> TrainedModel:
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["LOW MID HIGH"] * 3, TokenizerConfig(kind="char", vocab_size=20))
    return TrainedModel(LAS(tiny, len(tokenizer)).eval(), tokenizer, ModelFolderConfig(model=tiny), "a card")


@pytest.fixture
def folder(model: TrainedModel, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", model)
    return tmp_path / "model"


def test_comes_back_as_it_was(model: TrainedModel, folder: Path) -> None:
    again = load_model(folder)
    assert again.config == model.config
    assert again.card == "a card"
    assert again.tokenizer.encode("LOW HIGH") == model.tokenizer.encode("LOW HIGH")
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.yaml", "model.safetensors", "tokenizer.model"]


def test_half_precision_loses_little(model: TrainedModel, tmp_path: Path) -> None:
    save_model(tmp_path / "half", model, half=True)
    again = load_model(tmp_path / "half").network.state_dict()
    for name, tensor in model.network.state_dict().items():
        assert again[name].dtype == tensor.dtype
        torch.testing.assert_close(again[name], tensor, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml", "tokenizer.model"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "error"), [("model.safetensors", ModelError), ("tokenizer.model", ModelError), ("config.yaml", ConfigError)]
)
@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_a_truncated_file_is_named(folder: Path, name: str, error: type[AsrError], cut: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * cut)] if name != "config.yaml" else b"model: {listener: {hidden: -1}}")
    with pytest.raises(error, match=name) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_weights_of_another_config_are_refused(folder: Path) -> None:
    config = (folder / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(config.replace("hidden: 16", "hidden: 24"), encoding="utf-8")
    with pytest.raises(ModelError, match="shape"):
        load_model(folder)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such model folder"):
        load_model(tmp_path / "nowhere")


def test_a_run_gives_way_to_its_model(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    folder.rename(tmp_path / "run" / "model")
    for load in (load_model, load_lm):
        with pytest.raises(UsageError, match=r"run: is a training run, not a model: did you mean \S+run/model\?$"):
            load(tmp_path / "run")


def test_each_kind_of_model_is_known_from_the_other(folder: Path, model: TrainedModel) -> None:
    with pytest.raises(UsageError, match=r"model: is a recogniser, not a language model: --model takes it$"):
        load_lm(folder)
    config = LMFolderConfig(kind="language_model", model=LanguageModelConfig(embedding=4, hidden=4))
    save_lm(folder / "lm", TrainedLM(LanguageModel(len(model.tokenizer), config.model), model.tokenizer, config))
    with pytest.raises(UsageError, match=rf"^{folder}: is a recogniser, not a language model: its language model is {folder}/lm$"):
        load_lm(folder)
    with pytest.raises(UsageError, match=rf"^{folder}/lm: is a language model, not a recogniser: --language-model takes it$"):
        load_model(folder / "lm")


def test_a_pickle_is_not_opened(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="safetensors"):
        load_model(folder)


@pytest.mark.parametrize("load", [load_model, load_lm])
def test_a_card_that_is_no_utf_8_is_named(tmp_path: Path, folder: Path, load: Callable[[Path], object]) -> None:
    path = folder
    if load is load_lm:
        tokenizer = Tokenizer.train(["LOW MID HIGH"] * 3, TokenizerConfig(kind="char", vocab_size=20))
        network = LanguageModel(len(tokenizer), LanguageModelConfig(embedding=4, hidden=5))
        path = tmp_path / "lm"
        save_lm(path, TrainedLM(network, tokenizer, LMFolderConfig(kind="language_model", model=network.config)))
    (path / "README.md").write_bytes(b"caf\xe9")
    with pytest.raises(ModelError, match=rf"^{path / 'README.md'}: not UTF-8 text \(byte 3\): save it as UTF-8, or remove it$"):
        load(path)
