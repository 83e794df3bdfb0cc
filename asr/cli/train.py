"""`asr train` and `asr info`: models made and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.console import err, out, speaks_plainly

if TYPE_CHECKING:
    from torch import nn

    from asr.train.lm_trainer import LMTrainer
    from asr.train.trainer import Trainer


@speaks_plainly
def train(
    config: Annotated[Path, typer.Argument(help="A recipe (YAML).", show_default=False)],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="Changes to it.", show_default=False)] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, deleting the run in the output folder.")] = False,
) -> None:
    """Train a recogniser or a language model by a recipe, or go on with a run that was stopped.

    Everything lands in the folder `output`: checkpoints, the tokenizer, TensorBoard curves, and at the end `model/`, which
    `asr transcribe --model` takes. Ctrl-C leaves a checkpoint, and the same command resumes from there. A second Ctrl-C stops at once.

      asr train recipes/an4/las.yaml
      asr train recipes/an4/las.yaml train.epochs=20 model.ctc_weight=0 decode.ctc_weight=0 output=runs/no-ctc
      asr train recipes/finetune/las.yaml                                       the embedded model, trained on
      asr train recipes/librispeech/lm.yaml                                     a language model
      accelerate launch --num_processes 2 -m asr train recipes/an4/las.yaml     two GPUs
      torchrun --nproc_per_node 2 -m asr train recipes/an4/las.yaml             two processes on CPUs
      tensorboard --logdir runs/
    """
    from asr.train.signals import signal_thread

    with signal_thread():  # before torch is imported
        _train(config, overrides, restart)


def _train(recipe: Path, overrides: list[str] | None, restart: bool) -> None:
    from asr.config import LMRecipe
    from asr.config_file import load_recipe

    settings = load_recipe(recipe, overrides)
    if isinstance(settings, LMRecipe):
        with err.status("starting …"):
            from asr.train.lm_trainer import LMTrainer

            lm_trainer = LMTrainer(settings, restart)
        folder = _run(lm_trainer)
        lm_trainer.journal.say(f"finished: {folder}\nnext: asr evaluate --language-model {folder} --lm-weight 0.5 --manifest FILE")
        return
    with err.status("starting …"):
        from asr.train.trainer import Trainer

        trainer = Trainer(settings, restart)
    folder = _run(trainer)
    trainer.journal.say(f"finished: {folder}\nnext: asr evaluate --model {folder} --manifest FILE")


def _run(trainer: Trainer | LMTrainer) -> Path:
    """Train to the end, or to where all processes are asked to stop. There they take leave of each other: one that merely exits may
    abort over the connection. One that fails leaves alone and at once."""
    from asr.train.session import Interrupted

    try:
        folder = trainer.run()
    except Interrupted:
        trainer.accelerator.end_training()
        raise
    trainer.accelerator.end_training()
    return folder


@speaks_plainly
def info(
    model: Annotated[Path | None, typer.Argument(help="Model folder; default: the one in the package.", show_default=False)] = None,
) -> None:
    """Show what a model is: its card, its size, its network.

    The size is that of all files in the folder. Parameters of a language model in it are counted apart: they are no part of the
    recogniser's network.

      asr info
      asr info runs/an4/model
    """
    from rich.markdown import Markdown

    from asr.config import EMBEDDED
    from asr.config_file import dump_config
    from asr.model.checkpoint import load_model
    from asr.terminal import harmless

    folder = model or EMBEDDED
    loaded = load_model(folder)
    parts = {name: _millions(part) for name, part in loaded.network.named_children()}
    if out.is_terminal:
        out.print(Markdown(harmless(loaded.card)))
    else:
        print(loaded.card)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
    shares = ", ".join(f"{name} {millions:.2f} M" for name, millions in parts.items() if millions)
    lm = f", language model {_millions(loaded.lm.network):.2f} M" if loaded.lm else ""
    parameters = f"{sum(parts.values()):.2f} M parameters ({shares}){lm}"
    out.print(f"{folder}: {size:.1f} MB, {parameters}, {len(loaded.tokenizer)} pieces\n", markup=False, soft_wrap=True)
    out.print(dump_config(loaded.config), markup=False)


def _millions(network: nn.Module) -> float:
    """its parameters"""
    return sum(p.numel() for p in network.parameters()) / 1e6
