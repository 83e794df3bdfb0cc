"""A teacher's targets in training: how they lie in time, and that they leave no trace in the model folder.

The corpus is made of tones, the network is tiny; every run takes seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.config import AugmentConfig, Config, ModelConfig
from asr.config_file import dump_config
from asr.errors import ConfigError
from asr.model.checkpoint import load_model, read_tensors
from asr.model.las import LAS
from asr.speech.augment import WaveformAugmenter
from asr.speech.batches import BatchDataset, BatchPart, CachedWaveform, Example, TeacherRows
from asr.speech.frontend import LogMel
from asr.speech.manifest import Utterance, read_manifest
from asr.speech.teacher_targets import Kind, TeacherTargets, write_targets
from asr.train.log import read_log
from asr.train.teacher import Student, check_targets, rows_of_states
from asr.train.trainer import Trainer

ROW_SECONDS = 0.04
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def write_random_targets(folder: Path, utterances: list[Utterance], kind: Kind = "vectors", width: int = 6) -> Path:
    """Targets of bytes drawn at random, as long as the utterances."""
    random = torch.Generator().manual_seed(5)
    rows = [
        (u.id, torch.randint(256, (round((u.duration or 0.0) / ROW_SECONDS), width), dtype=torch.uint8, generator=random))
        for u in utterances
    ]
    scale = torch.full((width,), 0.01) if kind == "vectors" else None
    write_targets(folder / "1.safetensors", kind, ROW_SECONDS, rows, scale)
    return folder


@pytest.fixture
def taught(tone_config: Config, tones: tuple[Path, Path], tmp_path: Path) -> Config:
    """The recipe for tones, with a teacher for two thirds of them."""
    utterances = read_manifest(tones[0])
    return with_teacher(tone_config, write_random_targets(tmp_path / "targets", utterances[: 2 * len(utterances) // 3]), 2.0)


def with_teacher(config: Config, folder: Path, weight: float, **train: object) -> Config:
    tree = json.loads(config.model_dump_json())
    tree["data"]["teacher"] = [str(folder)]
    tree["train"] |= {"teacher_weight": weight, **train}
    return Config.model_validate(tree)


# ---------------------------------------------------------------- in time


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_targets_are_stretched_as_speed_perturbation_stretches_the_audio(tmp_path: Path, speed: float) -> None:
    """A click lies in the same row of targets, however fast it is heard."""
    click = 1.1  # s
    samples = np.zeros(32_000, np.float32)
    samples[round(click * 16_000)] = 0.5
    utterance = Utterance("click", tmp_path / "click.wav", "A", 2.0)
    write_random_targets(tmp_path / "targets", [utterance])
    augmenter = WaveformAugmenter(AugmentConfig(speeds=(speed,), gain_db=0.0), 16_000)
    data = BatchDataset([Example(utterance, (3,), 2.0)], 16_000, 1, augmenter, TeacherTargets([tmp_path / "targets"]))
    data.cache[0] = CachedWaveform.of(samples)
    batch = data[BatchPart(0, 0, 1, (0,), 2, 2.0, last=True)]
    assert batch.teacher is not None
    assert float(batch.teacher.speeds) == pytest.approx(speed, rel=1e-3)

    config = ModelConfig().frontend
    features, frames = LogMel(config)(batch.waveforms, batch.samples)
    loudest = int(features[0].sum(1).argmax())
    middle = (loudest * config.hop + config.window / 2) / 16_000  # s, of the audio as it is heard
    places = rows_of_states(int(frames) // 2 + 1, 0.02 / ROW_SECONDS, batch.teacher)[0]
    assert int(places[int(middle / 0.02)]) == pytest.approx(click / ROW_SECONDS, abs=1)
    assert places.diff().min() >= 0
    assert int(places[-1]) == len(batch.teacher.rows[0]) - 1


def test_an_utterance_without_targets_has_no_rows() -> None:
    teacher = TeacherRows(torch.zeros(2, 4, 3, dtype=torch.uint8), torch.tensor([4, 0]), torch.ones(2))
    assert rows_of_states(5, 1.0, teacher).tolist() == [[0, 1, 2, 3, 3], [-1] * 5]


@pytest.mark.parametrize("kind", ["vectors", "codes"])
@pytest.mark.parametrize("layer", [1, None])
def test_padding_changes_nothing(tiny: ModelConfig, tmp_path: Path, kind: Kind, layer: int | None) -> None:
    torch.manual_seed(0)
    utterances = [Utterance(str(i), Path("x"), "A", seconds) for i, seconds in enumerate((1.0, 2.0, 0.4, 1.6))]
    targets = TeacherTargets([write_random_targets(tmp_path, utterances[:3], kind)])
    student = Student(LAS(tiny, 10), targets, layer).eval()
    lengths = torch.tensor([100, 200, 40, 160])
    features = torch.randn(4, 200, 20).masked_fill(torch.arange(200)[:, None] >= lengths[:, None, None], 0.0)

    def losses(chosen: list[int]) -> torch.Tensor:
        rows = [targets.rows(str(i)) for i in chosen]
        counts = torch.tensor([len(r) for r in rows])
        teacher = TeacherRows(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), counts, torch.ones(len(chosen)))
        frames = lengths[chosen]
        return torch.stack(
            student(teacher, features[chosen, : frames.max()], frames, torch.full((len(chosen), 2), 3), torch.full_like(frames, 2))
        )

    with torch.no_grad():
        together, alone = losses([0, 1, 2, 3]), torch.stack([losses([i]) for i in range(4)])
    assert torch.allclose(together, alone.sum(0), rtol=1e-4)
    assert (alone[:3, 3] > 0).all()
    assert alone[3, 3] == 0  # without targets
    assert torch.isfinite(together).all()


# ---------------------------------------------------------------- whole runs


def train(config: Config) -> Path:
    return Trainer(config).run()


@pytest.mark.parametrize("kind", ["vectors", "codes"])
def test_the_distance_falls_and_the_model_folder_has_no_head(
    tone_config: Config, tones: tuple[Path, Path], tmp_path: Path, kind: Kind
) -> None:
    plain = train(tone_config.model_copy(update={"output": tmp_path / "plain"}))
    utterances = read_manifest(tones[0])
    flat = [(u.id, torch.full((round((u.duration or 0.0) / ROW_SECONDS), 3), 200, dtype=torch.uint8)) for u in utterances]
    write_targets(tmp_path / "flat" / "1.safetensors", kind, ROW_SECONDS, flat, torch.full((3,), 0.02) if kind == "vectors" else None)
    model = train(with_teacher(tone_config, tmp_path / "flat", 1.0, epochs=6))

    distances = [r["teacher_distance"] for r in read_log(tone_config.output) if "teacher_distance" in r]
    assert len(distances) > 10
    assert sum(distances[-3:]) < 0.7 * sum(distances[:3])
    assert read_tensors(model / "model.safetensors").keys() == read_tensors(plain / "model.safetensors").keys()
    assert "| teacher | targets in `flat`, weight 1 |\n| dev WER |" in load_model(model).card
    assert "| teacher |" not in load_model(plain).card
    state = max((tone_config.output / "states").glob("step-*")) / "training.safetensors"
    assert "network.head.weight" in read_tensors(state)


def test_without_weight_nothing_changes(tone_config: Config, taught: Config, tmp_path: Path) -> None:
    plain = train(tone_config.model_copy(update={"output": tmp_path / "plain"}))
    weightless = with_teacher(taught, taught.data.teacher[0], 0.0).model_copy(update={"output": tmp_path / "weightless"})
    (tmp_path / "targets" / "1.safetensors").unlink()  # nor are the targets read
    assert (train(weightless) / "model.safetensors").read_bytes() == (plain / "model.safetensors").read_bytes()


def test_killed_and_resumed_equals_never_killed(taught: Config, tmp_path: Path) -> None:
    whole = taught.model_copy(update={"output": tmp_path / "whole"})
    train(whole)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(with_teacher(taught, taught.data.teacher[0], 2.0, checkpoint_minutes=1e-6)), encoding="utf-8")
    command = [sys.executable, "-m", "asr", "train", str(recipe)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not any(int(s.name[5:]) >= 4 for s in (taught.output / "states").glob("step-*")):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=True)
    assert "resuming from step" in done.stderr
    for name in ("model/model.safetensors", f"states/{max((whole.output / 'states').glob('step-*')).name}/training.safetensors"):
        one, other = read_tensors(whole.output / name), read_tensors(taught.output / name)
        assert one.keys() == other.keys()
        for key, tensor in one.items():
            assert torch.equal(tensor, other[key]), key


def test_accumulating_changes_nothing(taught: Config, tmp_path: Path) -> None:
    tree = json.loads(taught.model_dump_json())
    tree["model"]["listener"]["dropout"] = tree["model"]["speller"]["dropout"] = 0.0
    found = []
    for name, seconds in (("whole", 1200.0), ("parts", 3.0)):
        tree["output"], tree["train"]["device_seconds"] = str(tmp_path / name), seconds
        train(Config.model_validate(tree))
        found.append([r["teacher_distance"] for r in read_log(tmp_path / name) if "teacher_distance" in r])
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_two_processes_follow_the_trajectory_of_one(taught: Config, tmp_path: Path) -> None:
    tree = json.loads(taught.model_dump_json())
    tree["model"]["listener"]["dropout"] = tree["model"]["speller"]["dropout"] = 0.0
    tree["train"] |= {"epochs": 1}
    found = []
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, launcher in (("one", []), ("two", launch)):
        tree["output"] = str(tmp_path / name)
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(dump_config(Config.model_validate(tree)), encoding="utf-8")
        command = [sys.executable, *launcher, "-m", "asr", "train", str(recipe)]
        subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=True)
        steps = [r for r in read_log(tmp_path / name) if "loss" in r]
        assert len(steps) > 3
        found.append([[r["teacher_distance"] for r in steps], [r["gradient_norm"] for r in steps]])
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-2)


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"damaged", "damaged or not a safetensors file"), (None, "holds no targets")],
)
def test_a_missing_or_damaged_file_is_one_line(taught: Config, tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "targets" / "1.safetensors"
    path.unlink() if content is None else path.write_bytes(content)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(taught), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "asr", "train", str(recipe)], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not taught.output.exists()


def test_targets_of_other_utterances_are_refused(taught: Config, tmp_path: Path) -> None:
    others = [Utterance("another", Path("x"), "A", 1.0)]
    config = with_teacher(taught, write_random_targets(tmp_path / "others", others), 1.0)
    with pytest.raises(ConfigError, match="have the ids of other utterances"):
        Trainer(config)


def test_targets_of_another_length_are_left_out(
    taught: Config, tones: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = read_manifest(tones[0])
    twice = [Example(first, (3,), 1.0), Example(first, (3,), 9.0)]  # one id in two manifests: whose the targets are is unknown
    targets = TeacherTargets([write_random_targets(tmp_path / "twice", [Utterance(first.id, Path("x"), "A", 5.0), second])])
    assert check_targets(targets, [*twice, Example(second, (3,), second.duration or 0.0)], []).startswith(
        "a teacher's targets for 1 of 3 utterances"
    )
    wrong = Utterance(first.id, first.audio_filepath, first.text, (first.duration or 0.0) + 1)
    config = with_teacher(taught, write_random_targets(tmp_path / "wrong", [wrong]), 1.0)
    with pytest.raises(ConfigError, match="differ in length from their utterances"):
        Trainer(config)
    train(with_teacher(taught, write_random_targets(tmp_path / "some", [wrong, second]), 1.0))
    assert (
        "a teacher's targets for 1 of 48 utterances (6 vectors); 1 skipped, since their length differs from the utterance's"
        in capfd.readouterr().err
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data": {"teacher": []}}, "data.teacher names no targets"),
        ({"train": {"teacher_weight": 1.0, "teacher_layer": 3}}, "the listener has 2 layers"),
    ],
)
def test_unusable_teacher_settings_are_refused_by_name(taught: Config, changes: dict[str, dict[str, object]], expected: str) -> None:
    tree = json.loads(taught.model_dump_json())
    for section, values in changes.items():
        tree[section] |= values
    with pytest.raises(ValueError, match=expected):
        Config.model_validate(tree)
