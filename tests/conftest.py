"""What the tests share: a tiny network, a corpus of tones, and real speech where it is to be had."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import hypothesis
import pytest
import torch
from tests_support import TINY, write_tones

from asr.config import Config, DecodeConfig, ModelConfig, ModelFolderConfig, TokenizerConfig
from asr.model.checkpoint import TrainedModel, save_model
from asr.model.las import LAS
from asr.text.tokenizer import Tokenizer

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
hypothesis.settings.register_profile("patient", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("patient")
torch.set_num_threads(1)

FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # older than Python 3.10.12 and 3.11.4
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def tiny() -> ModelConfig:
    """A network small enough to train in a test."""
    return ModelConfig.model_validate(TINY)


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Manifests to train on and to develop on."""
    folder = tmp_path_factory.mktemp("tones")
    return write_tones(folder, "train", 48, seed=1), write_tones(folder, "dev", 12, seed=2)


@pytest.fixture
def tone_config(tones: tuple[Path, Path], tmp_path: Path) -> Config:
    """A recipe for them that takes seconds."""
    train, dev = tones
    return Config.model_validate(
        {
            "output": str(tmp_path / "run"),
            "data": {"train": [str(train)], "dev": [str(dev)]},
            "tokenizer": {"kind": "char", "vocab_size": 20},
            "model": TINY,
            "augment": {"time_width": 10, "frequency_width": 4},
            "train": {"epochs": 3, "batch_seconds": 6, "warmup_steps": 5, "evaluate_epochs": 1, "ema_decay": 0.9, "precision": "fp32"},
            "decode": {"beam": 3},
        }
    )


@pytest.fixture(scope="session")
def an4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The AN4 corpus, unpacked."""
    archive = SHARED_DATA / "an4.tar"
    if not archive.is_file():
        pytest.skip(f"the AN4 recordings are not on this machine: no {archive}")
    folder = tmp_path_factory.mktemp("an4")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **FILTER)
    return folder


@pytest.fixture(scope="session")
def dev_clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of LibriSpeech dev-clean, unpacked: the folder around `LibriSpeech`."""
    archive = SHARED_DATA / "librispeech-dev-clean-part.tar"
    if not archive.is_file():
        pytest.skip(f"LibriSpeech dev-clean is not on this machine: no {archive}")
    folder = tmp_path_factory.mktemp("librispeech")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **FILTER)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a tiny, untrained network."""
    torch.manual_seed(0)
    config = ModelConfig.model_validate(TINY)
    tokenizer = Tokenizer.train(["LOW MID HIGH"] * 3, TokenizerConfig(kind="char", vocab_size=20))
    folder = tmp_path_factory.mktemp("tiny") / "model"
    settings = ModelFolderConfig(model=config, decode=DecodeConfig(beam=2, max_tokens_per_state=0.2))
    save_model(folder, TrainedModel(LAS(config, len(tokenizer)).eval(), tokenizer, settings, "# A tiny card"))
    return folder
