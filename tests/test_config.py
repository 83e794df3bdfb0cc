"""Configs: there and back, and what is wrong with them said by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from asr.config import (
    EMBEDDED,
    Config,
    DecodeConfig,
    LMFolderConfig,
    LSTMSpellerConfig,
    ModelFolderConfig,
    MultiHeadConfig,
    PyramidConfig,
    SegmentConfig,
)
from asr.config_file import dump_config, load_config, load_recipe, with_settings
from asr.errors import ConfigError

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


def write(folder: Path, text: str) -> Path:
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder / "recipe.yaml"


def test_there_and_back(tmp_path: Path) -> None:
    config = Config.model_validate({"data": {"train": ["a.json"]}, "model": {"listener": {"pyramid": [2, 2]}}, "seed": 7})
    assert load_config(Config, write(tmp_path, dump_config(config))) == config
    folder = config.folder_config()
    assert load_config(ModelFolderConfig, write(tmp_path, dump_config(folder))) == folder


@pytest.mark.parametrize(("given", "language"), [("", "en"), ("language: de", "de"), ("language: no", "no"), ("language: hsb", "hsb")])
def test_a_model_keeps_its_recipes_language(tmp_path: Path, given: str, language: str) -> None:
    folder = load_config(Config, write(tmp_path, given)).folder_config()
    assert folder.language == language
    assert load_config(ModelFolderConfig, write(tmp_path, dump_config(folder))) == folder


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_config(Config, write(tmp_path, "")) == Config()


def test_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "train: {epochs: 3}\n")
    config = load_config(Config, path, ["train.epochs=9", "data.train=[a.json,b.json]", "model.attention.kind=none", "output=runs/x"])
    assert config.train.epochs == 9
    assert config.data.train == (Path("a.json"), Path("b.json"))
    assert config.model.attention.kind == "none"
    assert config.output == Path("runs/x")


def test_one_path_needs_no_brackets(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {dev: dev.json}\naugment: {noise: noise.json}\n")
    config = load_config(Config, path, ["data.train=train.json"])
    assert (config.data.train, config.data.dev, config.augment.noise) == ((Path("train.json"),), (Path("dev.json"),), (Path("noise.json"),))
    lm = load_recipe(write(tmp_path, "kind: language_model\ndata: {train: a.txt, dev: b.txt}"))
    assert (lm.data.train, lm.data.dev) == ((Path("a.txt"),), (Path("b.txt"),))


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        ("train: {epoch: 3}", [], r"recipe\.yaml: train\.epoch: unknown key: did you mean train\.epochs\?$"),
        ("", ["train.epoch=3"], r"^train\.epoch=3: unknown key: did you mean train\.epochs\?$"),
        ("", ["epochs=3"], r"^epochs=3: unknown key: did you mean train\.epochs\?$"),
        ("", ["trian={epochs: 3}"], r"^trian=\{epochs: 3\}: unknown key: did you mean train\?$"),
        ("", ["train={epoch: 3}"], r"^train=\{epoch: 3\}: train\.epoch: unknown key: did you mean train\.epochs\?$"),
        ("", ["model.dropout=0.1"], r": did you mean model\.listener\.dropout or model\.speller\.dropout\?$"),
        ("", ["train.zzz=1"], r"^train\.zzz=1: unknown key$"),
        ("train: {epochs: 3}", ["train.epochs=4", "train.epochs=0"], r"^train\.epochs=0: expected 1 or more, not 0"),
        ("data: {train: 5}", [], r"recipe\.yaml: data\.train: expected a list, not 5"),
        ("train: {epochs: 0}", [], r"recipe\.yaml: train\.epochs: expected 1 or more, not 0"),
        ("train: {epochs: many}", [], r"train\.epochs: .*integer.*many"),
        ("train: {learning_rate: .nan}", [], r"train\.learning_rate"),
        ("model: {ctc_weight: 0}", [], r"decode\.ctc_weight needs a CTC head"),
        ("model: {attention: {kind: multihead, heads: 3, size: 16}}", [], r"model\.attention: heads \(3\) does not divide"),
        (
            "model: {attention: {kind: multihead, heads: 3, size: 240}, listener: {hidden: 200}}", [],
            r"model: attention\.heads \(3\) does not divide the size of the listener.s states \(400\)",
        ),
        ("model: {listener: {stem_channels: [8], stem_strides: []}}", [], "differ in length"),
        ("", ["model.listener.kind=rnn"], r"^model\.listener\.kind=rnn: expected 'pyramid', not rnn$"),
        ("model: {speller: {kind: [lstm]}}", [], r"recipe\.yaml: model\.speller\.kind: expected 'lstm', not \[\"lstm\"\]$"),
        ("", ["model.attention.kind=x"], r"^model\.attention\.kind=x: expected 'location', 'multihead' or 'none', not x$"),
        ("", ["model.listener=3"], r"^model\.listener=3: expected a section of keys, not 3$"),
        ("", ["model.listener.hiden=3"], r"^model\.listener\.hiden=3: unknown key: did you mean model\.listener\.hidden\?$"),
        ("", ["model.attention.head=3"], r"^model\.attention\.head=3: unknown key: did you mean model\.attention\.heads\?$"),
        ("model: {frontend: {hop_ms: 0.02}}", [], r"model\.frontend: hop_ms is 0\.02, less than one sample at 16000 Hz"),
        ("model: {frontend: {window_ms: 0.02}}", [], r"model\.frontend: window_ms is 0\.02, less than one sample"),
        ("seed: 99999999999999999999", [], r"recipe\.yaml: seed: .*less than 9223372036854775808, not 99999999999999999999$"),
        ("train: {start_from: 5}", [], r"^\S+recipe\.yaml: train\.start_from: expected a model's folder or `embedded`, not 5$"),
        ("seed: 2024-13-45", [], r"recipe\.yaml:1: not YAML: 2024-13-45 cannot be read: month must be in"),
        ("", ["seed=2024-13-45"], "seed=2024-13-45: the value is not YAML"),
        ("language: German", [], r"recipe\.yaml: language: expected the ISO 639 code of a language, such as en, de or fr, not German$"),
        ("- a list", [], "expected `key: value` lines"),
        ("a: [b", [], "not YAML"),
        ("", ["epochs"], "epochs: expected key=value"),
        ("seed: 1", ["seed.x=2"], "seed is a value, not a section"),
        ("", ["train.epochs=[1"], "not YAML"),
        ("", ["train.epochs=" + "[" * 100_000], r"^train\.epochs=\[{10,200}: the value is not YAML.*$"),
        ("seed: 1", ["trian.epochs=3"], r"^trian\.epochs=3: trian: unknown key: did you mean train\?$"),
        ("seed: 1", ["a.b.c="], r"^a\.b\.c=: a: unknown key$"),
        ("", ["=3"], r"^=3: expected key=value"),
        ("", ["train=3"], r"^train=3: expected a section of keys, not 3$"),
        ("", ["train.epochs.x=3"], r"^train\.epochs\.x=3: train\.epochs: .*integer"),
        ("", ["train.epochs="], r"^train\.epochs=: .*integer, not an empty value$"),
        ("train: {epochs: 9}", ["train.epochs=x", "train.epochs=x"], r"^train\.epochs=x: .*integer"),
        ("train: {epochs: x}", ["seed=2"], r"recipe\.yaml: train\.epochs: .*integer"),
        ("seed: 1", ["seed=2", "model.ctc_weight=0"], r"^model\.ctc_weight=0: decode\.ctc_weight needs a CTC head"),
        ("model: {ctc_weight: 0}", ["seed=2"], r"recipe\.yaml: config: decode\.ctc_weight needs a CTC head"),
        (
            "seed: 1", ["model.frontend.low_hz=5000", "model.frontend.mels=40", "model.frontend.high_hz=4000"],
            r"^model\.frontend\.low_hz=5000 model\.frontend\.high_hz=4000: model\.frontend: low_hz < high_hz",
        ),
        ("seed: 1", ["augment.noise_snr_db=[1]"], r"^augment\.noise_snr_db=\[1\]: augment\.noise_snr_db\.1: the key is missing$"),
        ("seed: 1", ["train.start_from=nope"], r"^train\.start_from=nope: nope is not a model's folder$"),
        ("seed: 1", ["train.start_from=embeded"], r"^train\.start_from=embeded: embeded is not a model's folder: did you mean embedded\?$"),
        ("train: {epochs: yes}", [], r"recipe\.yaml: train\.epochs: expected an integer, not true$"),
        ("", ["train.epochs=off"], r"^train\.epochs=off: expected an integer, not false$"),
        ("train: {epochs: '5'}", [], r"recipe\.yaml: train\.epochs: expected an integer, not 5 as a text: remove the quotes$"),
        ("train: {minutes: on}", [], r"recipe\.yaml: train\.minutes: expected a number, not true$"),
        ("train: {learning_rate: '0.1'}", [], r"train\.learning_rate: expected a number, not 0\.1 as a text: remove the quotes$"),
        ("", ["model.listener.pyramid=[yes,1]"], r"^model\.listener\.pyramid=\[yes,1\]: expected an integer, not \[true,1\]$"),
        ("", ["model.listener.stem_strides=[yes,1]"], r": expected an integer, not \[true,1\]$"),
        ("", ["augment.noise_snr_db=[0,yes]"], r"^augment\.noise_snr_db=\[0,yes\]: expected a number, not \[0,true\]$"),
        ("", ["model.speller.input_feeding=1"], r"^model\.speller\.input_feeding=1: expected true or false, not 1$"),
        ("model: {attention: {kind: mutli_head}}", [], r"'multihead' or 'none', not mutli_head: did you mean multihead\?$"),
        ("", ["tokenizer.kind=BPE"], r"^tokenizer\.kind=BPE: expected 'char', 'unigram' or 'bpe', not BPE: did you mean bpe\?$"),
        ("", ["train.start_with=listner"], r"expected 'all' or 'listener', not listner: did you mean listener\?$"),
        ("", ["model.attention=multihead"], r": expected a section of keys, not multihead: did you mean model\.attention\.kind=multihead\?$"),
        ("", ["train"], r"^train: expected key=value, such as train\.epochs=20$"),
        ("seed: 1", ["train={start_from: nope}"], r"^train=\{start_from: nope\}: nope is not a model's folder$"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, text: str, overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load_config(Config, write(tmp_path, text), overrides)


@pytest.mark.parametrize(("text", "given"), [("kind: langauge_model", r"\S+recipe\.yaml: kind"), ("", "kind=langauge_model")])
def test_a_recipe_of_an_unknown_kind_is_named(tmp_path: Path, text: str, given: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{given}: expected language_model, text_restorer, or no kind for a recogniser, not langauge_model$"
    ):
        load_recipe(write(tmp_path, text), [] if text else ["kind=langauge_model"])


@pytest.mark.parametrize(("given", "rate"), [("1e-3", 0.001), ("2E-4", 0.0002), ("1", 1.0), ("1.0e-3", 0.001)])
def test_numbers_are_read_in_every_form(tmp_path: Path, given: str, rate: float) -> None:
    assert load_config(Config, write(tmp_path, f"train: {{learning_rate: {given}}}")).train.learning_rate == rate
    assert load_config(Config, write(tmp_path, ""), [f"train.learning_rate={given}", "train.epochs=1e1"]).train.epochs == 10


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("model: {frontend: {mels: 10000000}}", "model.frontend.mels"),
        ("model: {frontend: {sample_rate: 2000000000}}", "model.frontend.sample_rate"),
        ("model: {frontend: {window_ms: 3600000}}", "model.frontend.window_ms"),
        ("model: {frontend: {hop_ms: 1.0e+300}}", "model.frontend.hop_ms"),
        ("model: {listener: {stem_channels: [1000000, 4]}}", "model.listener.stem_channels.0"),
        ("model: {listener: {hidden: 1000000}}", "model.listener.hidden"),
        ("model: {listener: {pyramid: [" + "1, " * 1000 + "1]}}", "model.listener.pyramid"),
        ("model: {listener: {pyramid: [8, 8, 8]}}", "model.listener: stem_strides and pyramid put 1024 frames into one state; at most 64"),
        ("model: {attention: {size: 1000000}}", "model.attention.size"),
        ("model: {attention: {location_width: 1000001}}", "model.attention.location_width"),
        ("model: {speller: {hidden: 1000000}}", "model.speller.hidden"),
        ("model: {speller: {layers: 100000}}", "model.speller.layers"),
        ("tokenizer: {vocab_size: 1000000000}", "tokenizer.vocab_size"),
        ("decode: {beam: 1000000000}", "decode.beam"),
        ("decode: {beam: .inf}", "decode.beam"),
        ("decode: {max_tokens_per_state: 1.0e+9}", "decode.max_tokens_per_state"),
        ("decode: {lm_weight: 1.0e+30}", "decode.lm_weight"),
        ("1: 2", "1: expected a text as the name of a key"),
    ],
)
def test_absurd_sizes_are_refused(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as e:
        load_config(ModelFolderConfig, write(tmp_path, text))
    assert str(e.value).startswith(f"{tmp_path / 'recipe.yaml'}: {key}")
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 400


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load_config(Config, tmp_path / "nowhere.yaml")


def test_a_recipe_that_starts_from_a_model_is_filled_up_from_it(tmp_path: Path, tiny_folder: Path) -> None:
    model = load_config(ModelFolderConfig, tiny_folder / "config.yaml")
    text = f"train: {{start_from: {tiny_folder}}}\nmodel: {{speller: {{dropout: 0.3}}}}"
    config = load_config(Config, write(tmp_path, text), ["decode.beam=5"])
    speller = model.model.speller.model_copy(update={"dropout": 0.3})
    assert config.model == model.model.model_copy(update={"speller": speller})
    assert config.decode == model.decode.model_copy(update={"beam": 5})
    assert config.tokenizer == model.tokenizer

    german = shutil.copytree(tiny_folder, tmp_path / "german")
    (german / "config.yaml").write_text(dump_config(model.model_copy(update={"language": "de"})), encoding="utf-8")
    recipe = write(tmp_path, f"train: {{start_from: {german}}}")
    assert load_config(Config, recipe).language == "de"
    assert load_config(Config, recipe, ["language=nl"]).language == "nl"
    assert load_config(Config, recipe, ["train.start_with=listener"]).language == "en"

    listening = load_config(Config, write(tmp_path, text), ["train.start_with=listener"])
    assert listening.model.listener == model.model.listener
    assert listening.model.speller == LSTMSpellerConfig(dropout=0.3)
    assert listening.decode == DecodeConfig()


def test_a_recipe_may_start_from_the_embedded_models() -> None:
    for recipe, folder in (("las", EMBEDDED), ("lm", EMBEDDED / "lm")):
        config = load_recipe(ROOT / "recipes" / "finetune" / f"{recipe}.yaml")
        assert config.train.start_folder == folder
        assert config.folder_config() == load_config(LMFolderConfig if recipe == "lm" else ModelFolderConfig, folder / "config.yaml")


def test_a_folder_to_start_from_that_is_no_model_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ConfigError, match=rf"recipe\.yaml: train\.start_from: {folder} is not a model's folder"):
            load_config(Config, write(tmp_path, f"train: {{start_from: {folder}}}"))


def test_a_recipe_that_starts_from_a_run_is_filled_up_from_its_recipe(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    first = {"language": "de", "model": {"listener": {"hidden": 48}}, "tokenizer": {"vocab_size": 64, "model": "pieces.model"}, "seed": 7}
    (run / "config.yaml").write_text(dump_config(Config.model_validate(first)), encoding="utf-8")
    config = load_config(Config, write(tmp_path, f"train: {{start_from: {run}}}"))
    assert (config.language, config.model.listener.size, config.tokenizer.vocab_size, config.seed) == ("de", 96, 64, 1)
    assert config.tokenizer.model is None  # the run's own tokenizer is in its folder
    assert config.train.start_from == run


@pytest.mark.parametrize(
    ("kind", "folder", "said"),
    [
        ("", EMBEDDED / "lm", "is a language model, and this recipe trains a recogniser"),
        ("kind: language_model\n", EMBEDDED, "is a recogniser, and this recipe trains a language model"),
    ],
)
def test_a_model_of_the_other_kind_is_no_start(tmp_path: Path, kind: str, folder: Path, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\S+recipe\.yaml: train\.start_from: {folder} {said}$"):
        load_recipe(write(tmp_path, f"{kind}train: {{start_from: {folder}}}"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_recipes_are_valid(path: Path) -> None:
    load_recipe(path)


def test_reduction_is_the_product_of_all_strides() -> None:
    assert PyramidConfig(stem_channels=(8, 8), stem_strides=(2, 1), pyramid=(2, 1, 2)).reduction == 8


def test_a_config_without_kinds_is_of_the_default_kinds() -> None:
    """As model folders were written before the listener and the speller had kinds, with the keys of every attention."""
    text = (EMBEDDED / "config.yaml").read_text(encoding="utf-8")
    assert "kind: pyramid" not in text
    model = load_config(ModelFolderConfig, EMBEDDED / "config.yaml").model
    assert isinstance(model.listener, PyramidConfig)
    assert isinstance(model.speller, LSTMSpellerConfig)
    assert isinstance(model.attention, MultiHeadConfig)
    assert (model.listener.size, model.listener.reductions, model.state_seconds) == (704, (4, 4, 4, 4), 0.04)


def test_another_kind_needs_no_other_change(tmp_path: Path) -> None:
    """Keys that only other kinds have are ignored, whatever their values."""
    path = write(tmp_path, "model: {attention: {kind: location, size: 64, location_width: 7}}")
    attention = load_config(Config, path, ["model.attention.kind=multihead"]).model.attention
    assert attention == MultiHeadConfig(size=64)
    config = load_config(Config, path, ["model.attention.kind=none"])
    assert config.model.attention.model_dump() == {"kind": "none"}
    assert load_config(Config, write(tmp_path, dump_config(config))) == config


def test_reductions_are_those_after_each_layer() -> None:
    listener = PyramidConfig(stem_channels=(8, 8), stem_strides=(2, 1), pyramid=(2, 1, 3))
    assert listener.reductions == (4, 4, 12)
    assert listener.description == "3 x 256 units a direction, reduction 12"


def test_a_model_keeps_its_recipes_segmentation(tmp_path: Path, tiny_folder: Path) -> None:
    folder = load_config(Config, write(tmp_path, "segment: {longest_seconds: 12}")).folder_config()
    assert folder.segment.longest_seconds == 12
    assert load_config(ModelFolderConfig, write(tmp_path, dump_config(folder))) == folder

    model = shutil.copytree(tiny_folder, tmp_path / "model")
    (model / "config.yaml").write_text(dump_config(folder), encoding="utf-8")
    again = load_config(Config, write(tmp_path, f"train: {{start_from: {model}}}"), ["segment.pad_seconds=0.1"])
    assert (again.segment.longest_seconds, again.segment.pad_seconds) == (12, 0.1)


def test_settings_change_segmentation_and_search() -> None:
    changed = with_settings(ModelFolderConfig(), ["segment.longest_seconds=12", "decode.eos_threshold=1.5", "segment.longest_seconds=10"])
    assert changed.segment == SegmentConfig(longest_seconds=10)
    assert changed.decode == DecodeConfig(eos_threshold=1.5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["segment.longest=2"], "segment.longest=2: unknown key: did you mean segment.longest_seconds?"),
        (["decode.beam=4", "decode.beam=0"], "decode.beam=0: expected 1 or more, not 0"),
        (["segment.pad_seconds=1e300"], "segment.pad_seconds=1e300: expected 10 or less, not 1e+300"),
        (["train.epochs=3"], "train.epochs=3: expected segment.KEY=VALUE or decode.KEY=VALUE, such as segment.longest_seconds=12"),
        (["segment"], "segment: expected segment.KEY=VALUE or decode.KEY=VALUE, such as segment.longest_seconds=12"),
        (["decode=3"], "decode=3: expected a section of keys, not 3"),
    ],
)
def test_mistakes_in_settings_are_named(settings: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as e:
        with_settings(ModelFolderConfig(), settings)
    assert str(e.value) == expected
