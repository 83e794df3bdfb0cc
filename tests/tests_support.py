"""Small things that several tests need."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pydantic
import soundfile

from asr.config import AttentionConfig, ListenerConfig, ModelConfig, SpellerConfig

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
RATE = 16_000

TINY: dict[str, Any] = {
    "frontend": {"mels": 20},
    "listener": {"stem_channels": [4], "stem_strides": [2], "hidden": 16, "pyramid": [2, 1], "dropout": 0.1},
    "attention": {"kind": "location", "size": 16, "heads": 2, "location_channels": 3, "location_width": 5},
    "speller": {"embedding": 8, "hidden": 24, "layers": 1, "dropout": 0.1},
    "ctc_weight": 0.3,
}
"""sections of a network small enough to train in a test, with the keys of every kind"""

ATTENTIONS = tuple(AttentionConfig.KINDS)
"""every attention that is registered"""

_SPELLERS = [{"kind": kind} for kind in SpellerConfig.KINDS] + [{"kind": "lstm", "input_feeding": False}]


def tiny_network(listener: str, attention: str, speller: dict[str, Any]) -> dict[str, Any]:
    """The sections of `TINY` with blocks of other kinds."""
    kinds = {"listener": {"kind": listener}, "attention": {"kind": attention}, "speller": speller}
    return TINY | {name: TINY[name] | kind for name, kind in kinds.items()}


def every_network() -> dict[str, dict[str, Any]]:
    """Sections of a tiny network of every listener, attention and speller that are registered and fit together, by name."""
    found = {}
    for listener, attention, speller in itertools.product(ListenerConfig.KINDS, AttentionConfig.KINDS, _SPELLERS):
        sections = tiny_network(listener, attention, speller)
        with contextlib.suppress(pydantic.ValidationError):
            ModelConfig.model_validate(sections)
            found["-".join([listener, attention, speller["kind"], *(["no-feeding"] if "input_feeding" in speller else [])])] = sections
    return found


def recipe_script(path: str) -> ModuleType:
    """A program of the recipes as a module, by its path below `recipes`."""
    return script(RECIPES / path)


def script(path: Path) -> ModuleType:
    """A program as a module. As when it is run, modules in its folder can be imported."""
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up there
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


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
