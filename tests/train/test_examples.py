"""What of the manifests is trained on, and why the rest is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.config import Config, DataConfig, ModelConfig, TokenizerConfig
from asr.errors import AsrError, ConfigError
from asr.model.las import LAS
from asr.speech.batches import Example
from asr.speech.manifest import Utterance
from asr.text.tokenizer import EOS, Tokenizer
from asr.train.examples import encode_utterances, read_utterances, select_trainable
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"{path}: no such manifest \(data\.dev\)"),
        (b"audio_filepath,text\na.wav,A\nb.wav,B\n", r"{path}:1: not JSON: Expecting value, nor is any other line: is this a manifest\? `asr manifest from` .*"),
        (b"RIFF\xff\n" * 50, r"{path}:1: not UTF-8 text, nor is any other line: is this a manifest\? `asr manifest from` converts other layouts"),
        (b"", r"{path}:1: the manifest is empty, expected one JSON object per line"),
        (b'{"audio_filepath": "a.wav"}\n' * 9, r"{path}:1: text is missing.*\n(.*\n){{4}}{path}: 4 more problems: `asr manifest check '{path}'` lists all"),
        (b'{"audio_filepath": "a.wav", "text": " "}\n' * 3, r"{path}:1: text is empty, as in all 3 lines of data\.dev: `asr manifest check '{path}'`"),
        (b'{"audio_filepath": "a.wav", "text": "A", "duration": "long"}', r'{path}:1: duration is "long", expected seconds \(a number > 0\)'),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_used_is_named(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "my dev.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AsrError) as caught:
        read_utterances([path], "data.dev")
    assert re.fullmatch(said.format(path=re.escape(str(path))), str(caught.value)), str(caught.value)


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^{tmp_path}: is a folder, expected a manifest file \(data\.train\)$"):
        read_utterances([tmp_path], "data.train")


@pytest.mark.parametrize("duration", ['"duration": 1, ', ""])
def test_missing_recordings_are_named_by_their_line(duration: str, tone_config: Config, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text("".join(f'{{{duration}"audio_filepath": "{i}.wav", "text": "LOW"}}\n' for i in range(3)), encoding="utf-8")
    said = rf"^no utterance of data\.train can be used: {path}:1: {tmp_path}/0\.wav: no such file \(and 2 more\): `asr manifest check {path}` lists all$"
    with pytest.raises(ConfigError, match=said):
        Trainer(tone_config.model_copy(update={"data": tone_config.data.model_copy(update={"train": (path,)})})).run()


def test_a_duration_beyond_the_recording_is_reported(
    tone_config: Config, tones: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"audio_filepath": str(tones[0].parent / "train-0.wav"), "text": "LOW", "duration": 15}
    path = tone_config.output.with_name("m.json")
    path.write_text(json.dumps(line), encoding="utf-8")
    train = tone_config.train.model_copy(update={"epochs": 1})
    Trainer(tone_config.model_copy(update={"data": tone_config.data.model_copy(update={"train": (path,)}), "train": train})).run()
    assert re.search(
        rf"^data\.train: used train-0 although sound is missing: {path}:1: duration is 15, and the recording has [\d.]+ s$",
        capsys.readouterr().err,
        re.MULTILINE,
    )
