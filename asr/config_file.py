"""Configs as YAML: reading with overrides, errors that name the key at fault, and writing.

A recipe (`recipes/*/*.yaml`) is a `Config`, an `LMRecipe` or a `RestorerRecipe`. A model folder's `config.yaml` is the part that describes its model.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from asr.config import (
    Config,
    LMRecipe,
    LMTrainConfig,
    ModelFolderConfig,
    OptimizerConfig,
    RestorerRecipe,
    RestorerTrainConfig,
    Section,
    TrainConfig,
)
from asr.config.problems import explain, format_value
from asr.errors import ConfigError
from asr.yaml_text import NotYamlError, decode_yaml, read_yaml

AnySection = TypeVar("AnySection", bound=Section)


def load_config(kind: type[AnySection], path: Path, overrides: list[str] | None = None) -> AnySection:
    """Read a config.

    A recipe that starts from a model, or from a training run, inherits its language, network, tokenizer, segmentation and search where it sets
    none.

    Args:
        kind: Class of the config.
        path: YAML file.
        overrides: Changes, such as `section.key=value`.

    Returns:
        The validated config.

    Raises:
        ConfigError: Names every key at fault, with its file or override.
    """
    try:
        return kind.model_validate(_inherit(path, _tree(path, overrides), overrides))
    except ValidationError as e:
        problems = [f"{_origin(kind, path, overrides or [], p)}: {explain(p, kind)}" for p in e.errors()]
        raise ConfigError("\n".join(problems)) from None


def load_recipe(path: Path, overrides: list[str] | None = None) -> Config | LMRecipe | RestorerRecipe:
    """Read a recipe as `load_config` does. Its `kind` decides: `language_model`, `text_restorer`, or a recogniser without it."""
    tree = _tree(path, overrides)
    kind = _kind(tree)
    if "kind" in tree and kind == "recogniser":
        typed = [o for o in overrides or [] if _key(o) == "kind"]
        given = typed[-1] if typed else f"{path}: kind"
        expected = "expected language_model, text_restorer, or no kind for a recogniser"
        raise ConfigError(f"{given}: {expected}, not {format_value(tree['kind'])}")
    if kind == "language_model":
        return load_config(LMRecipe, path, overrides)
    return load_config(RestorerRecipe, path, overrides) if kind == "text_restorer" else load_config(Config, path, overrides)


def holds_recipe(path: Path) -> bool:
    """Return whether a file is a recipe as `dump_config` writes it, with all sections. A model's config has fewer."""
    try:
        return {"model", "tokenizer", "output", "seed", "data", "train"} <= _tree(path).keys()
    except ConfigError:
        return False


def described_kind(path: Path) -> str:
    """Return what a config describes: `recogniser`, `language_model` or `text_restorer`. Raises ConfigError if it cannot be read."""
    return _kind(_tree(path))


def _kind(tree: dict[str, Any]) -> str:
    kind = tree.get("kind")
    return kind if kind in ("language_model", "text_restorer") else "recogniser"


def with_article(kind: str) -> str:
    """Return a kind of model in words, as in `a language model`."""
    return f"a {kind.replace('_', ' ')}"


def _inherit(path: Path, tree: dict[str, Any], overrides: list[str] | None = None) -> dict[str, Any]:
    """Return a recipe's tree with the settings that it inherits from the model that it starts from."""
    train = tree.get("train")
    start = train.get("start_from") if isinstance(train, dict) else None
    if not isinstance(train, dict) or not isinstance(start, str):
        return tree
    kind = _kind(tree)
    sections: dict[str, type[OptimizerConfig]] = {"language_model": LMTrainConfig, "text_restorer": RestorerTrainConfig}
    section = sections.get(kind, TrainConfig)
    folder = section.model_validate({"start_from": start}).start_folder
    typed = [o for o in overrides or [] if _key(o) in ("train", "train.start_from")]
    given = typed[-1] if typed else f"{path}: train.start_from"
    if folder is None or not (folder / "config.yaml").is_file():
        meant = ": did you mean embedded?" if difflib.get_close_matches(start, ["embedded"]) else ""
        raise ConfigError(f"{given}: {folder} is not a model's folder{meant}")
    model = _tree(folder / "config.yaml")
    if holds_recipe(folder / "config.yaml"):  # a training run, whose tokenizer is in its folder
        model["tokenizer"] = {key: value for key, value in model["tokenizer"].items() if key != "model"}
    if _kind(model) != kind:
        raise ConfigError(f"{given}: {folder} is {with_article(_kind(model))}, and this recipe trains {with_article(kind)}")
    if train.get("start_with") == "listener":
        network = model.get("model", {})
        return _filled(tree, {"model": {name: network[name] for name in ("frontend", "listener") if name in network}})
    return _filled(tree, {name: model[name] for name in ("language", "model", "tokenizer", "segment", "decode") if name in model})


def _filled(tree: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return a tree with missing values filled from another."""
    filled = others | tree
    for name, other in others.items():
        if isinstance(own := tree.get(name), dict) and isinstance(other, dict):
            filled[name] = _filled(own, other)
    return filled


def _tree(path: Path, overrides: list[str] | None = None) -> dict[str, Any]:
    try:
        tree, _ = read_yaml(path)
    except NotYamlError as e:
        raise ConfigError(f"{path}:{e.line}: {e}") from None
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror}") from None
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found a {type(tree).__name__}")
    for override in overrides or []:
        _apply_override(tree, override)
    return tree


def _origin(kind: type[Section], path: Path, overrides: list[str], problem: Any) -> str:
    """Return the origin and key of a problem: the overrides that cause it, as typed, or else the file."""
    key = ".".join(map(str, problem["loc"]))
    guilty = [o for i, o in enumerate(overrides) if not _has_problem(kind, path, overrides[:i] + overrides[i + 1 :], problem)]
    if not guilty and overrides and not _has_problem(kind, path, [], problem):  # each of several overrides causes it
        guilty = [o for o in overrides if f"{key}.".startswith(f"{_key(o)}.")][-1:] or overrides
    if not guilty:
        return f"{path}: {key or 'config'}"
    given = " ".join(guilty)
    return given if not key or key == _key(guilty[-1]) else f"{given}: {key}"


def _has_problem(kind: type[Section], path: Path, overrides: list[str], problem: Any) -> bool:
    """Return whether a config has a problem with a part of its overrides."""

    def sign(found: Any) -> tuple[Any, ...]:  # the input of a whole section differs with every override
        return (found["loc"], found["type"], None if isinstance(found["input"], dict) else repr(found["input"]))

    try:
        kind.model_validate(_inherit(path, _tree(path, overrides), overrides))
    except ValidationError as e:
        return sign(problem) in map(sign, e.errors())
    except ConfigError:
        return False
    return False


def _key(override: str) -> str:
    return override.partition("=")[0]


def with_settings(config: ModelFolderConfig, settings: Sequence[str]) -> ModelFolderConfig:
    """Change a model's segmentation or search.

    Args:
        config: The model's config.
        settings: Changes, such as `segment.longest_seconds=12` or `decode.eos_threshold=1.5`.

    Returns:
        The changed config.

    Raises:
        ConfigError: Names the setting at fault.
    """
    tree = config.model_dump(mode="json")
    for setting in settings:
        if "=" not in setting or _key(setting).split(".")[0] not in ("segment", "decode"):
            raise ConfigError(f"{setting}: expected segment.KEY=VALUE or decode.KEY=VALUE, such as segment.longest_seconds=12")
        _apply_override(tree, setting)
    try:
        return ModelFolderConfig.model_validate(tree)
    except ValidationError as e:
        problems = []
        for p in e.errors():
            key = ".".join(map(str, p["loc"]))
            guilty = [setting for setting in settings if f"{key}.".startswith(f"{_key(setting)}.")][-1:]
            problems.append(f"{' '.join(guilty or settings)}: {explain(p, ModelFolderConfig)}")
        raise ConfigError("\n".join(problems)) from None


def dump_config(config: Section) -> str:
    """Return a config as YAML, which `load_config` reads back to an equal object."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, width=100)


def differences(before: Mapping[str, Any], now: Mapping[str, Any], section: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the keys (`section.key`) in which two trees differ, with both values. A missing value is None."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*now, *before]):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found |= differences(old, new, f"{section}{key}.")
        elif old != new:
            found[f"{section}{key}"] = (old, new)
    return found


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{override}: expected key=value, such as train.epochs=20")
    try:
        parsed, _ = decode_yaml(value)
    except NotYamlError as e:
        raise ConfigError(f"{override[:200]}: the value is {e}") from None
    *sections, name = key.split(".")
    for section in sections:
        child = tree.setdefault(section, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{override}: {section} is a value, not a section")
        tree = child
    tree[name] = parsed
