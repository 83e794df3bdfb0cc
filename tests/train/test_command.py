"""The command that resumes a run can be pasted into a shell: program, launcher and quoted paths are those of this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asr.train import command
from asr.train.command import command_again

ARGUMENTS = ["train", "my recipe.yaml", "train.epochs=3", "--restart"]
AGAIN = ["train", "my recipe.yaml", "train.epochs=3"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH with asr and torchrun."""
    for name in ("asr", "torchrun"):
        (tmp_path / name).write_text("#!/usr/bin/env python\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    return tmp_path


def started(monkeypatch: pytest.MonkeyPatch, words: list[str], program: str, *parents: list[str]) -> None:
    monkeypatch.setattr(sys, "orig_argv", [*words, *ARGUMENTS])
    monkeypatch.setattr(sys, "argv", [program, *ARGUMENTS])
    monkeypatch.setattr(command, "_parent_commands", lambda: iter(parents))


def test_the_program_is_named_as_it_was_started(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = ["bash", "-c", "asr train"]
    started(monkeypatch, ["/env/python", str(programs / "asr")], str(programs / "asr"), shell)
    assert command_again(AGAIN) == "asr train 'my recipe.yaml' train.epochs=3"
    started(monkeypatch, ["python", "-m", "asr"], "/src/asr/__main__.py", shell)
    assert command_again(AGAIN) == "python -m asr train 'my recipe.yaml' train.epochs=3"
    monkeypatch.setenv("PATH", "/bin")
    started(monkeypatch, ["/env/python", str(programs / "asr")], str(programs / "asr"), shell)
    assert command_again(["train", "a.yaml"]) == f"{programs / 'asr'} train a.yaml"
    started(monkeypatch, ["python", "-m", "pytest"], "/env/pytest/__main__.py")
    assert command_again(["train", "a.yaml"]) == "asr train a.yaml"


def test_a_launcher_is_part_of_the_command(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, program = ["/env/python", "-u", "-m", "asr"], "/src/asr/__main__.py"
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch = ["/env/python", str(programs / "torchrun"), "--nproc_per_node", "2", "-m", "asr", *ARGUMENTS]
    started(monkeypatch, worker, program, launch, ["bash"])
    assert command_again(AGAIN) == "torchrun --nproc_per_node 2 -m asr train 'my recipe.yaml' train.epochs=3"
    started(monkeypatch, worker, program, launch, ["uv", "run", *launch[1:]], ["bash"])
    assert command_again(["train", "b"]) == f"uv run {programs / 'torchrun'} --nproc_per_node 2 -m asr train b"
    started(monkeypatch, worker, program, ["python", "-m", "accelerate.commands.launch", "--cpu", "-m", "asr", *ARGUMENTS])
    assert command_again(["train", "b"]) == "python -m accelerate.commands.launch --cpu -m asr train b"
    started(monkeypatch, worker, program, launch, ["timeout", "60", *launch])  # limits this process alone
    assert command_again(["train", "b"]) == "torchrun --nproc_per_node 2 -m asr train b"
    started(monkeypatch, worker, program, ["slurmstepd: [1.0]"])
    assert command_again(["train", "b"]) == "/env/python -m asr train b  # with the launcher of its 2 processes"


@pytest.mark.skipif(not Path("/proc/self/cmdline").is_file(), reason="the commands of other processes are in Linux's /proc")
def test_parents_are_read_from_the_system() -> None:
    assert next(command._parent_commands())
