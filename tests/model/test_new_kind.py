"""A new kind of attention, the example of docs/architecture.md: registered, trained, saved, and used for transcription."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests_support import TINY, every_network

from asr.config import AttentionConfig, Block, Config, ListenerConfig, ModelConfig, SpellerConfig
from asr.config_file import dump_config, load_config
from asr.decode.precision import in_precision
from asr.decode.recognize import recognize_verified
from asr.errors import ConfigError
from asr.model.checkpoint import load_model
from asr.model.kinds import ATTENTIONS, LISTENERS, SPELLERS
from asr.model.las import LAS
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


@pytest.mark.parametrize(
    ("family", "networks"),
    [(ListenerConfig, LISTENERS), (SpellerConfig, SPELLERS), (AttentionConfig, ATTENTIONS)],
    ids=["listener", "speller", "attention"],
)
def test_every_kind_of_config_has_a_network(family: type[Block], networks: dict[Any, Any]) -> None:
    assert set(family.KINDS.values()) == set(networks)
    assert family.DEFAULT in family.KINDS


def test_the_page_names_every_kind() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for family, name in ((ListenerConfig, "listener"), (SpellerConfig, "speller"), (AttentionConfig, "attention")):
        [row] = [line for line in page.splitlines() if line.startswith(f"| `model.{name}.kind`")]
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


def test_without_the_example_its_kind_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("model: {attention: {kind: additive}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model\.attention\.kind: expected 'location', 'multihead' or 'none', not additive$"):
        load_config(Config, tmp_path / "recipe.yaml")
    assert len(ATTENTIONS) == 3
