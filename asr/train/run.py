"""The part that the trainers of recognisers, language models and text restorers share."""

from __future__ import annotations

import contextlib
import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np

from asr.config import Config, LMFolderConfig, LMRecipe, ModelFolderConfig, RestorerFolderConfig, RestorerRecipe
from asr.config.problems import format_value
from asr.config_file import differences, load_config
from asr.errors import ConfigError, ModelError, UsageError
from asr.model.checkpoint import TOKENIZER
from asr.model.run_folder import find_model, record_model
from asr.text.tokenizer import Tokenizer
from asr.train.device import computation, from_rank_0, has_bf16, lost_process, make_accelerator
from asr.train.folder import LIMITS, FolderLock, best_folder, claim_folder, has_checkpoint, open_folder
from asr.train.journal import Journal
from asr.train.learner import Learner
from asr.train.state import Position

Recipe = TypeVar("Recipe", Config, LMRecipe, RestorerRecipe)


class Run(ABC, Generic[Recipe]):
    """One run: a recipe, its data, its network, and its folder.

    Args:
        config: The recipe. It is checked against the folder, and nothing is written before all of its data have been read.
        restart: Delete a run that is in the folder.
        finish: Write the model of the run in the folder from its checkpoint, without training.

    Raises:
        AsrError: The recipe, its data or the folder cannot be used.
    """

    MAY_CHANGE: ClassVar[frozenset[str]]
    """Keys of the recipe that may change when a run is resumed."""

    tokenizer: Tokenizer
    _start_note: str = ""  # about the choice of the model that training starts from

    def __init__(self, config: Recipe, restart: bool = False, finish: bool = False):
        if restart and finish:
            raise UsageError("--restart deletes the run that --finish needs: choose one")
        if finish and not has_checkpoint(config.output):
            raise UsageError(f"{config.output}: --finish needs a run with a checkpoint, and there is none: train without --finish first")
        self.config: Recipe = config
        self.finish_only = finish
        # The length of a run does not matter to --finish.
        may_change = self.MAY_CHANGE | (frozenset(LIMITS) if finish else frozenset())
        self.folder = config.output
        self.accelerator = make_accelerator(config.train.precision)
        self.lock = FolderLock(self.folder, self.accelerator)
        with self.lock.released_on_error(), lost_process():
            if self.accelerator.is_main_process:
                open_folder(config, restart, may_change, self.lock)
            self._prepare(restart)
            # Claimed last: a mistake in the recipe must not damage the run that is there.
            claim_folder(config, restart, may_change, self.tokenizer, self.accelerator, self.lock)
            self.journal = Journal(self.folder, self.accelerator.is_main_process)

    def run(self) -> Path:
        """Train, or resume training, to the end.

        Returns:
            The folder of the finished model.

        Raises:
            Interrupted: SIGINT or SIGTERM. A checkpoint has been written.
        """
        with self.lock, lost_process():
            position = self._train()
            model = self._finish(position)
            if self.accelerator.is_main_process:
                record_model(self.folder, position.step)
            return model

    @abstractmethod
    def _prepare(self, restart: bool) -> None:
        """Read the data and build the network. Sets `tokenizer`."""

    @abstractmethod
    def _train(self) -> Position:
        """Run the loop from the last checkpoint to the end."""

    @abstractmethod
    def _finish(self, position: Position) -> Path:
        """Write the model folder."""

    def _make_tokenizer(self, restart: bool, given: Path | None, texts: Callable[[], list[str]]) -> Tokenizer:
        """Return the tokenizer of the run that is resumed, or of the file that is `given`, or train one on `texts`. On every rank."""
        self._given_tokenizer = given

        def serialized() -> bytes:
            own = self.folder / "tokenizer.model"
            path = own if not restart and has_checkpoint(self.folder) and own.is_file() else given
            path = path / TOKENIZER if path and path.is_dir() else path  # tokenizer.model may name the folder of a model or of a run
            if path and given == self.config.tokenizer.model and not path.is_file():
                raise ConfigError(f"tokenizer.model={given}: {path}: no such file")
            return (Tokenizer.load(path) if path else Tokenizer.train(texts(), self.config.tokenizer)).serialized

        return Tokenizer(from_rank_0(self.accelerator, serialized))

    def _start_model(self) -> Path | None:
        """Return the model folder that training starts from: `train.start_from`, or the best model of the run that it names."""
        start = self.config.train.start_folder
        if start is None:
            return None
        folder, self._start_note = find_model(start)
        return folder

    def _resume(self, learner: Learner, start: Callable[[], Position]) -> Position:
        """Load the last checkpoint, or call `start` if there is none."""
        position = learner.resume(self.folder, self.accelerator, self.journal.say) or start()
        check_tokenizer(position, self.tokenizer, self.folder)
        for _, step in position.best:
            if not best_folder(self.folder, step).is_dir():
                self.journal.say(f"{best_folder(self.folder, step)}: missing: these weights are skipped")
        position.best = [b for b in position.best if best_folder(self.folder, b[1]).is_dir()]
        return position

    def _begin(self, introduction: Sequence[str], position: Position) -> None:
        """Print the first lines of the run, with warnings about its precision, vocabulary and folder."""
        lines: list[str] = [*introduction]
        if self._start_note and position.step == 0:
            lines.append(f"train.start_from={self._start_note}")
        self.journal.begin([*lines, *self._notes(), *self.lock.warnings], position, computation(self.accelerator))

    def _notes(self) -> list[str]:
        used, vocabulary = computation(self.accelerator), self.config.tokenizer.vocab_size
        notes = [f"computing in {used['precision']} on {used['device']} (train.precision={self.config.train.precision})"]
        if self._given_tokenizer is None and len(self.tokenizer) < vocabulary:
            notes.append(f"{len(self.tokenizer)} pieces: the training texts allow no more (tokenizer.vocab_size={vocabulary})")
        if self.accelerator.mixed_precision == "bf16" and not has_bf16():
            notes.append("this processor emulates bf16: train.precision=fp32 is several times as fast")
        return notes

    def _step(self, learner: Learner, position: Position, progress: float) -> float:
        """Take an optimizer step and return the gradient norm. A step whose norm is not finite is skipped and reported."""
        norm = learner.step(position.step, progress)
        if not math.isfinite(norm):
            self.journal.say(f"step {position.step}: skipped, its gradient is not finite")
        return norm


@contextlib.contextmanager
def explained_mismatch(config: Config | LMRecipe | RestorerRecipe, start: Path, parts: Sequence[str] | None = None) -> Iterator[None]:
    """A context that loads the weights of `train.start_from`.

    Args:
        config: The recipe.
        start: The folder of the model that training starts from.
        parts: The parts of the network that are loaded. None: all.

    Raises:
        ConfigError: The weights do not fit, and the recipe sets another network than the model's. It names the keys that differ.
    """
    try:
        yield
    except ModelError:
        theirs: Config | LMRecipe | RestorerRecipe | ModelFolderConfig | LMFolderConfig | RestorerFolderConfig
        theirs = load_config(type(config.folder_config()), start / "config.yaml")
        before, now = (c.model.model_dump(mode="json") for c in (theirs, config))
        differing = {
            f"model.{key}": values
            for key, values in differences(before, now).items()
            if (parts is None or key.split(".")[0] in parts) and not key.endswith("dropout")  # dropout has no weights
        }
        if not differing:
            raise
        keys = ", ".join(f"{key}={format_value(new)} here, {format_value(old)} in the model" for key, (old, new) in differing.items())
        advice = (
            f"set {' '.join(f'{key}={format_value(old)}' for key, (old, _) in differing.items())}, or remove these keys from the recipe"
        )
        raise ConfigError(f"train.start_from={config.train.start_from}: its network is another: {keys}: {advice}") from None


def check_tokenizer(position: Position, tokenizer: Tokenizer, run: Path) -> None:
    """Record a digest of the vocabulary in a run's position. Raises ModelError if its checkpoint has another vocabulary."""
    pieces = hashlib.sha256("\n".join(tokenizer.pieces).encode()).hexdigest()
    if position.pieces not in ("", pieces):
        advice = "put the file back, or start again with --restart"
        raise ModelError(f"{run / 'tokenizer.model'}: differs from the tokenizer of the checkpoint: {advice}")
    position.pieces = pieces


def step_seed(*numbers: int) -> int:
    """Combine numbers (seed, step, process, ...) into one seed. Seeding every step leaves no random state to save."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
