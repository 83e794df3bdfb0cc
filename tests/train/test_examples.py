"""What of the manifests is trained on, and why the rest is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.config import Config, DataConfig, ModelConfig, TokenizerConfig
from asr.errors import ConfigError
from asr.model.las import LAS
from asr.speech.batches import Example
from asr.speech.manifest import Utterance
from asr.text.tokenizer import EOS, Tokenizer
from asr.train.examples import encode_utterances, select_trainable
from asr.train.trainer import Trainer

A, B = EOS + 1, EOS + 2  # two pieces


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(["LOW MID HIGH"] * 3, TokenizerConfig(kind="char", vocab_size=20))


def example(tokens: int | tuple[int, ...], seconds: float) -> Example:
    """Of the given tokens, or of so many of which no two neighbours are the same."""
    some = ((A, B) * tokens)[:tokens] if isinstance(tokens, int) else tokens
    return Example(Utterance("it", Path("it.wav"), "LOW", seconds), some, seconds)


def reasons(examples: list[Example], tiny: ModelConfig, tokenizer: Tokenizer, config: DataConfig, fastest: float = 1.0) -> list[str]:
    """Why those that are left out are."""
    network = LAS(tiny, len(tokenizer))
    chosen, skipped = select_trainable(examples, network, tokenizer, config, fastest)
    assert len(chosen) + len(skipped) == len(examples)
    return [s.reason for s in skipped]


@pytest.mark.parametrize(
    ("tokens", "fastest", "needed", "states"),
    [
        # a second has 98 frames, which make 25 states; at 1.25 times the speed it has 78, which make 20
        (25, 1.0, 25, 25),
        (26, 1.0, 26, 25),
        (20, 1.25, 20, 20),
        (21, 1.25, 21, 20),
        ((A,) * 13, 1.0, 25, 25),  # with a blank between each two
        ((A,) * 13 + (B,), 1.0, 26, 25),
    ],
)
def test_a_text_must_fit_into_the_states_that_it_has_at_the_fastest_speed(
    tokens: int | tuple[int, ...], fastest: float, needed: int, states: int, tiny: ModelConfig, tokenizer: Tokenizer
) -> None:
    left_out = reasons([example(tokens, 1.0)], tiny, tokenizer, DataConfig(), fastest)
    assert left_out == ([f"needs {needed} states for its text, and has {states}"] if needed > states else [])


def test_without_a_ctc_head_any_text_fits(tiny: ModelConfig, tokenizer: Tokenizer) -> None:
    assert reasons([example(500, 1.0)], tiny.model_copy(update={"ctc_weight": 0.0}), tokenizer, DataConfig()) == []


def test_the_fastest_speed_is_that_of_the_augmentation(tone_config: Config) -> None:
    """Words of tones have a quarter of a second and four or five tokens: enough states, but not at five times the speed."""

    def usable(speeds: tuple[float, ...], name: str) -> list[str]:
        augment = tone_config.augment.model_copy(update={"speeds": speeds})
        config = tone_config.model_copy(update={"augment": augment, "output": tone_config.output / name})
        return [e.utterance.id for e in Trainer(config).data.examples]

    assert len(usable((), "as-it-is")) == 48
    with pytest.raises(ConfigError, match=r"needs \d+ states for its text, and has \d \(and 47 more\)$"):
        usable((0.5, 1.0, 5.0), "fast")


def test_lengths_must_lie_between_the_two_that_are_asked_for(tiny: ModelConfig, tokenizer: Tokenizer) -> None:
    config = DataConfig(min_seconds=1.0, max_seconds=2.0)
    assert reasons([example(2, seconds) for seconds in (0.99, 1.0, 2.0, 2.01)], tiny, tokenizer, config) == [
        "0.99 s long, outside data.min_seconds to data.max_seconds",
        "2.01 s long, outside data.min_seconds to data.max_seconds",
    ]


def test_an_utterance_longer_than_a_batch_is_no_example(tokenizer: Tokenizer) -> None:
    examples, skipped = encode_utterances([Utterance(f"{n} s", Path("it.wav"), "LOW", n) for n in (119.9, 120.0, 121.0)], tokenizer)
    assert [e.seconds for e in examples] == [119.9, 120.0]
    assert [(s.id, s.reason) for s in skipped] == [("121.0 s", "121 s long, and the limit is 120 s")]


def test_missing_durations_come_from_the_recording(tmp_path: Path, tokenizer: Tokenizer) -> None:
    soundfile.write(tmp_path / "it.wav", np.zeros(2 * 8_000), 8_000)
    told = [Utterance("all", tmp_path / "it.wav", "LOW"), Utterance("part", tmp_path / "it.wav", "MID", offset=0.5)]
    examples, skipped = encode_utterances([*told, Utterance("none", tmp_path / "nowhere.wav", "HIGH")], tokenizer)
    assert [(e.utterance.id, e.seconds, e.tokens) for e in examples] == [
        ("all", 2.0, tuple(tokenizer.encode("LOW"))),
        ("part", 1.5, tuple(tokenizer.encode("MID"))),
    ]
    assert [s.id for s in skipped] == ["none"]
