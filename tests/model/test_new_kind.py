"""New kinds: the attention of docs/architecture.md and a language model, each registered, trained, saved, and used for transcription."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import torch
from tests_support import TINY, every_network
from torch import Tensor, nn

from asr.config import AttentionConfig, Block, Config, LanguageModelConfig, ListenerConfig, LMRecipe, ModelConfig, SpellerConfig
from asr.config_file import dump_config, load_config
from asr.decode.precision import in_precision
from asr.decode.recognize import recognize, recognize_verified
from asr.errors import ConfigError
from asr.model.checkpoint import load_lm, load_model
from asr.model.kinds import ATTENTIONS, LANGUAGE_MODELS, LISTENERS, SPELLERS
from asr.model.las import LAS
from asr.model.lm import LanguageModel
from asr.text.tokenizer import EOS
from asr.train.lm_trainer import LMTrainer
from asr.train.trainer import Trainer

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.fixture
def additive() -> Iterator[str]:
    """The kind of the page's example, registered for a test."""
    [example] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    kinds, networks = dict(AttentionConfig.KINDS), dict(ATTENTIONS)
    exec(compile(example, str(PAGE), "exec", dont_inherit=True), {"__name__": "example"})
    yield "additive"
    for table, before in ((AttentionConfig.KINDS, kinds), (ATTENTIONS, networks)):
        table.clear()
        table.update(before)  # type: ignore[arg-type]


class BigramConfig(LanguageModelConfig):
    kind: Literal["bigram"] = "bigram"

    @property
    def description(self) -> str:
        return "bigrams"


class BigramState(NamedTuple):
    nothing: Tensor  # (B, K, 0)


class Bigram(LanguageModel):
    """Logits of the next token by the last one."""

    def __init__(self, vocabulary: int, config: BigramConfig):
        super().__init__()
        self.logits = nn.Embedding(vocabulary, vocabulary)

    def forward(self, targets: Tensor, lengths: Tensor) -> Tensor:
        log_probs = self.logits(nn.functional.pad(targets, (1, -1), value=EOS)).log_softmax(2)
        taken = log_probs.gather(2, targets[..., None])[..., 0]
        return -(taken * (torch.arange(targets.shape[1]) < lengths[:, None])).sum(1)

    def start(self, batch: int, hypotheses: int = 1) -> BigramState:
        return BigramState(torch.zeros(batch, hypotheses, 0))

    def step(self, tokens: Tensor, state: BigramState) -> tuple[Tensor, BigramState]:
        return self.logits(tokens).float().log_softmax(2), state


@pytest.fixture
def bigram() -> Iterator[str]:
    """A language model, registered for a test."""
    kinds = dict(LanguageModelConfig.KINDS)
    LanguageModelConfig.KINDS["bigram"], LANGUAGE_MODELS[BigramConfig] = BigramConfig, Bigram
    yield "bigram"
    LanguageModelConfig.KINDS.clear()
    LanguageModelConfig.KINDS.update(kinds)
    del LANGUAGE_MODELS[BigramConfig]


LanguageModelConfig.KINDS.pop("bigram")  # registered by its definition above


@pytest.mark.parametrize(
    ("family", "networks"),
    [
        (ListenerConfig, LISTENERS),
        (SpellerConfig, SPELLERS),
        (AttentionConfig, ATTENTIONS),
        (LanguageModelConfig, LANGUAGE_MODELS),
    ],
    ids=["listener", "speller", "attention", "language model"],
)
def test_every_kind_of_config_has_a_network(family: type[Block], networks: dict[Any, Any]) -> None:
    assert set(family.KINDS.values()) == set(networks)
    assert family.DEFAULT in family.KINDS


def test_the_page_names_every_kind() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for family, key in (
        (ListenerConfig, "`model.listener.kind`"),
        (SpellerConfig, "`model.speller.kind`"),
        (AttentionConfig, "`model.attention.kind`"),
        (LanguageModelConfig, "`model.kind` of a language model"),
    ):
        [row] = [line for line in page.splitlines() if line.startswith(f"| {key}")]
        assert row.split("|")[3].strip() == ", ".join(f"`{kind}`" for kind in family.KINDS)


def test_the_example_is_registered_and_computes(additive: str) -> None:
    assert [name for name in every_network() if additive in name]
    network = LAS(ModelConfig.model_validate(TINY | {"attention": {"kind": additive, "size": 16}}), 12).eval()
    states, lengths = network.listener(torch.randn(2, 60, 20), torch.tensor([60, 41]))
    together, _ = network.speller(states, lengths, torch.tensor([[3, 4], [5, 6]]))
    alone, _ = network.speller(states[1:, : lengths[1]], lengths[1:], torch.tensor([[5, 6]]))
    torch.testing.assert_close(together[1:], alone)


def test_the_example_is_trained_and_transcribes(additive: str, tone_config: Config, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(tone_config), encoding="utf-8")
    config = load_config(Config, recipe, [f"model.attention.kind={additive}", "train.steps=1", "train.dev_beam=1"])
    model = load_model(Trainer(config).run())
    assert "attention: additive" in model.card
    waveform = torch.zeros(16_000).uniform_(-0.1, 0.1)
    for precision in ("fp32", "int8"):
        assert len(recognize_verified(in_precision(model, precision), [waveform])) == 1  # type: ignore[arg-type]


def test_a_new_language_model_is_trained_and_joins_the_search(bigram: str, tiny_folder: Path, tmp_path: Path) -> None:
    text, recipe, model = tmp_path / "text.txt", tmp_path / "lm.yaml", load_model(tiny_folder)
    text.write_text("LOW MID HIGH\nMID LOW\n" * 20, encoding="utf-8")
    data = {"train": [str(text)], "dev": [str(text)]}
    run = LMRecipe.model_validate({"kind": "language_model", "output": str(tmp_path / "run"), "data": data, "train": {"precision": "fp32"}})
    recipe.write_text(dump_config(run), encoding="utf-8")
    chosen = [f"model.kind={bigram}", "train.steps=1", f"tokenizer.model={tiny_folder / 'tokenizer.model'}"]
    folder = LMTrainer(load_config(LMRecipe, recipe, chosen)).run()
    lm = load_lm(folder)
    assert isinstance(lm.network, Bigram)
    assert "| network | bigrams, " in lm.card
    waveform = torch.zeros(16_000).uniform_(-0.1, 0.1)
    for precision in ("fp32", "int8"):
        joined = in_precision(model.with_lm(folder), precision)  # type: ignore[arg-type]
        [readings] = recognize(joined, [waveform], joined.config.decode.model_copy(update={"lm_weight": 0.5}))
        assert "lm" in readings[0].scores


def test_without_the_example_its_kind_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("model: {attention: {kind: additive}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model\.attention\.kind: expected '.+' or '.+', not additive$"):
        load_config(Config, tmp_path / "recipe.yaml")
    assert all(kind.model_fields["kind"].default != "additive" for kind in ATTENTIONS)
