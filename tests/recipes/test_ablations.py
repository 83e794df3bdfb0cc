"""Ablations: what each variant changes, the table, and that a failed or a finished variant holds nothing up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from tests_support import RECIPES, recipe_script

from asr.config import Config
from asr.config_file import dump_config, load_config
from asr.model.checkpoint import load_model
from asr.model.las import LAS
from asr.score.bootstrap import Bootstrap
from asr.score.wer import word_errors
from asr.speech.manifest import read_manifest
from asr.text.tokenizer import Tokenizer

LIBRISPEECH = RECIPES / "librispeech"


@pytest.fixture(scope="module")
def ablations() -> ModuleType:
    return recipe_script("librispeech/ablations.py")


@pytest.fixture
def recipe(tone_config: Config, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(dump_config(tone_config), encoding="utf-8")
    return path


def flat(config: Config) -> dict[str, object]:
    """`section.key` -> value, all the way down."""

    def walk(tree: dict[str, object], prefix: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in tree.items():
            found |= walk(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        return found

    return walk(config.model_dump(mode="json"), "")


def test_each_variant_changes_only_its_own_keys(ablations: ModuleType) -> None:
    manifests = {name: f"data/mini/{name}.json" for name in ("real", "pseudo", "synthetic", "recombined")}
    pinned = [  # so that the recipe may change
        f"data.train={list(manifests.values())}", "augment.noise=[noise.json]", "augment.noise_probability=0.3",
        "model.listener.stem_strides=[2,2]", "model.listener.pyramid=[1,2,1,1]", "model.attention.kind=multihead",
        "model.speller.input_feeding=false", "model.ctc_weight=0.5", "tokenizer.model=pieces.model", "tokenizer.vocab_size=256",
        "data.teacher=[targets]",
    ]  # fmt: skip
    mini = LIBRISPEECH / "mini.yaml"
    base = load_config(Config, mini, pinned)
    before = flat(base)
    expected = {
        "baseline": [],
        "baseline-seed": ["seed"],
        "no-ctc": ["model.ctc_weight", "decode.ctc_weight"],
        "ctc-0.3": ["model.ctc_weight"],
        "no-masks": ["augment.frequency_masks", "augment.time_masks"],
        "no-noise": ["augment.noise", "augment.noise_probability"],
        "no-pseudo": ["data.train"],
        "no-synthetic": ["data.train"],
        "no-recombined": ["data.train"],
        "transcribed": ["data.train"],
        "input-feeding": ["model.speller.input_feeding"],
        "location": [
            "model.speller.input_feeding",
            *(f"model.attention.{key}" for key in ("kind", "location_channels", "location_width")),
        ],
        "reduction-4": ["model.listener.pyramid"],  # the stem has the strides already
        "pieces-256": ["tokenizer.model"],
        "pieces-128": ["tokenizer.vocab_size", "tokenizer.model"],
        "pieces-500": ["tokenizer.vocab_size", "tokenizer.model"],
        **{f"teacher-{weight}": ["train.teacher_weight"] for weight in (3, 10, 30, 100)},
        "teacher-10-layer-2": ["train.teacher_weight", "train.teacher_layer"],
        **{f"codes-{weight}": ["train.teacher_weight", "data.teacher"] for weight in (2, 5, 15)},
    }
    found = {}
    for variant in ablations.VARIANTS:
        changed = load_config(Config, mini, pinned + variant.changes(base))
        after = flat(changed)
        found[variant.name] = sorted(key for key in after if key not in before or after[key] != before[key])
        match variant.name:
            case "no-pseudo":
                assert after["data.train"] == [manifests["real"], manifests["synthetic"], manifests["recombined"]]
            case "no-synthetic":
                assert after["data.train"] == [manifests["real"], manifests["pseudo"], manifests["recombined"]]
            case "no-recombined":
                assert after["data.train"] == [manifests["real"], manifests["pseudo"], manifests["synthetic"]]
            case "transcribed":
                assert after["data.train"] == [manifests["real"]]
            case "reduction-4":
                assert (base.model.listener.reduction, changed.model.listener.reduction) == (8, 4)
                assert len(changed.model.listener.pyramid) == len(base.model.listener.pyramid)
            case "codes-5":
                assert (after["data.teacher"], after["train.teacher_weight"]) == (["targets-codes"], 5.0)
    assert found == {name: sorted(keys) for name, keys in expected.items()}


def rows(table: Path) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.read_text(encoding="utf-8").splitlines()]
    return {line[0].strip("`"): line[1:] for line in lines if line[0].startswith("`")}


def test_table_goes_on_after_a_failure_and_is_not_made_twice(
    ablations: ModuleType,
    recipe: Path,
    tone_config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    broken = ablations.Variant("broken", "a variant that cannot be", ablations.changed("train.start_from=nowhere"))
    none = ablations.Variant("none", "not for this recipe", lambda recipe: None)
    monkeypatch.setattr(ablations, "VARIANTS", (broken, none, ablations.VARIANTS[0]))
    table, runs = tmp_path / "table.md", tmp_path / "runs"
    command = [str(recipe), "--set", "train.epochs=2", "--output", str(runs), "--table", str(table)]

    with pytest.raises(SystemExit) as stopped:
        ablations.main(command)
    assert stopped.value.code == 1
    said = capsys.readouterr()
    assert "1 of 2 variants failed: broken" in said.err
    assert "none: left out" in said.out
    found = rows(table)
    assert list(found) == ["broken", "baseline"]
    assert found["broken"][1].startswith("failed: asr train failed (")
    assert "nowhere" in found["broken"][1]

    what, wer, interval, ctc, heard, speed, parameters = found["baseline"]
    hypotheses = read_manifest(runs / "baseline" / "dev-0.json")
    counts = word_errors([u.text or "" for u in hypotheses], [u.extra["pred_text"] for u in hypotheses])
    assert len(hypotheses) == 12
    assert wer == f"{100 * counts.rate:.2f} %"
    each = [word_errors([u.text or ""], [u.extra["pred_text"]]) for u in hypotheses]
    spread = Bootstrap(samples=ablations.RESAMPLES).interval(
        np.array([c.errors for c in each]), np.array([c.reference_length for c in each])
    )
    assert interval == (f"{100 * spread.low:.2f} – {100 * spread.high:.2f}" if spread else "")
    alone = read_manifest(runs / "baseline" / "ctc-0.json")
    assert ctc == f"{100 * word_errors([u.text or '' for u in alone], [u.extra['pred_text'] for u in alone]).rate:.2f} %"
    seconds = sum(u.duration or 0 for u in read_manifest(tone_config.data.train[0]))
    assert ablations.training(runs / "baseline")[0] == pytest.approx(2 * seconds, rel=1e-4)
    assert heard == "0.0 h"
    assert float(speed) > 0
    vocabulary = len(Tokenizer.load(runs / "baseline" / "tokenizer.model"))
    assert parameters == f"{sum(p.numel() for p in LAS(tone_config.model, vocabulary).parameters()) / 1e6:.2f} M"
    assert what == "the recipe"

    trained = (runs / "baseline" / "model" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(SystemExit):
        ablations.main([*command, "--only", "broken", "baseline"])
    assert rows(table)["baseline"] == found["baseline"]
    assert (runs / "baseline" / "model" / "model.safetensors").stat().st_mtime_ns == trained
    assert (runs / "baseline.log").read_text(encoding="utf-8").count("$ asr") == 2  # train and evaluate, once each

    with pytest.raises(SystemExit):
        ablations.main([str(recipe), "--set", "train.epochs=3", "--output", str(runs), "--only", "baseline"])
    assert "holds a finished run with other settings" in capsys.readouterr().err


def test_variants_run_one_at_a_time_share_a_table(
    ablations: ModuleType, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    table, runs = tmp_path / "table.md", tmp_path / "runs"

    def one(name: str, epochs: int) -> None:
        ablations.main([str(recipe), "--set", f"train.epochs={epochs}", "--output", str(runs), "--table", str(table), "--only", name])

    one("baseline", 1)
    first = rows(table)
    assert list(first) == ["baseline"]
    one("baseline-seed", 1)
    assert list(rows(table)) == ["baseline", "baseline-seed"]
    assert rows(table)["baseline"] == first["baseline"]
    one("no-masks", 2)  # another budget is another table
    assert list(rows(table)) == ["no-masks"]
    capsys.readouterr()
    one("ctc-0.3", 1)
    assert "ctc-0.3: left out, the recipe has no such part, or is so already" in capsys.readouterr().out
    assert not (runs / "ctc-0.3.log").exists()

    # What is wrong with one that was finished is told in its row, and the others stand in theirs.
    log = runs / "baseline" / "log.jsonl"
    for broken, why in {
        log: f"{log}: cannot be read",
        runs / "baseline" / "config.yaml": f"{runs / 'baseline' / 'config.yaml'}: no such file",
        runs / "baseline" / "model" / "model.safetensors": f"{runs / 'baseline' / 'model'}: incomplete model folder",
    }.items():
        broken.rename(tmp_path / "elsewhere")
        with pytest.raises(SystemExit) as stopped:
            one("baseline-seed", 1)
        assert stopped.value.code == 1
        said = capsys.readouterr().err.splitlines()
        assert said[0].startswith(f"baseline: cannot be read, going on without it: {why}")
        assert said[1:] == ["1 of 2 variants failed: baseline"]
        found = rows(table)
        assert found["baseline"][1].startswith(f"failed: {why}")
        assert found["baseline-seed"][1].endswith(" %")
        (tmp_path / "elsewhere").rename(broken)
    log.write_text('{"step": 1, "audio_seconds": 5.0}\n{"st\n', encoding="utf-8")
    with pytest.raises(SystemExit):
        one("baseline-seed", 1)
    assert f"{log}:2: damaged" in rows(table)["baseline"][1]
    log.write_text('{"step": 1, "audio_seconds": 5.0}\n', encoding="utf-8")
    with pytest.raises(SystemExit):
        one("baseline-seed", 1)
    assert f"{log}: no evaluation is in it" in rows(table)["baseline"][1]


def test_each_variant_is_trained_with_each_seed(
    ablations: ModuleType, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(ablations, "VARIANTS", ablations.VARIANTS[:1])
    table, runs = tmp_path / "table.md", tmp_path / "runs"
    command = [str(recipe), "--set", "train.epochs=1", "--output", str(runs), "--table", str(table)]
    ablations.main([*command, "--seeds", "1", "2", "1"])
    assert list(rows(table)) == ["baseline", "baseline-seed2"]
    assert load_config(Config, runs / "baseline-seed2" / "config.yaml").seed == 2
    capsys.readouterr()
    ablations.main([*command, "--seeds", "2", "--list"])
    assert capsys.readouterr().out.split() == ["baseline-seed2", "the", "recipe,", "seed", "2:", "seed=2"]


def test_the_ctc_head_alone_writes_its_most_likely_labels(ablations: ModuleType, tiny_folder: Path, tones: tuple[Path, Path]) -> None:
    model = load_model(tiny_folder)
    utterance = read_manifest(tones[1])[0]
    assert model.network.ctc is not None
    with torch.no_grad():
        model.network.ctc.weight.zero_()
        model.network.ctc.bias.zero_()
        model.network.ctc.bias[model.tokenizer.encode("LOW")[-1]] = 1.0  # in every state
    assert ablations.greedy_ctc(model, utterance) == "W"
    assert ablations.greedy_ctc(model, replace(utterance, audio_filepath=Path("nowhere.wav"))) == ""


def test_a_terminated_table_leaves_no_training_behind(recipe: Path, tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    runs = tmp_path / "runs"
    command = [sys.executable, str(LIBRISPEECH / "ablations.py"), str(recipe), "--set", "train.epochs=9999", "train.evaluate_epochs=9999"]
    process = subprocess.Popen([*command, "--output", str(runs), "--only", "baseline"], env=environment, stderr=subprocess.PIPE, text=True)
    log = runs / "baseline" / "log.jsonl"
    end = time.monotonic() + 300
    try:
        while not (log.is_file() and '"step"' in log.read_text(encoding="utf-8")):
            assert time.monotonic() < end, "waited too long"
            time.sleep(0.01)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stopped in baseline: the same command goes on from there"
    assert "--finish" in (runs / "baseline.log").read_text(encoding="utf-8").splitlines()[-1]
    assert len(list((runs / "baseline" / "states").glob("step-*"))) == 1


def test_a_stop_ends_all(
    ablations: ModuleType, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = tmp_path / "python"
    stopping.write_text("#!/bin/sh\nexit 130\n", encoding="utf-8")  # as `asr train` does after Ctrl-C
    stopping.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stopping))
    with pytest.raises(SystemExit) as stopped:
        ablations.main([str(recipe), "--output", str(tmp_path / "runs"), "--only", "baseline", "no-ctc"])
    assert stopped.value.code == 130
    assert "stopped in baseline" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "no-ctc.log").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "no-such"], "error: there is no variant no-such: choose from baseline, "),
        (["--set", "train.epoch=3"], "train.epoch=3: unknown key"),
    ],
)
def test_mistakes_are_reported_before_anything_runs(
    ablations: ModuleType, recipe: Path, tmp_path: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        ablations.main([str(recipe), "--output", str(tmp_path / "runs"), *arguments])
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
