"""The folder of a run: its lock, its owner, and the weights that it keeps.

It holds `config.yaml`, `tokenizer.model`, `log.jsonl`, `tensorboard/`, `states/` (checkpoints to resume from), `best/` (weights to choose
from) and, at the end, `model/` with `model.json`, the step of `model/`. A process locks `.lock` while it trains.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from accelerate import Accelerator
from filelock import BaseFileLock, FileLock, Timeout

from asr.config import Config, LMRecipe, RestorerRecipe
from asr.config.problems import format_value
from asr.config_file import described_kind, differences, dump_config, holds_recipe, load_config, with_article
from asr.errors import AsrError, ConfigError, UsageError
from asr.files import check_writable, clean_folder, write_atomically
from asr.model.run_folder import RECORD, WEIGHTS, find_model
from asr.text.tokenizer import Tokenizer
from asr.train.state import Position, last_position, step_folders

FOLDERS, FILES = ("states", "best", "model", "tensorboard"), ("config.yaml", "tokenizer.model", "log.jsonl", RECORD)  # created by a run
LOCK = ".lock"
LIMITS = ("train.epochs", "train.minutes", "train.steps")
"""Keys that limit the length of a run. They may be raised when it is resumed, and lowered to more than is done."""


class FolderLock:
    """Lock of a run's folder, so that two processes (such as a cluster job and its requeued copy) do not both write into it.

    It is an flock if the system has it. An flock is released when its process ends, and works across machines if their file system
    supports it (NFS with its lock service, Lustre mounted with `flock`). Several trainers of one process may hold the lock. Ranks other than
    0 never lock.
    """

    def __init__(self, folder: Path, accelerator: Accelerator):
        self.folder = folder
        self._is_main = accelerator.is_main_process
        self._lock: BaseFileLock | None = None
        self.warnings: list[str] = []

    def acquire(self) -> None:
        """Create the folder if necessary, and lock it. Raises AsrError if another process holds the lock."""
        if self._lock is not None or not self._is_main:
            return
        path = self.folder / LOCK
        lock = FileLock(path, timeout=0, thread_local=False, is_singleton=True)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            advice = "wait until it has ended, stop it, or choose another folder with output=DIR"
            raise AsrError(f"{self.folder}: {_holder(path)} is training in this folder: {advice}") from None
        except OSError as e:
            if e.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
                raise _unwritable(self.folder, e) from None
            self.warnings = [f"{self.folder}: its file system has no locks, so a second process could write into the folder"]
            return
        self._lock = lock
        with contextlib.suppress(OSError):
            path.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def __del__(self) -> None:  # for a trainer that never ran
        with contextlib.suppress(Exception):
            self.release()

    @contextlib.contextmanager
    def released_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.release()
            raise


def _unwritable(folder: Path, e: OSError) -> AsrError:
    return AsrError(f"{folder}: cannot be written: {e.strerror}: choose another folder with output=DIR")


def _holder(lock: Path) -> str:
    try:
        words = lock.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        words = ""
    return words if re.fullmatch(r"process [0-9]+ on [\w.-]+", words) else "another process"


def open_folder(config: Config | LMRecipe | RestorerRecipe, restart: bool, may_change: Collection[str], lock: FolderLock) -> None:
    """Check the output folder (see `check_folder`). If it exists, lock it and remove temporary files of killed processes."""
    check_folder(config, restart, may_change)
    try:
        check_writable(config.output / LOCK)  # before all data are read
    except OSError as e:
        raise _unwritable(config.output, e) from None
    if config.output.is_dir():
        lock.acquire()
        clean_folder(config.output, "|".join(map(re.escape, (*FOLDERS, *FILES))))
        for kept in ("states", "best"):
            clean_folder(config.output / kept, "step-[0-9]+")
        check_folder(config, restart, may_change)  # another process may have written into it meanwhile


def check_folder(config: Config | LMRecipe | RestorerRecipe, restart: bool, may_change: Collection[str]) -> None:
    """Check whether a run may use `config.output`. Changes nothing.

    The folder must be new, or hold a run with the same config, or `restart` must be set. A run without a checkpoint, such as one that was
    stopped at once, may be replaced. The limits of a run may be changed to more than it has done.

    Args:
        config: The recipe.
        restart: Whether a run in the folder will be deleted.
        may_change: Keys (`section.name`) that may differ from those of the run in the folder.

    Raises:
        UsageError: The folder holds a model, a run that cannot resume or files of unknown origin, or a restart would delete the model that
            training starts from.
        ConfigError: The folder holds a run with another config.
    """
    folder, record = config.output, config.output / "config.yaml"
    elsewhere = "choose another folder with output=DIR"
    if folder.is_file():
        raise UsageError(f"{folder}: is a file: {elsewhere}")
    if (folder / WEIGHTS).exists():
        raise UsageError(f"{folder}: holds a model, which a run would overwrite: {elsewhere} (train.start_from={folder} trains it on)")
    found = [name for name in (*FOLDERS, *FILES) if (folder / name).exists()]
    if found and not holds_recipe(record):
        raise UsageError(f"{folder}: holds {', '.join(found)} but no config.yaml of a run: {elsewhere}")
    start = find_model(config.train.start_folder)[0] if restart and config.train.start_folder else None
    if start and any(start.resolve().is_relative_to((folder / name).resolve()) for name in FOLDERS):
        raise UsageError(f"{folder}: --restart would delete {start}, which train.start_from names: {elsewhere}")
    if not restart and not has_checkpoint(folder) and (folder / "model" / WEIGHTS).is_file():
        raise UsageError(
            f"{folder}: holds the model of a run without checkpoints, which cannot resume: {elsewhere}, or delete it with --restart"
        )
    if not restart and has_checkpoint(folder):
        if (kind := described_kind(record)) != getattr(config, "kind", "recogniser"):
            raise ConfigError(f"{folder}: holds a run of {with_article(kind)}: {elsewhere}, or start again with --restart")
        before, now = (c.model_dump(mode="json") for c in (load_config(type(config), record), config))
        changed = {
            key: values
            for key, values in differences(before, now).items()
            if key.split(".")[0] not in ("output", "segment", "decode") and key not in may_change
        }
        _check_limits(folder, {key: changed.pop(key) for key in LIMITS if key in changed})
        if changed:
            both = ", ".join(f"{key} ({format_value(old)}; asked for: {format_value(new)})" for key, (old, new) in changed.items())
            raise ConfigError(f"{folder}: holds a run with another {both}: keep its values, {elsewhere}, or delete the run with --restart")


def _check_limits(folder: Path, changed: Mapping[str, tuple[float | None, float | None]]) -> None:
    """Check the changed limits of a run that is resumed. Raises ConfigError if one is not above what the run has done."""
    position = last_position(folder) or Position()
    done = {"train.epochs": position.epoch, "train.minutes": position.seconds / 60, "train.steps": position.step}
    for key, (old, new) in changed.items():
        if new is not None and new <= done[key] and (old is None or new < old):
            unit = key.rpartition(".")[2]
            raise ConfigError(
                f"{folder}: {key}={format_value(new)} is not above the {round(done[key], 2)} {unit} that the run has done (its limit: "
                f"{format_value(old)}): choose more, or write the model now with --finish"
            )


def claim_folder(
    config: Config | LMRecipe | RestorerRecipe,
    restart: bool,
    may_change: Collection[str],
    tokenizer: Tokenizer,
    accelerator: Accelerator,
    lock: FolderLock,
) -> None:
    """Take over the folder that `open_folder` has checked: lock it, empty it for a restart, and write the config and the tokenizer."""
    folder = config.output
    if accelerator.is_main_process:
        lock.acquire()
        check_folder(config, restart, may_change)  # another process may have created it meanwhile
        if restart:
            for path in (folder / name for name in (*FOLDERS, "log.jsonl", RECORD)):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        write_atomically(folder / "config.yaml", dump_config(config))  # first, since it marks the other files as a run's
        write_atomically(folder / "tokenizer.model", tokenizer.serialized)
    accelerator.wait_for_everyone()


def has_checkpoint(folder: Path) -> bool:
    """Return whether a run has a checkpoint to resume from."""
    return bool(step_folders(folder / "states"))


def kept_checkpoint(folder: Path) -> str:
    """Describe the newest checkpoint of a run in words, with its age."""
    kept = step_folders(folder / "states")
    if not kept:
        return "there is no checkpoint yet: the same command starts from the beginning"
    step, checkpoint = kept.popitem()
    seconds = 0.0
    with contextlib.suppress(OSError):  # the run may have replaced it meanwhile
        seconds = max(0.0, time.time() - checkpoint.stat().st_mtime)
    age = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"the checkpoint of step {step}, written {age} ago, is kept"


def best_folder(run: Path, step: int) -> Path:
    """Return the folder of the weights of a step that did well on dev."""
    return run / "best" / f"step-{step:08d}"


def missing_best(run: Path) -> AsrError:
    """Return the error of a finished run without weights to choose from."""
    return AsrError(
        f"{run / 'best'}: the weights that did well on dev are gone, and no training is left: put them back, or start again with --restart"
    )


def delete_best_except(steps: Collection[int], run: Path) -> None:
    """Delete the kept weights of a run, except those of `steps`."""
    for step, folder in step_folders(run / "best").items():
        if step not in steps:
            shutil.rmtree(folder, ignore_errors=True)
