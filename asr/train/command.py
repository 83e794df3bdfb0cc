"""The command that started this process, to be run again: with its launcher (torchrun, accelerate launch, uv run, ...) and quoted paths."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

LAUNCHERS = frozenset({
    "torchrun", "torch.distributed.run", "torch.distributed.launch", "accelerate", "accelerate.commands.launch", "mpirun", "mpiexec", "srun",
    "uv", "poetry", "pdm", "pixi", "hatch", "pipenv", "conda", "mamba", "micromamba",
})  # fmt: skip
"""Programs that start several processes, or a process in an environment."""


def command_again(arguments: Sequence[str]) -> str:
    """Return a command of `asr` for a shell, started as this process was."""
    launcher, processes = _launcher_prefix(), os.environ.get("WORLD_SIZE", "1")
    command = shlex.join([*(launcher or own_prefix()), *arguments])
    return command if launcher or processes == "1" else f"{command}  # with the launcher of its {processes} processes"


def own_prefix() -> list[str]:
    """Return the words that start `asr` as they started this process: `asr`, or for instance `python -m asr`."""
    program = Path(sys.argv[0])
    if program.stem != "asr" and program.parts[-2:] != ("asr", "__main__.py"):
        return ["asr"]  # called from another program
    return [sys.orig_argv[0], "-m", "asr"] if program.name == "__main__.py" else _shortened([sys.orig_argv[0], sys.argv[0]])


def _launcher_prefix() -> list[str]:
    """Return the words before the arguments in the command of the outermost launcher, or none if there is no launcher.

    A launcher is a parent process with a name in LAUNCHERS, whose command ends with the arguments of this process.
    """
    own, found = sys.argv[1:], []
    for words in _parent_commands() if own else ():
        if words[-len(own) :] != own:
            break
        if _program(words) in LAUNCHERS:
            found = words[: -len(own)]
    return _shortened(found)


def _parent_commands() -> Iterator[list[str]]:
    """Yield the command of each parent process, from the nearest on. On systems without /proc there is none."""
    process = os.getppid()
    while process > 1:
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().removesuffix(b"\0").split(b"\0")
            process = int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
        yield [os.fsdecode(word) for word in words]


def _program(words: list[str]) -> str:
    """Return the name of the program that a command starts: `torchrun` of `python /env/bin/torchrun …`."""
    if "python" in Path(words[0]).name and len(words) > 1:
        words = words[2:] if words[1] == "-m" else words[1:]
    return Path(words[0]).name if words else ""


def _shortened(words: list[str]) -> list[str]:
    """Replace `/env/bin/python /env/bin/torchrun` by the name of the program, or by its path if the name starts another program."""
    if len(words) < 2 or "python" not in Path(words[0]).name or not os.access(words[1], os.X_OK):
        return words
    name = Path(words[1]).name
    found = shutil.which(name)
    return [name if found and Path(found).resolve() == Path(words[1]).resolve() else words[1], *words[2:]]
