"""Model folders: what is saved comes back, and what is broken says so."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from asr.config import LMFolderConfig, LSTMLanguageModelConfig, ModelConfig, ModelFolderConfig, TokenizerConfig
from asr.errors import AsrError, ConfigError, ModelError, UsageError
from asr.model.checkpoint import TrainedLM, TrainedModel, load_lm, load_model, save_lm, save_model
from asr.model.las import LAS
from asr.model.lstm_lm import LSTMLanguageModel
from asr.model.run_folder import find_model
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


def test_a_saved_model_loads_unchanged(model: TrainedModel, folder: Path) -> None:
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


def test_a_run_gives_its_model_or_its_best_checkpoint(folder: Path, model: TrainedModel, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.jsonl").touch()  # stopped before its first checkpoint
    with pytest.raises(UsageError, match=r"run: is a training run without an evaluated checkpoint"):
        load_model(run)
    for step, best in ((8, [[12.5, 4], [20.0, 8]]), (12, None)):  # the newest is damaged
        state = run / "states" / f"step-{step:08d}"
        state.mkdir(parents=True)
        (state / "training.json").write_text(json.dumps({"best": best}) if best else "{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"run: is a training run without an evaluated checkpoint: wait for its first evaluation"):
        load_model(run)
    for step in (4, 8):
        shutil.copytree(folder, run / "best" / f"step-{step:08d}")
    best, note = find_model(run)
    assert best == run / "best" / "step-00000004"
    assert note == f"{run}: an unfinished training run; using its best checkpoint {best} (dev figure 12.50)"
    assert load_model(run).tokenizer.pieces == model.tokenizer.pieces
    folder.rename(run / "model")
    assert find_model(run) == (run / "model", f"{run}: a training run; using its finished model {run / 'model'}")
    assert find_model(run / "model") == (run / "model", "")


def test_each_kind_of_model_is_known_from_the_other(folder: Path, model: TrainedModel) -> None:
    with pytest.raises(UsageError, match=r"model: is a recogniser, not a language model: --model takes it$"):
        load_lm(folder)
    config = LMFolderConfig(kind="language_model", model=LSTMLanguageModelConfig(embedding=4, hidden=4))
    save_lm(folder / "lm", TrainedLM(LSTMLanguageModel(len(model.tokenizer), config.model), model.tokenizer, config))
    with pytest.raises(UsageError, match=rf"^{folder}: is a recogniser, not a language model: its language model is {folder}/lm$"):
        load_lm(folder)
    with pytest.raises(UsageError, match=rf"^{folder}/lm: is a language model, not a recogniser: --language-model takes it$"):
        load_model(folder / "lm")


def test_a_pickle_is_not_opened(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="safetensors"):
        load_model(folder)


# ---------------------------------------------------------------- folders that do harm


def tamper(folder: Path, name: str, tensor: torch.Tensor | None) -> None:
    """Replace a tensor of a model's weights, or remove it."""
    weights = load_file(folder / "model.safetensors")
    weights.pop(name, None)
    if tensor is not None:
        weights[name] = tensor
    save_file(weights, folder / "model.safetensors")


def header(shapes: dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header."""
    text = json.dumps(shapes).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one_line(error: pytest.ExceptionInfo[ModelError], folder: Path) -> str:
    message = str(error.value)
    assert message.startswith(f"{folder / 'model.safetensors'}: ")
    assert "\n" not in message
    return message


def test_a_network_is_built_without_memory_before_its_shapes_are_known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = (folder / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(config.replace("hidden: 16", "hidden: 16384"), encoding="utf-8")
    devices = []

    def build(*arguments: Any) -> LAS:
        devices.append(torch.empty(0).device.type)
        assert devices == ["meta"]
        return LAS(*arguments)

    monkeypatch.setattr("asr.model.checkpoint.LAS", build)
    with pytest.raises(ModelError, match=r"ctc\.weight has shape \(.*\), expected \(.*\): the weights belong to another config\.yaml") as e:
        load_model(folder)
    one_line(e, folder)
    assert devices == ["meta"]


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("listener.layers.0.norm.weight", lambda x: x * torch.nan, "listener.layers.0.norm.weight has values that are not finite"),
        ("ctc.bias", lambda x: torch.full_like(x, torch.inf), "ctc.bias has values that are not finite"),
        ("speller.output.weight", lambda x: x.half().fill_(-torch.inf), "speller.output.weight has values that are not finite"),
        ("speller.output.weight", torch.zeros_like, "speller.output.weight is all zeros"),
        ("listener.layers.1.lstm.back.weight_hh_l0", torch.zeros_like, "listener.layers.1.lstm.back.weight_hh_l0 is all zeros"),
        ("listener.layers.0.norm.weight", torch.zeros_like, "listener.layers.0.norm.weight is all zeros"),
        ("frontend.deviation", torch.zeros_like, "frontend.deviation has values that are not above 0"),
        ("ctc.weight", lambda x: x.long(), "ctc.weight is int64, expected floats"),
        ("ctc.weight", lambda x: x > 0, "ctc.weight is bool, expected floats"),
        ("ctc.weight", lambda x: x.to(torch.complex64), "ctc.weight is complex64, expected floats"),
        ("ctc.weight", lambda x: x[None], r"ctc.weight has shape (1, "),
        ("ctc.weight", lambda _: None, "ctc.weight is missing: the weights belong to another config.yaml"),
        ("ctc.more", lambda _: torch.ones(3), "ctc.more is unknown: the weights belong to another config.yaml"),
    ],
)
def test_weights_of_no_use_are_refused(folder: Path, name: str, change: Callable[[Any], Any], expected: str) -> None:
    tamper(folder, name, change(load_file(folder / "model.safetensors").get(name)))
    with pytest.raises(ModelError) as e:
        load_model(folder)
    assert f": {expected}" in one_line(e, folder)


@pytest.mark.parametrize(
    "content",
    [
        header({}, length=2**63),
        header({}, length=10**9),
        header({"ctc.bias": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}}, bytes(4)),
        header({"ctc.bias": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}, bytes(4)),
        header({"ctc.bias": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
        header({"ctc.bias": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
        b"",
        bytes(7),
        bytes(8),
        struct.pack("<Q", 5000) + b'{"a":' * 1000,
    ],
)
def test_a_header_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="damaged or not a safetensors file") as e:
        load_model(folder)
    one_line(e, folder)


def test_a_tokenizer_of_another_size_is_refused(folder: Path) -> None:
    other = Tokenizer.train(["ANOTHER TEXT WITH MANY LETTERS"] * 3, TokenizerConfig(kind="char", vocab_size=40))
    (folder / "tokenizer.model").write_bytes(other.serialized)
    with pytest.raises(ModelError, match=r"ctc\.bias has shape .* another config\.yaml or tokenizer\.model$") as e:
        load_model(folder)
    one_line(e, folder)


def test_a_language_model_is_checked_likewise(folder: Path, model: TrainedModel) -> None:
    config = LMFolderConfig(kind="language_model", model=LSTMLanguageModelConfig(embedding=4, hidden=4))
    save_lm(folder / "lm", TrainedLM(LSTMLanguageModel(len(model.tokenizer), config.model), model.tokenizer, config))
    load_model(folder)
    weights = load_file(folder / "lm" / "model.safetensors")
    tamper(folder / "lm", "lstm.weight_hh_l0", torch.full_like(weights["lstm.weight_hh_l0"], torch.nan))
    with pytest.raises(ModelError, match=r"lstm\.weight_hh_l0 has values that are not finite") as e:
        load_model(folder)
    one_line(e, folder / "lm")
    tamper(folder / "lm", "lstm.weight_hh_l0", torch.ones(160_000, 4))
    with pytest.raises(ModelError, match=r"lstm\.weight_hh_l0 has shape \(160000, 4\), expected \(16, 4\)"):
        load_model(folder)


def test_biases_may_be_zero(folder: Path) -> None:
    for name, tensor in load_file(folder / "model.safetensors").items():
        if "bias" in name:
            tamper(folder, name, torch.zeros_like(tensor))
    load_model(folder)


def test_weights_outlive_their_file(folder: Path) -> None:
    network = load_model(folder).network
    before = network.speller.output.weight.clone()
    with open(folder / "model.safetensors", "r+b") as f:
        f.seek(8 + 4096)
        f.write(bytes((folder / "model.safetensors").stat().st_size - 8 - 4096))
    assert torch.equal(network.speller.output.weight, before)


def test_links_are_followed(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("model.safetensors", "config.yaml", "tokenizer.model", "README.md"):
        (linked / name).symlink_to(folder / name)
    assert load_model(linked).card == "a card"
    (tmp_path / "whole").symlink_to(folder)
    assert load_model(tmp_path / "whole").card == "a card"
    (linked / "lm").symlink_to(linked)
    with pytest.raises(UsageError, match=r"lm: is a recogniser, not a language model"):
        load_model(linked)
    (linked / "lm").unlink()
    (linked / "config.yaml").unlink()
    (linked / "config.yaml").symlink_to("config.yaml")
    with pytest.raises(ModelError, match=r"config\.yaml missing$"):
        load_model(linked)


@pytest.mark.parametrize("load", [load_model, load_lm])
def test_a_card_that_is_no_utf_8_is_named(tmp_path: Path, folder: Path, load: Callable[[Path], object]) -> None:
    path = folder
    if load is load_lm:
        tokenizer = Tokenizer.train(["LOW MID HIGH"] * 3, TokenizerConfig(kind="char", vocab_size=20))
        network = LSTMLanguageModel(len(tokenizer), LSTMLanguageModelConfig(embedding=4, hidden=5))
        path = tmp_path / "lm"
        save_lm(path, TrainedLM(network, tokenizer, LMFolderConfig(kind="language_model", model=network.config)))
    (path / "README.md").write_bytes(b"caf\xe9")
    with pytest.raises(ModelError, match=rf"^{path / 'README.md'}: not UTF-8 text \(byte 3\): save it as UTF-8, or remove it$"):
        load(path)
