"""Small things that several tests need."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile

from asr.config import ModelConfig

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
RATE = 16_000


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


def tone_word(word: str, random: np.random.Generator) -> np.ndarray:
    """(N,) 0.25 s of a tone whose pitch spells the word: LOW, MID or HIGH; a pause follows."""
    pitch = {"LOW": 300.0, "MID": 900.0, "HIGH": 2700.0}[word] * random.uniform(0.95, 1.05)
    t = np.arange(int(0.2 * RATE)) / RATE
    tone = 0.3 * np.sin(2 * np.pi * pitch * t) * np.hanning(len(t))
    return np.concatenate([tone, np.zeros(int(0.05 * RATE))]).astype(np.float32)


def write_tones(folder: Path, name: str, count: int, seed: int) -> Path:
    """A manifest of sentences of one to four tone words, with their audio beside it."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(count):
        words = [str(w) for w in random.choice(["LOW", "MID", "HIGH"], random.integers(1, 5))]
        audio = np.concatenate([tone_word(w, random) for w in words])
        audio = audio + 0.003 * random.standard_normal(len(audio)).astype(np.float32)
        soundfile.write(folder / f"{name}-{i}.wav", audio, RATE)
        lines.append(
            json.dumps(
                {"audio_filepath": f"{name}-{i}.wav", "text": " ".join(words), "duration": len(audio) / RATE, "speaker": f"s{i % 3}"}
            )
        )
    path = folder / f"{name}.json"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
