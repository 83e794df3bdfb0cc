"""The folder of a run: one process at a time, nothing left of killed ones, nothing lost to damaged files."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from filelock import FileLock

from asr.config import Config, LMRecipe, TokenizerConfig
from asr.config_file import dump_config
from asr.errors import AsrError, ConfigError, ModelError, UsageError
from asr.files import HOST
from asr.model.checkpoint import load_model, read_tensors
from asr.text.tokenizer import Tokenizer
from asr.train import trainer as training
from asr.train.examples import read_utterances
from asr.train.folder import FolderLock, best_folder, delete_best_except
from asr.train.lm_trainer import LMTrainer
from asr.train.state import step_folders
from asr.train.trainer import Trainer

RANK_0 = SimpleNamespace(is_main_process=True)
HOLD = (
    "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def one_epoch(tone_config: Config) -> Config:
    """With a checkpoint after every step."""
    return tone_config.model_copy(update={"train": tone_config.train.model_copy(update={"epochs": 1, "checkpoint_minutes": 1e-6})})


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start another process that trains in a folder, as far as the folder shows."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def other_process(one_epoch: Config) -> Iterator[subprocess.Popen[str]]:
    process = hold(one_epoch.output)
    yield process
    process.kill()
    process.communicate()


def is_locked(folder: Path) -> bool:
    with open(folder / ".lock", "ab") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_second_process_is_refused_until_the_first_is_gone(one_epoch: Config, other_process: subprocess.Popen[str]) -> None:
    (one_epoch.output / ".lock").write_text("process 12 on a-host\n", encoding="utf-8")
    refused = rf"^{one_epoch.output}: process 12 on a-host is training in this folder: wait .*output=DIR$"
    for restart in (False, True):
        with pytest.raises(AsrError, match=refused):
            Trainer(one_epoch, restart)
    assert [path.name for path in one_epoch.output.iterdir()] == [".lock"]
    other_process.kill()  # the lock ends with its process
    other_process.wait()
    trainer = Trainer(one_epoch)
    assert is_locked(one_epoch.output)
    assert (one_epoch.output / ".lock").read_text(encoding="utf-8").startswith(f"process {os.getpid()} on ")
    trainer.run()
    assert not is_locked(one_epoch.output)


def test_the_first_process_keeps_a_new_folder(one_epoch: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[subprocess.Popen[str]] = []

    def read(*arguments: Any) -> Any:
        if not others:  # while this process reads its manifests
            others.append(hold(one_epoch.output))
        return read_utterances(*arguments)

    monkeypatch.setattr(training, "read_utterances", read)
    with pytest.raises(AsrError, match=r"another process is training in this folder: wait"):
        Trainer(one_epoch)
    assert [path.name for path in one_epoch.output.iterdir()] == [".lock"]
    others[0].kill()
    others[0].communicate()


def test_a_mistake_makes_no_folder(one_epoch: Config, tmp_path: Path) -> None:
    wrong = one_epoch.model_copy(update={"data": one_epoch.data.model_copy(update={"train": (tmp_path / "nope.json",)})})
    with pytest.raises(UsageError, match=r"nope\.json"):
        Trainer(wrong)
    assert not one_epoch.output.exists()


def test_a_failed_or_dropped_trainer_releases_the_folder(one_epoch: Config, tmp_path: Path) -> None:
    one_epoch.output.mkdir()
    wrong = one_epoch.model_copy(update={"data": one_epoch.data.model_copy(update={"train": (tmp_path / "nope.json",)})})
    with pytest.raises(UsageError, match=r"nope\.json"):
        Trainer(wrong)
    assert not is_locked(one_epoch.output)
    first, second = Trainer(one_epoch), Trainer(one_epoch)  # as in a notebook, where a cell runs twice
    assert is_locked(one_epoch.output)
    del first
    assert is_locked(one_epoch.output)
    del second
    assert not is_locked(one_epoch.output)


def test_a_file_system_without_locks_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with FolderLock(tmp_path / "run", RANK_0) as lock:
        assert lock.warnings == [f"{tmp_path / 'run'}: its file system has no locks, so a second process could write into the folder"]


def test_a_folder_that_cannot_be_written_is_named_before_data_are_read(one_epoch: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    file = one_epoch.output.with_name("file")
    file.touch()
    monkeypatch.setattr(training, "read_utterances", lambda *_: pytest.fail("data were read"))
    inside = one_epoch.model_copy(update={"output": file / "run"})
    with pytest.raises(AsrError, match=rf"^{file}/run: cannot be written: Not a directory: choose another folder with output=DIR$"):
        Trainer(inside)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(AsrError, match=rf"^{one_epoch.output}: cannot be written: Permission denied: choose another folder"):
        Trainer(one_epoch)
    monkeypatch.undo()
    monkeypatch.setattr(Path, "mkdir", lambda self, *_, **__: Path("/proc/self/nowhere").stat())
    with pytest.raises(AsrError, match=rf"^{one_epoch.output}: cannot be written: No such file or directory: choose another folder"):
        FolderLock(one_epoch.output, RANK_0).acquire()


def test_only_dead_processes_leave_litter(one_epoch: Config) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    run = one_epoch.output
    gone = [
        f".config.yaml.{HOST}-{dead.pid}.partial", f".model.{HOST}-{dead.pid}.old", f"states/.step-00000001.{HOST}-{dead.pid}.partial",
        f"best/.step-00000001.{HOST}-{dead.pid}.partial", f"states/.step-00000002.{HOST}-{os.getpid()}.partial",
        f"states/.step-00000003.elsewhere-{dead.pid}.partial",
    ]  # fmt: skip
    kept = [
        f"states/.step-00000001.{HOST}-{os.getppid()}.partial", f"states/.step-00000002.elsewhere-{dead.pid}.partial",
        f".notes.txt.{HOST}-{dead.pid}.partial",
    ]  # fmt: skip
    for name in [*gone, *kept, "model"]:
        (run / name).mkdir(parents=True)
    os.utime(run / gone[-1], (0, 0))
    (run / "config.yaml").write_text(dump_config(one_epoch), encoding="utf-8")
    Trainer(one_epoch)
    assert [name for name in gone if (run / name).exists()] == []
    assert [name for name in kept if not (run / name).exists()] == []


# ---------------------------------------------------------------- damage


def newest(run: Path) -> Path:
    return list(step_folders(run / "states").values())[-1]


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """In memory of their own: `read_tensors` maps the file, which the tests write to."""
    return {name: tensor.clone() for name, tensor in read_tensors(path).items()}


def truncate(state: Path) -> None:
    path = state / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def flip(state: Path) -> None:
    path = state / "training.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_changes_no_bit(one_epoch: Config, capfd: pytest.CaptureFixture[str]) -> None:
    run = one_epoch.output
    model = Trainer(one_epoch).run()
    before = tensors(model / "model.safetensors"), tensors(newest(run) / "training.safetensors")
    damaged = newest(run)
    flip(damaged)
    for junk in ("states/step-abc", "states/step-99999999.bak", "best/step-", "best/step-1x"):
        (run / junk).mkdir()
    shutil.rmtree(model)
    with open(run / "log.jsonl", "a", encoding="utf-8") as log:
        log.write('{"step": "many"}\n{"step": null}\n[]\n' + "[" * 100_000 + "\n")
    capfd.readouterr()
    Trainer(one_epoch).run()
    lines = [line for line in capfd.readouterr().err.splitlines() if "damaged, renamed to" in line]
    step = int(damaged.name[5:])
    assert lines == [
        f"{damaged}: training.safetensors or training.json differs from what was written: damaged, renamed to damaged-{damaged.name}: "
        f"going back to step {step - 1}"
    ]
    after = tensors(model / "model.safetensors"), tensors(newest(run) / "training.safetensors")
    for one, other in zip(before, after, strict=True):
        assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["step"] for record in records if "loss" in record] == list(range(1, step + 1))


def test_a_run_without_a_whole_checkpoint_ends_in_one_line(one_epoch: Config) -> None:
    Trainer(one_epoch).run()
    states = sorted((one_epoch.output / "states").glob("step-*"))
    truncate(states[0])
    (states[1] / "training.json").unlink()
    with pytest.raises(ModelError) as caught:
        Trainer(one_epoch).run()
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith("no undamaged checkpoint is left: put one back, or start again with --restart")
    assert all(str(state) in message for state in states)
    assert sorted((one_epoch.output / "states").glob("*")) == states  # as they were


def test_damaged_best_weights_are_left_out(one_epoch: Config, capfd: pytest.CaptureFixture[str]) -> None:
    config = one_epoch.model_copy(update={"train": one_epoch.train.model_copy(update={"epochs": 2})})
    model = Trainer(config).run()
    best = sorted((config.output / "best").iterdir())
    assert len(best) == 2
    (best[0] / "model.safetensors").write_bytes(b"")
    shutil.rmtree(model)
    Trainer(config).run()
    assert f"{best[0] / 'model.safetensors'}: damaged" in capfd.readouterr().err
    assert load_model(model)
    (best[1] / "config.yaml").write_bytes(b"\xff")
    with pytest.raises(AsrError, match=r"^[^\n]*the weights that did well on dev are gone[^\n]*$"):
        Trainer(config).run()


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("config.yaml", b"\xff\xfe", UsageError, "no config.yaml of a run"),
        ("config.yaml", b"", UsageError, "no config.yaml of a run"),
        ("tokenizer.model", b"half", AsrError, r"tokenizer\.model"),
        ("tokenizer.model", b"", AsrError, r"tokenizer\.model"),
    ],
)
def test_other_damaged_files_are_named_in_one_line(
    one_epoch: Config, name: str, content: bytes, error: type[AsrError], message: str
) -> None:
    Trainer(one_epoch).run()
    (one_epoch.output / name).write_bytes(content)
    with pytest.raises(error, match=rf"^[^\n]*{message}[^\n]*$"):
        Trainer(one_epoch)


def test_the_folder_of_another_kind_of_run_is_refused(one_epoch: Config, tmp_path: Path) -> None:
    Trainer(one_epoch).run()
    (tmp_path / "text.txt").write_text("LOW MID\n", encoding="utf-8")
    lm = LMRecipe.model_validate(
        {"kind": "language_model", "output": str(one_epoch.output), "data": {"train": [str(tmp_path / "text.txt")]}}
    )
    with pytest.raises(ConfigError, match=rf"^{one_epoch.output}: holds a run of a recogniser: choose .*output=DIR, or .*--restart$"):
        LMTrainer(lm)


def test_other_pieces_than_the_checkpoints_are_refused(one_epoch: Config, tmp_path: Path) -> None:
    Trainer(one_epoch).run()
    size = len(Tokenizer.load(one_epoch.output / "tokenizer.model"))
    other = Tokenizer.train(["ABC DEF GHI"] * 3, TokenizerConfig(kind="char", vocab_size=size))
    assert len(other) == size
    (one_epoch.output / "tokenizer.model").write_bytes(other.serialized)
    with pytest.raises(AsrError, match=r"^[^\n]*(tokenizer\.model|pieces cannot write)[^\n]*$"):
        Trainer(one_epoch).run()


def test_only_the_weights_of_steps_are_dropped(tmp_path: Path) -> None:
    for name in ("step-00000001", "step-00000002", "step-100000000", "step-x", "mine"):
        (tmp_path / "best" / name).mkdir(parents=True)
    delete_best_except({2}, tmp_path)
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["mine", "step-00000002", "step-x"]
    assert best_folder(tmp_path, 2).is_dir()
