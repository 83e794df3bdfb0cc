"""`asr train` and `asr info`: train models and describe them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.console import err, one_line_errors, out, print_line

if TYPE_CHECKING:
    from torch import nn

    from asr.model.checkpoint import TrainedModel
    from asr.train.lm_trainer import LMTrainer
    from asr.train.restorer_trainer import RestorerTrainer
    from asr.train.trainer import Trainer


@one_line_errors
def train(
    config: Annotated[Path, typer.Argument(help="The recipe (YAML).", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="Override keys of the recipe.", show_default=False)
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Delete the run in the output folder and start again.")] = False,
) -> None:
    """Train a recogniser, a language model or a text restorer, or resume a run that was stopped.

    The folder `output` receives checkpoints, the tokenizer, TensorBoard curves, and at the end `model/`, for `asr transcribe --model`.
    Ctrl-C writes a checkpoint, from which the same command resumes. A second Ctrl-C stops at once.

      asr train recipes/an4/las.yaml
      asr train recipes/an4/las.yaml train.epochs=20 model.ctc_weight=0 decode.ctc_weight=0 output=runs/no-ctc
      asr train recipes/finetune/las.yaml                                       fine-tune the bundled model
      asr train recipes/librispeech/lm.yaml                                     a language model
      asr train recipes/text/restore.yaml                                       capitals and punctuation
      accelerate launch --num_processes 2 -m asr train recipes/an4/las.yaml     two GPUs
      torchrun --nproc_per_node 2 -m asr train recipes/an4/las.yaml             two processes on CPUs
      tensorboard --logdir runs/
    """
    from asr.train.signals import signal_thread

    with signal_thread():  # before torch is imported
        _train(config, overrides, restart)


def _train(recipe: Path, overrides: list[str] | None, restart: bool) -> None:
    from asr.config import LMRecipe, RestorerRecipe
    from asr.config_file import load_recipe

    settings = load_recipe(recipe, overrides)
    if isinstance(settings, LMRecipe):
        with err.status("starting …"):
            from asr.train.lm_trainer import LMTrainer

            lm_trainer = LMTrainer(settings, restart)
        folder = _run(lm_trainer)
        lm_trainer.journal.say(f"finished: {folder}\nnext: asr evaluate --language-model {folder} --lm-weight 0.5 --manifest FILE")
        return
    if isinstance(settings, RestorerRecipe):
        with err.status("starting …"):
            from asr.train.restorer_trainer import RestorerTrainer

            restorer_trainer = RestorerTrainer(settings, restart)
        folder = _run(restorer_trainer)
        restorer_trainer.journal.say(f"finished: {folder}\nnext: copy it into a recogniser's folder as text/")
        return
    with err.status("starting …"):
        from asr.train.trainer import Trainer

        trainer = Trainer(settings, restart)
    folder = _run(trainer)
    trainer.journal.say(f"finished: {folder}\nnext: asr evaluate --model {folder} --manifest FILE")


def _run(trainer: Trainer | LMTrainer | RestorerTrainer) -> Path:
    """Train until the end or an interruption, and then end the process group: a process that only exits may abort the others.

    A process that fails exits at once.
    """
    from asr.train.session import Interrupted

    try:
        folder = trainer.run()
    except Interrupted:
        trainer.accelerator.end_training()
        raise
    trainer.accelerator.end_training()
    return folder


@one_line_errors
def info(
    model: Annotated[Path | None, typer.Argument(help="Model folder; default: the bundled model.", show_default=False)] = None,
    card: Annotated[bool, typer.Option("--card", help="Print the whole model card.")] = False,
    config: Annotated[bool, typer.Option("--config", help="Print the whole config, as YAML.")] = False,
) -> None:
    """Describe a model in ten lines: language, network, search, and the error rates on its card.

    The size is that of all files in the folder. The parameters of the listener, the speller and the CTC head are counted separately,
    and so are those of a language model.

      asr info
      asr info runs/an4/model --card
    """
    from rich.markdown import Markdown

    from asr.config import EMBEDDED
    from asr.config_file import dump_config
    from asr.model.checkpoint import load_model
    from asr.terminal import escape_controls

    folder = model or EMBEDDED
    loaded = load_model(folder)
    if card:
        if out.is_terminal:
            out.print(Markdown(escape_controls(loaded.card)))
        else:
            print(loaded.card)
    if config:
        out.print(dump_config(loaded.config), end="")
    if not card and not config:
        for name, value in _summary(folder, loaded):
            print_line(f"{name:<15} {value}")


def _summary(folder: Path, model: TrainedModel) -> Iterator[tuple[str, str]]:
    """Yield names and values of the lines that describe a model."""
    network, search, frontend = model.config.model, model.config.decode, model.config.model.frontend
    megabytes = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
    parts = {name: _millions(part) for name, part in model.network.named_children()}
    yield "model", f"{folder}, {megabytes:.1f} MB"
    yield "language", f"{model.config.language}, {len(model.tokenizer)} tokens"
    yield "input", f"{frontend.sample_rate / 1000:g} kHz, {frontend.mels} mel bands to {frontend.high_hz:g} Hz"
    yield "network", f"listener {network.listener.description}; attention: {network.attention.kind}"
    shares = ", ".join(f"{name} {millions:.2f} M" for name, millions in parts.items() if millions)
    yield "parameters", f"{sum(parts.values()):.2f} M ({shares})"
    yield "language model", f"{_millions(model.lm.network):.2f} M parameters" if model.lm else "none"
    lm = f", language model {search.lm_weight:g}" if model.lm else ""
    yield "search", f"beam {search.beam}, weights: CTC {search.ctc_weight:g}{lm}"
    for name, value in re.findall(r"^\| ([\w-]+ WER) \| (.*?) *\|$", model.card, re.MULTILINE)[:2]:
        yield name, value.split(";")[0]
    yield "more", "--card prints the model card, --config the config"


def _millions(network: nn.Module) -> float:
    """Return the number of parameters in millions."""
    return sum(p.numel() for p in network.parameters()) / 1e6
