"""Training, from outside: killed and resumed, on two processes, on a full disk, with data that cannot be used.

The corpus is made of tones, the network is tiny; every run takes seconds.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from asr.config import Config, LMFolderConfig, LSTMLanguageModelConfig
from asr.config_file import dump_config, load_config
from asr.errors import AsrError, ConfigError, UsageError
from asr.model.checkpoint import TrainedLM, TrainedModel, load_model, read_tensors, save_model
from asr.model.lstm_lm import LSTMLanguageModel
from asr.score.wer import score
from asr.train.evaluation import Evaluation
from asr.train.log import read_log
from asr.train.trainer import Trainer

FIGURES = {"loss": 1e-4, "gradient_norm": 1e-3}  # of a step, and how exact; the second, for AdamW goes as far along twice the gradient
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def recipe(config: Config, path: Path, **changes: object) -> Path:
    """Write the config as a recipe, with `section__key=value` changes."""
    tree = json.loads(config.model_dump_json())
    for key, value in changes.items():
        *sections, name = key.split("__")
        place = tree
        for section in sections:
            place = place[section]
        place[name] = value
    path.write_text(dump_config(Config.model_validate(tree)), encoding="utf-8")
    return path


def start(recipe: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "asr", "train", str(recipe), *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(recipe: Path, *arguments: str) -> str:
    process = start(recipe, *arguments)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return err


def wait_for(condition: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def states(run: Path) -> list[Path]:
    return sorted((run / "states").glob("step-*"))


def steps(run: Path) -> list[dict[str, float]]:
    """What the log says of each step."""
    return [line for line in read_log(run) if "loss" in line]


def test_killed_and_resumed_equals_never_killed(tone_config: Config, tmp_path: Path) -> None:
    # A checkpoint after every step: wherever the kill falls, it falls in the middle of an epoch or of a write.
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finish(recipe(tone_config, tmp_path / "a.yaml", output=str(whole), train__checkpoint_minutes=1e-6))
    path = recipe(tone_config, tmp_path / "b.yaml", output=str(broken), train__checkpoint_minutes=1e-6)
    for stop_at in (3, 8):
        process = start(path)
        wait_for(lambda stop_at=stop_at: any(int(s.name[5:]) >= stop_at for s in states(broken)))
        process.kill()
        process.wait()
    assert "resuming from step" in finish(path)
    for name in ("model/model.safetensors", f"states/{states(whole)[-1].name}/training.safetensors"):
        one, other = read_tensors(whole / name), read_tensors(broken / name)
        assert one.keys() == other.keys()
        for key, tensor in one.items():
            assert torch.equal(tensor, other[key]), key
    assert steps(broken) == steps(whole)


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tone_config: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    path = recipe(tone_config, tmp_path / "a.yaml", output=str(run), train__epochs=500, train__evaluate_epochs=500)
    process = start(path)
    wait_for(lambda: (run / "log.jsonl").is_file() and '"learning_rate"' in (run / "log.jsonl").read_text(encoding="utf-8"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    error, *commands = err.splitlines()[-3:]
    assert error.startswith("error: stopped at step ")
    again = f"{sys.executable} -m asr train {path}"
    assert commands == [f"resume:           {again}", f"write its model:  {again} --finish"]  # no evaluation yet: nothing to use
    assert "Traceback" not in err
    assert len(states(run)) == 1


def test_a_run_ends_with_its_minutes(tone_config: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    path = recipe(
        tone_config, tmp_path / "a.yaml", output=str(run), train__epochs=100_000, train__evaluate_epochs=100_000, train__minutes=0.05
    )
    finish(path)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    rates = [r["learning_rate"] for r in records if "learning_rate" in r]
    seconds = [r["seconds"] for r in records if "dev_wer" in r]
    assert len(seconds) == 1
    assert 3 <= seconds[0] < 10
    assert len(rates) > 5
    assert rates[-1] < 0.05 * max(rates)  # it fell with the time, though of the epochs hardly any were over

    before = states(run)[-1]
    shutil.rmtree(run / "model")
    finish(path)  # there is nothing left to train
    assert states(run)[-1] == before
    assert (run / "model" / "model.safetensors").is_file()


def test_a_run_ends_with_its_steps(tone_config: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    limits = {"train__epochs": 100_000, "train__evaluate_epochs": 100_000, "train__steps": 7, "train__warmup_steps": 0}
    finish(recipe(tone_config, tmp_path / "a.yaml", output=str(run), **limits))
    records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    rates = [r["learning_rate"] for r in records if "learning_rate" in r]
    first, last = tone_config.train.learning_rate, tone_config.train.final_learning_rate
    assert rates == pytest.approx([last + (first - last) * (1 + math.cos(math.pi * n / 7)) / 2 for n in range(7)], abs=1e-6)
    assert [r["step"] for r in records if "dev_wer" in r] == [7]


def test_two_processes_follow_the_trajectory_of_one(tone_config: Config, tmp_path: Path) -> None:
    listener = {**tone_config.model.listener.model_dump(), "dropout": 0.0}
    speller = {**tone_config.model.speller.model_dump(), "dropout": 0.0}

    def trajectory(name: str, launcher: list[str]) -> list[dict[str, float]]:
        path = recipe(tone_config, tmp_path / f"{name}.yaml", output=str(tmp_path / name), model__listener=listener, model__speller=speller)
        done = subprocess.run([*launcher, "-m", "asr", "train", str(path)], env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert ("on 2 processes" in done.stderr) == (name == "two")
        return steps(tmp_path / name)

    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    one, two = trajectory("one", [sys.executable]), trajectory("two", launch)
    assert len(one) > 10
    for name, tolerance in FIGURES.items():
        assert [step[name] for step in two] == pytest.approx([step[name] for step in one], rel=tolerance), name


def test_accumulating_changes_nothing(tone_config: Config, tmp_path: Path) -> None:
    def trajectory(name: str, device_seconds: float) -> list[dict[str, float]]:
        model = {**tone_config.model.model_dump(), "listener": {**tone_config.model.listener.model_dump(), "dropout": 0.0}}
        model["speller"] = {**tone_config.model.speller.model_dump(), "dropout": 0.0}
        path = recipe(
            tone_config, tmp_path / f"{name}.yaml", output=str(tmp_path / name), model=model, train__device_seconds=device_seconds
        )
        finish(path)
        return steps(tmp_path / name)

    whole, parts = trajectory("whole", 100.0), trajectory("parts", 1.5)
    for name, tolerance in FIGURES.items():
        assert [step[name] for step in parts] == pytest.approx([step[name] for step in whole], rel=tolerance), name


def test_a_full_disk_is_one_line_and_the_checkpoint_before_is_whole(tone_config: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    path = recipe(tone_config, tmp_path / "a.yaml", output=str(run))
    finish(path, "train.epochs=3")
    before = states(run)[-1]
    # No file may grow past 100 kB: weights no longer fit, as on a full disk.
    (run / "config.yaml").write_text((run / "config.yaml").read_text(encoding="utf-8").replace("epochs: 3", "epochs: 5"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "asr", "train", str(path), "train.epochs=5"], env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(run) in error
    assert done.stderr.splitlines()[-1] == f"use the best:     {sys.executable} -m asr transcribe FILE --model {run}"
    assert states(run)[-1] == before
    read_tensors(before / "training.safetensors")
    assert load_model(run / "model")


def test_unusable_utterances_are_left_out_and_reported(tone_config: Config, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in tone_config.data.train[0].read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["audio_filepath"] = str(tone_config.data.train[0].parent / line["audio_filepath"])
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    lines[0]["audio_filepath"] = str(tmp_path / "broken.wav")
    lines[1]["text"] = " ".join(["LOW"] * 500)
    lines[2]["text"] = ""
    lines[3]["duration"] = 0.01
    manifest = tmp_path / "train.json"
    manifest.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    config = tone_config.model_copy(update={"data": tone_config.data.model_copy(update={"train": (manifest,)})})
    trainer = Trainer(config.model_copy(update={"train": config.train.model_copy(update={"epochs": 1})}))
    folder = trainer.run()
    assert load_model(folder)
    assert len(trainer.data.readable) == len(lines) - 4
    said = capfd.readouterr().err
    for reason in ("broken.wav", "states for its text", "its text is empty", "data.min_seconds"):
        assert reason in said, reason


def test_a_missing_dev_recording_stops_nothing(tone_config: Config, tmp_path: Path) -> None:
    (whole,) = tone_config.data.dev
    dev = Path(shutil.copytree(whole.parent, tmp_path / "dev")) / whole.name
    config = tone_config.model_copy(update={"data": tone_config.data.model_copy(update={"dev": (dev,), "cache_hours": 0})})
    trainer = Trainer(config.model_copy(update={"train": config.train.model_copy(update={"epochs": 1})}))
    (dev.parent / "dev-0.wav").unlink()  # whose attention would be pictured
    assert load_model(trainer.run())


def test_texts_that_a_models_pieces_cannot_write_are_left_out(
    tone_config: Config, tiny_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "train.json"
    lines = [json.loads(line) for line in tone_config.data.train[0].read_text(encoding="utf-8").splitlines()]
    for line, text in zip(lines, ["LOW MID", "low é5", "High"], strict=False):
        line["audio_filepath"], line["text"] = str(tone_config.data.train[0].parent / line["audio_filepath"]), text
    train = tone_config.train.model_copy(update={"start_from": tiny_folder})
    config = tone_config.model_copy(update={"train": train, "data": tone_config.data.model_copy(update={"train": (manifest,)})})

    manifest.write_text("\n".join(map(json.dumps, lines[:3])), encoding="utf-8")
    assert [e.utterance.text for e in Trainer(config).data.examples] == ["LOW MID"]
    said = capfd.readouterr().err
    assert "train-1: the model's pieces cannot write 5 l o w é of 'low é5': normalise the texts" in said
    assert "train-2: the model's pieces cannot write g h i of 'High'" in said

    manifest.write_text("\n".join(map(json.dumps, lines[1:3])), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"no utterance of data\.train can be used"):
        Trainer(config)


def test_another_config_in_the_same_folder_is_refused(tone_config: Config) -> None:
    Trainer(tone_config).run()
    changed = tone_config.model_copy(update={"train": tone_config.train.model_copy(update={"learning_rate": 0.1})})
    with pytest.raises(ConfigError, match=r"train\.learning_rate.*--restart"):
        Trainer(changed)
    Trainer(changed, restart=True)


def test_a_run_without_a_step_may_be_replaced(tone_config: Config, tmp_path: Path) -> None:
    mistyped = tone_config.model_copy(update={"data": tone_config.data.model_copy(update={"train": (tmp_path / "nowhere.json",)})})
    with pytest.raises(UsageError, match=r"nowhere\.json"):
        Trainer(mistyped)
    Trainer(tone_config)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_with_foreign_files_is_refused_unchanged(tone_config: Config, tiny_folder: Path, restart: bool) -> None:
    folder = tone_config.output
    shutil.copytree(tiny_folder, folder)
    shutil.copytree(tiny_folder, folder / "lm")
    before = contents(folder)
    with pytest.raises(UsageError, match=rf"^{folder}: holds a model, .*output=DIR \(train\.start_from={folder} trains it on\)$"):
        Trainer(tone_config, restart)
    assert contents(folder) == before

    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    for name in ("model", "best"):
        shutil.copytree(tiny_folder, folder / name)
    before = contents(folder)
    with pytest.raises(
        UsageError, match=rf"^{folder}: holds best, model, config\.yaml, tokenizer\.model but no config.yaml of a run: .*output=DIR$"
    ):
        Trainer(tone_config, restart)
    assert contents(folder) == before


def test_a_restart_deletes_the_run_alone(tone_config: Config) -> None:
    tone_config.output.mkdir()
    notes = tone_config.output / "notes.txt"
    notes.write_text("written while it trains", encoding="utf-8")
    Trainer(tone_config).run()
    Trainer(tone_config, restart=True)
    assert notes.is_file()
    assert {path.name for path in tone_config.output.iterdir()} == {"notes.txt", "config.yaml", "tokenizer.model", ".lock"}


def test_a_mistaken_command_leaves_the_run_unchanged(tone_config: Config, tiny_folder: Path, tmp_path: Path) -> None:
    done = Trainer(tone_config).run()
    before = contents(tone_config.output)
    damaged = Path(shutil.copytree(tiny_folder, tmp_path / "damaged"))
    (damaged / "model.safetensors").write_bytes(b"")
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps({"audio_filepath": "nowhere.wav", "text": "LOW"}), encoding="utf-8")
    data, train, tokenizer = tone_config.data, tone_config.train, tone_config.tokenizer
    for change, message in (
        ({"data": data.model_copy(update={"dev": (tmp_path / "nope.json",)})}, r"nope\.json: no such manifest"),
        ({"data": data.model_copy(update={"train": (empty, empty)})}, r"no utterance of data\.train .*nowhere\.wav: no such file \(and 1 more\)$"),
        ({"tokenizer": tokenizer.model_copy(update={"model": tmp_path / "nope.model"})}, r"nope\.model: no such file"),
        ({"train": train.model_copy(update={"start_from": damaged})}, r"damaged or not a safetensors file"),
        ({"train": train.model_copy(update={"start_from": done})}, rf"--restart would delete {done}, which train\.start_from names"),
    ):  # fmt: skip
        with pytest.raises(AsrError, match=message):
            Trainer(tone_config.model_copy(update=change), restart=True)
        assert contents(tone_config.output) == before, message


def test_a_run_that_has_lost_its_best_weights_says_so(tone_config: Config) -> None:
    Trainer(tone_config).run()
    shutil.rmtree(tone_config.output / "best")
    with pytest.raises(AsrError, match=r"^\S+/run/best: the weights .* are gone, .*: put them back, or start again with --restart$"):
        Trainer(tone_config).run()


def test_it_learns(tone_config: Config) -> None:
    train = {
        "epochs": 80,
        "learning_rate": 5e-3,
        "batch_seconds": 6,
        "warmup_steps": 20,
        "evaluate_epochs": 20,
        "ema_decay": 0.98,
        "keep_best": 2,
        "dev_beam": 3,
        "precision": "fp32",
    }
    config = Config.model_validate(
        json.loads(tone_config.model_dump_json()) | {"train": train, "augment": {"speeds": [], "warp": 0, "time_masks": 0}}
    )
    trainer = Trainer(config)
    trainer.run()
    lines = [json.loads(line) for line in (config.output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert min(line["dev_wer"] for line in lines if "dev_wer" in line) < 10


@pytest.fixture
def fused_folder(tone_config: Config, tones: tuple[Path, Path], tmp_path: Path) -> Path:
    """A model folder of the tones, trained for two epochs, with a language model in it."""
    short = tone_config.model_copy(update={"output": tmp_path / "first", "train": tone_config.train.model_copy(update={"epochs": 2})})
    model = load_model(Trainer(short).run())
    network = LSTMLanguageModel(len(model.tokenizer), LSTMLanguageModelConfig(embedding=4, hidden=5))
    lm = TrainedLM(network, model.tokenizer, LMFolderConfig(kind="language_model", model=network.config), "# Of tones")
    decode = model.config.decode.model_copy(update={"lm_weight": 0.1})
    save_model(tmp_path / "fused", replace(model, config=model.config.model_copy(update={"decode": decode}), lm=lm), half=True)
    return tmp_path / "fused"


def test_training_on_keeps_the_language_model_and_the_origin(
    tone_config: Config, fused_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_model(fused_folder)
    began = before.network.listener.stem.convolutions[0].weight

    def found(model: TrainedModel, *_: object) -> Evaluation:  # every step makes it worse
        text = "LOW" if torch.equal(model.network.listener.stem.convolutions[0].weight, began) else "HIGH"
        return Evaluation(score(["LOW"], [text]), evidence=[])

    monkeypatch.setattr("asr.train.trainer.evaluate", found)
    tree: dict[str, Any] = {"output": str(tmp_path / "on"), "data": tone_config.data.model_dump(mode="json")}
    tree["train"] = {"start_from": str(fused_folder), "epochs": 2, "evaluate_epochs": 1, "ema_decay": 0.0, "precision": "fp32"}
    path = tmp_path / "on.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    after = load_model(Trainer(load_config(Config, path)).run())
    assert after.lm is not None
    assert before.lm is not None
    for ours, theirs in ((after.network, before.network), (after.lm.network, before.lm.network)):
        for (name, tensor), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            assert torch.equal(tensor, other), name
    assert after.config.decode == before.config.decode
    assert "language model weight 0.1 (the one in `lm/`)" in after.card
    assert after.lm.card == "# Of tones"


def test_a_listener_is_taken_over_for_other_pieces(tone_config: Config, fused_folder: Path, tmp_path: Path) -> None:
    train = tone_config.train.model_copy(
        update={"start_from": fused_folder, "start_with": "listener", "epochs": 1, "learning_rate": 1e-9, "final_learning_rate": 0.0}
    )
    pieces = tone_config.tokenizer.model_copy(update={"kind": "unigram", "vocab_size": 14})
    config = tone_config.model_copy(update={"output": tmp_path / "other", "train": train, "tokenizer": pieces})
    trainer = Trainer(config)
    before, after = load_model(fused_folder), load_model(trainer.run())
    assert len(after.tokenizer) == 14 != len(before.tokenizer)
    assert after.lm is None
    for part in ("frontend", "listener"):
        for name, tensor in getattr(after.network, part).state_dict().items():
            assert torch.allclose(tensor, getattr(before.network, part).state_dict()[name], atol=1e-3), (part, name)
    assert f"`{fused_folder}` (its listener), and its training data" in after.card


@pytest.mark.parametrize("still", [3, 2])
def test_a_listener_is_frozen_while_a_new_speller_begins(tone_config: Config, fused_folder: Path, tmp_path: Path, still: int) -> None:
    """Three steps; with `still` 2 the third moves the listener too. The model's weights are kept in half precision."""
    changes = {
        "start_from": fused_folder,
        "start_with": "listener",
        "still_steps": still,
        "steps": 3,
        "ema_decay": 0.0,
        "learning_rate": 0.1,
    }
    config = tone_config.model_copy(update={"output": tmp_path / "on", "train": tone_config.train.model_copy(update=changes)})
    trainer = Trainer(config)
    speller = {name: tensor.clone() for name, tensor in trainer.network.speller.named_parameters()}
    before, after = load_model(fused_folder).network, load_model(trainer.run()).network
    moved = [not torch.equal(p, q.half().float()) for p, q in zip(after.listener.parameters(), before.listener.parameters(), strict=True)]
    assert any(moved) == (still < 3)
    assert not any(torch.equal(tensor, speller[name].half().float()) for name, tensor in after.speller.named_parameters())


def test_a_listener_of_another_shape_is_named(tone_config: Config, fused_folder: Path) -> None:
    listener = tone_config.model.listener.model_copy(update={"hidden": tone_config.model.listener.hidden + 1})
    train = tone_config.train.model_copy(update={"start_from": fused_folder, "start_with": "listener"})
    config = tone_config.model_copy(update={"train": train, "model": tone_config.model.model_copy(update={"listener": listener})})
    here, there = listener.hidden, tone_config.model.listener.hidden
    expected = (
        f"its network is another: model.listener.hidden={here} here, {there} in the model: set model.listener.hidden={there}, or remove"
    )
    with pytest.raises(ConfigError, match=re.escape(expected)):
        Trainer(config)
