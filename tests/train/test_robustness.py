"""Runs whose recordings, disks, clocks or patience fail: nothing hangs, nothing is heard twice, nothing goes untold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tests_support import write_tones
from torch import nn
from torch.distributed import DistBackendError

from asr.config import Config, DecodeConfig
from asr.config_file import dump_config
from asr.errors import AsrError, AudioError
from asr.speech.batches import Batch
from asr.train import trainer as training
from asr.train.device import enough_memory, lost_process
from asr.train.evaluation import Evaluation
from asr.train.session import Interrupted
from asr.train.trainer import Trainer

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
BROKEN = 4


def changed(config: Config, **sections: dict[str, Any]) -> Config:
    """The config with other values in some of its sections."""
    return config.model_copy(update={name: getattr(config, name).model_copy(update=values) for name, values in sections.items()})


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def some_broken(tmp_path: Path) -> Path:
    """A manifest of 24 recordings, of which four look whole until they are decoded."""
    manifest = write_tones(tmp_path / "data", "train", 24, seed=3)
    for i in range(BROKEN):
        path = manifest.parent / f"train-{i}.wav"
        samples, rate = soundfile.read(path, dtype="float32")
        samples[len(samples) // 2] = np.nan
        soundfile.write(path, samples, rate, subtype="FLOAT")
    return manifest


def test_processes_that_cannot_read_the_same_files_take_the_same_steps_and_tell_all(
    tone_config: Config, some_broken: Path, tmp_path: Path
) -> None:
    # The manifest gives no lengths, and one process cannot open three recordings to measure them.
    lines = [json.loads(line) for line in some_broken.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        del line["duration"]
    some_broken.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tmp_path / "one_blind.py").write_text(
        "import os, sys, asr.train.examples as examples\n"
        "from asr.errors import AudioError\n"
        "real = examples.probe\n"
        "def probe(path, track=None):\n"
        "    if os.environ['RANK'] == '1' and path.stem in ('train-9', 'train-10', 'train-11'):\n"
        "        raise AudioError(f'{path}: stale file handle')\n"
        "    return real(path, track)\n"
        "examples.probe = probe\n"
        "from asr.cli import main\n"
        "main()\n",
        encoding="utf-8",
    )
    config = changed(tone_config, data={"train": (some_broken,), "cache_hours": 0.0}, train={"epochs": 1, "batch_seconds": 4.0})
    (tmp_path / "recipe.yaml").write_text(dump_config(config), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(tmp_path / "one_blind.py"), "train", str(tmp_path / "recipe.yaml")],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [record["skipped"] for record in log(config.output) if record.get("where") == "training"]
    assert sorted(told) == [f"train-{i}" for i in range(BROKEN)]


def test_a_process_that_loses_another_ends_in_one_line(tone_config: Config, tmp_path: Path) -> None:
    (tone_config.output / "states" / "step-00000001").mkdir(parents=True)
    (tone_config.output / "config.yaml").write_text(dump_config(tone_config), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(dump_config(tone_config.model_copy(update={"seed": 5})), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "asr"]
    done = subprocess.run([*launch, "train", str(tmp_path / "recipe.yaml")], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    refused = f"error: {tone_config.output}: holds a run with another seed (1; asked for: 5): "
    assert sum(line.startswith(refused) for line in errors) == 1  # by rank 0
    assert len(errors) == 1 or errors[1:] == ["error: another process of this run has ended, so this one stops: its error is the reason"]
    assert "[rank1]" not in done.stderr


@pytest.mark.parametrize("error", [RuntimeError("[/x/third_party/gloo/pair.cc:5] Connection closed by peer"), DistBackendError("NCCL")])
def test_an_exchange_with_a_lost_process_is_explained(error: RuntimeError) -> None:
    with pytest.raises(AsrError, match="another process of this run has ended"), lost_process():
        raise error
    with pytest.raises(RuntimeError, match="another bug"), lost_process():
        raise RuntimeError("another bug")


def test_another_cache_in_mid_epoch_changes_nothing(tone_config: Config, some_broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: Counter[str] = Counter()
    learn = Trainer._backward

    def counted(self: Trainer, model: nn.Module, batch: Batch) -> torch.Tensor:
        unread = {s.id for s in batch.skipped}
        ids = [self.data.examples[i].utterance.id for i in batch.part.examples if i not in self.data.unreadable]
        heard.update(i for i in ids if i not in unread)
        if batch.part.step == 2 and not heard["stopped"]:
            heard["stopped"] = 1
            os.kill(os.getpid(), signal.SIGINT)
        return learn(self, model, batch)

    monkeypatch.setattr(Trainer, "_backward", counted)
    config = changed(tone_config, data={"train": (some_broken,)}, train={"epochs": 1, "batch_seconds": 3.0})
    with pytest.raises(Interrupted):
        Trainer(config).run()
    trainer = Trainer(changed(config, data={"cache_hours": 0.0}))
    trainer.run()
    del heard["stopped"]
    assert heard == Counter(f"train-{i}" for i in range(BROKEN, 24))


def test_failed_read_ahead_is_not_counted(tone_config: Config, some_broken: Path) -> None:
    trainer = Trainer(changed(tone_config, data={"train": (some_broken,)}, train={"epochs": 1}))
    card = (trainer.run() / "README.md").read_text(encoding="utf-8")
    assert f": {24 - BROKEN} utterances, " in card
    assert sum("skipped" in record for record in log(trainer.folder)) == BROKEN  # once, not again in every epoch


def test_changed_training_data_is_reported(tone_config: Config, some_broken: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = changed(tone_config, data={"train": (some_broken,)}, train={"epochs": 1})
    Trainer(config).run()
    Trainer(config).run()
    assert "the training data have changed" not in capfd.readouterr().err
    lines = some_broken.read_text(encoding="utf-8").splitlines()
    some_broken.write_text("\n".join(lines[:-1]), encoding="utf-8")
    Trainer(config).run()
    assert "the training data have changed" in capfd.readouterr().err


def test_an_unreadable_noise_stops_nothing(tone_config: Config, tmp_path: Path) -> None:
    noise = np.full(16_000, 0.1, np.float32)
    noise[5] = np.nan
    soundfile.write(tmp_path / "noise.wav", noise, 16_000, subtype="FLOAT")
    (tmp_path / "noise.json").write_text('{"audio_filepath": "noise.wav"}', encoding="utf-8")
    config = changed(
        tone_config, augment={"noise": (tmp_path / "noise.json",), "noise_probability": 1.0, "start_epoch": 0}, train={"epochs": 1}
    )
    trainer = Trainer(config)
    trainer.run()
    told = [record for record in log(trainer.folder) if record.get("where") == "training"]
    assert len(told) == len(trainer.data)
    assert told[0]["skipped"].startswith("the augmentation of train-")
    assert "noise.wav" in told[0]["reason"]


def test_a_signal_in_the_last_evaluation_is_heeded(
    tone_config: Config, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    evaluations = 0
    real = training.evaluate

    def signalled(*arguments: Any) -> Evaluation:
        nonlocal evaluations
        evaluations += 1
        if evaluations == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(training, "evaluate", signalled)
    config = changed(tone_config, train={"epochs": 1})
    with pytest.raises(Interrupted, match="stopped after the last step"):
        Trainer(config).run()
    assert "once more to stop at once" in capfd.readouterr().err
    assert not (config.output / "model").exists()
    Trainer(config).run()
    assert (config.output / "model").exists()


def test_the_first_evaluation_is_no_training_time(tone_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Trainer(changed(tone_config, train={"epochs": 1})).run()
    real = training.evaluate

    def slow(*arguments: Any) -> Evaluation:
        time.sleep(5)
        return real(*arguments)

    monkeypatch.setattr(training, "evaluate", slow)
    config = changed(tone_config, train={"epochs": 1, "start_from": first}).model_copy(update={"output": tmp_path / "on"})
    Trainer(config).run()
    seconds = [record["seconds"] for record in log(config.output) if "dev_wer" in record]
    assert seconds[0] == 0
    assert seconds[-1] < 5


def test_evaluations_keep_to_the_limits_of_the_recipes_search(tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[DecodeConfig] = []
    real = training.evaluate

    def watched(model: Any, dev: Any, config: DecodeConfig, *rest: Any) -> Evaluation:
        searches.append(config)
        return real(model, dev, config, *rest)

    monkeypatch.setattr(training, "evaluate", watched)
    search = {"max_tokens_per_state": 3.0, "eos_threshold": 1.5, "length_bonus": 0.8}
    Trainer(changed(tone_config, train={"epochs": 1, "dev_beam": 2}, decode=search)).run()
    assert [(c.beam, c.max_tokens_per_state, c.eos_threshold) for c in searches] == [(2, 3.0, 1.5), (3, 3.0, 1.5)]
    assert [c.length_bonus for c in searches] == [0.0, 0.8]  # what makes up for a language model stays away with it


def test_a_smaller_vocabulary_is_reported(tone_config: Config, capfd: pytest.CaptureFixture[str]) -> None:
    config = changed(tone_config, train={"epochs": 1}, tokenizer={"vocab_size": 500})
    trainer = Trainer(config)
    trainer.run()
    told = f"{len(trainer.tokenizer)} pieces: the training texts allow no more (tokenizer.vocab_size=500)"
    assert told in capfd.readouterr().err


@pytest.mark.parametrize(
    ("utterances", "advice"),
    [(4, "40 s of audio at once: train.device_seconds=20 takes the same steps in more parts"), (1, "data.max_seconds=5 leaves out longer")],
)
def test_too_little_memory_names_the_settings_that_help(utterances: int, advice: str) -> None:
    with pytest.raises(AsrError, match=advice), enough_memory(utterances, 10.0):
        raise torch.OutOfMemoryError


def test_a_recording_of_the_wrong_kind_is_an_audio_error(some_broken: Path) -> None:
    """What these tests rest on: such a recording passes a look at its header."""
    from asr.speech.audio import load_audio, probe

    path = some_broken.parent / "train-0.wav"
    assert probe(path).seconds > 0
    with pytest.raises(AudioError, match="NaN"):
        load_audio(path, 16_000)


def test_left_out_utterances_are_logged_once_per_run(tone_config: Config, some_broken: Path) -> None:
    config = changed(tone_config, data={"train": (some_broken,)}, train={"epochs": 1})
    Trainer(config).run()
    Trainer(config).run()
    assert sum("skipped" in record for record in log(config.output)) == BROKEN
    assert any("loss" in record for record in log(config.output))
