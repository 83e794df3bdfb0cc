"""Small things that several tests need."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from asr.config import ModelConfig

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"


def recipe_script(path: str) -> ModuleType:
    """A program of the recipes as a module, by its path below `recipes`."""
    return script(RECIPES / path)


def script(path: Path) -> ModuleType:
    """A program as a module."""
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def with_attention(config: ModelConfig, kind: str, layers: int = 1) -> ModelConfig:
    """The config with another attention and number of speller layers."""
    return config.model_copy(
        update={
            "attention": config.attention.model_copy(update={"kind": kind}),
            "speller": config.speller.model_copy(update={"layers": layers}),
        }
    )
