"""Devices and precision: the same on every CPU, and never changed without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from asr.config import Config
from asr.train import device
from asr.train.device import computation, make_accelerator
from asr.train.journal import Journal, computed
from asr.train.state import Position
from asr.train.trainer import Trainer

ON_GPU = {"precision": "bf16", "device": "NVIDIA H200", "processes": 2}
ON_CPU = {"precision": "fp32", "device": "cpu", "processes": 1}


@pytest.mark.parametrize("bf16", [True, False])
def test_auto_is_fp32_on_every_cpu(monkeypatch: pytest.MonkeyPatch, bf16: bool) -> None:
    capabilities = {"avx512_bf16": bf16, "amx_bf16": bf16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert computation(make_accelerator("auto")) == ON_CPU
    assert computation(make_accelerator("fp32")) == ON_CPU
    assert computation(make_accelerator("bf16")) == ON_CPU | {"precision": "bf16"}


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "no")])
def test_auto_is_bf16_on_a_gpu_that_computes_in_it(monkeypatch: pytest.MonkeyPatch, bf16: bool, precision: str) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(device, "Accelerator", lambda **settings: asked.update(settings))
    make_accelerator("auto")
    assert asked == {"mixed_precision": precision, "cpu": False}


def test_a_run_names_its_precision(tone_config: Config, capfd: pytest.CaptureFixture[str]) -> None:
    train = tone_config.train.model_copy(update={"epochs": 1, "precision": "auto"})
    folder = Trainer(tone_config.model_copy(update={"train": train})).run()
    assert "computing in fp32 on cpu (train.precision=auto)\n" in capfd.readouterr().err
    records = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [r for r in records if "precision" in r] == [ON_CPU | {"step": 0}]
    assert "| precision | fp32 on cpu (`train.precision: auto`) |\n" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_run_that_moves_to_another_machine_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for place, where in ((Position(), ON_GPU), (Position(step=3), ON_GPU), (Position(step=5), ON_CPU), (Position(step=7), ON_CPU)):
        journal = Journal(tmp_path, is_main=True)
        journal.begin([], place, where)
    said = capfd.readouterr().err
    assert said.count("so far bf16 on NVIDIA H200, 2 processes: from here the run differs from one that stayed there") == 1
    assert computed(journal.computations) == "bf16 on NVIDIA H200, 2 processes; fp32 on cpu from step 5"
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert records == [ON_GPU | {"step": 0}, ON_CPU | {"step": 5}]

    Journal(tmp_path, is_main=True).begin([], Position(step=4), ON_GPU)  # back to a checkpoint before it moved
    assert len((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()) == 1
