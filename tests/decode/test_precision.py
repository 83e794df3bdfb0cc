"""Networks of every kind in fewer bits say nearly the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests_support import every_network, tiny_network
from torch import nn

from asr.config import EMBEDDED, DecodeConfig, LMFolderConfig, LSTMLanguageModelConfig, ModelConfig, ModelFolderConfig, TokenizerConfig
from asr.decode.attention import token_attention
from asr.decode.hotwords import load_hotwords
from asr.decode.precision import Precision, computes_int8, in_precision
from asr.decode.recognize import recognize, recognize_verified
from asr.errors import UsageError
from asr.model.attention import LocationAttention
from asr.model.checkpoint import TrainedLM, TrainedModel, load_model
from asr.model.las import LAS
from asr.model.lstm_lm import LSTMLanguageModel
from asr.model.pyramid import PyramidListener
from asr.score.wer import word_errors
from asr.speech.audio import load_audio
from asr.text.tokenizer import Tokenizer

EXAMPLES = Path(__file__).parents[2] / "examples"
NETWORKS = every_network()
PLAIN = tiny_network("pyramid", "location", {"kind": "lstm"})
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")


def make_model(sections: dict[str, Any], has_ctc: bool = True, has_lm: bool = True) -> TrainedModel:
    """A random recogniser of two speller layers; the same at every call."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["LOW MID HIGH"] * 3, TokenizerConfig(kind="char", vocab_size=20))
    speller = sections["speller"] | {"layers": 2}
    config = ModelConfig.model_validate(sections | {"speller": speller, "ctc_weight": 0.3 if has_ctc else 0.0})
    lm_config = LMFolderConfig(kind="language_model", model=LSTMLanguageModelConfig(embedding=8, hidden=16))
    lm = TrainedLM(LSTMLanguageModel(len(tokenizer), lm_config.model).eval(), tokenizer, lm_config) if has_lm else None
    decode = DecodeConfig(beam=3, ctc_weight=0.3 if has_ctc else 0.0, lm_weight=0.5 if has_lm else 0.0)
    network = LAS(config, len(tokenizer)).eval()
    with torch.no_grad():
        for parameter in network.speller.parameters():
            parameter.mul_(2.0)  # so that attention and choices are distinct
    return TrainedModel(network, tokenizer, ModelFolderConfig(model=config, decode=decode), "", lm)


def waveforms() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [0.1 * torch.randn(n, generator=generator) for n in (16_000, 9_000)]


@pytest.mark.parametrize("has_lm", [True, False])
@pytest.mark.parametrize("has_ctc", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_works_in_every_precision(name: str, precision: Precision, has_ctc: bool, has_lm: bool) -> None:
    model = in_precision(make_model(NETWORKS[name], has_ctc, has_lm), precision)
    hotwords = load_hotwords(["HIGH"], model.tokenizer) if has_ctc else None
    quick = model.config.decode.model_copy(update={"beam": 1, "ctc_weight": 0.0, "lm_weight": 0.0})
    for search in (model.config.decode, quick):
        found = recognize_verified(model, waveforms(), search, hotwords if search.ctc_weight else None)
        assert len(found) == 2
    log_mel, weights = token_attention(model, waveforms()[0], model.tokenizer.encode("LOW MID"))
    assert torch.isfinite(log_mel).all()
    assert torch.isfinite(weights).all()


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.1), ("int8", 0.25)])
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_every_network_computes_nearly_the_same(name: str, precision: Precision, tolerance: float) -> None:
    def logits(model: TrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
        states, lengths = model.network.listen(waveforms()[0][None], torch.tensor([16_000]))
        tokens = torch.tensor([model.tokenizer.encode("LOW MID HIGH")])
        ctc = model.network.ctc_log_probs(states)
        assert ctc is not None
        return model.network.speller(states, lengths, tokens)[0].float(), ctc

    for plain, changed in zip(
        logits(make_model(NETWORKS[name])),
        logits(in_precision(make_model(NETWORKS[name]), precision)),
        strict=True,
    ):
        assert 0 < (plain - changed).abs().max() < tolerance * plain.std()


def test_every_linear_layer_and_lstm_is_quantized() -> None:
    model = in_precision(make_model(PLAIN), "int8")
    assert model.lm is not None
    left = [m for network in (model.network, model.lm.network) for m in network.modules() if type(m) in (nn.Linear, nn.LSTM, nn.LSTMCell)]
    assert left == []


def test_a_block_says_which_modules_are_quantized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PyramidListener, "int8_types", frozenset({nn.LSTM}))
    monkeypatch.setattr(LocationAttention, "int8_types", frozenset())
    network = in_precision(make_model(PLAIN), "int8").network
    plain = {name for name, module in network.named_modules() if type(module) in (nn.Linear, nn.LSTM, nn.LSTMCell)}
    assert plain == {f"speller.attention.{name}" for name in ("key", "query", "place", "energy")}


def test_warnings_of_libraries_are_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recognize_verified(in_precision(make_model(PLAIN), "int8"), waveforms())


def test_int8_is_refused_where_torch_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not computes_int8(torch.device("cuda"))
    monkeypatch.setattr(torch.backends, "quantized", SimpleNamespace(engine="none"))
    with pytest.raises(UsageError, match=r"^precision int8: this build of torch has no quantised operations: use fp32$"):
        in_precision(make_model(PLAIN), "int8")
    network = make_model(PLAIN).network
    network.frontend.mean = network.frontend.mean.to("meta")  # stands for a GPU
    with pytest.raises(UsageError, match=r"^precision int8: it is for CPUs: use bf16 on a GPU$"):
        in_precision(TrainedModel(network, Tokenizer.load(EMBEDDED / "tokenizer.model"), ModelFolderConfig()), "int8")


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_the_words_are_nearly_the_same(precision: Precision) -> None:
    clips = [torch.from_numpy(load_audio(EXAMPLES / name)) for name in ("river.flac", "window.flac", "numbers.flac")]
    plain = [nbest[0] for nbest in recognize(load_model(EMBEDDED), clips)]
    model = in_precision(load_model(EMBEDDED), precision)
    changed = [one.readings[0] for one in recognize_verified(model, clips)]
    assert word_errors([r.text for r in plain], [r.text for r in changed]).rate <= 0.15
    for one, other in zip(plain, changed, strict=True):
        assert one.score == pytest.approx(other.score, abs=2.0)
        assert one.score != other.score  # else nothing was changed


def test_fp32_changes_nothing(tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    assert in_precision(model, "fp32") is model
