"""`asr train` and `asr info`: train models and describe them."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.search import announced
from asr.console import err, one_line_errors, out, print_line
from asr.errors import AsrError, ModelError, UsageError
from asr.terminal import escape_controls, one_line

if TYPE_CHECKING:
    from torch import nn

    from asr.model.checkpoint import TrainedLM, TrainedModel
    from asr.readable.restorer import TrainedRestorer
    from asr.train.lm_trainer import LMTrainer
    from asr.train.restorer_trainer import RestorerTrainer
    from asr.train.trainer import Trainer

USES = {
    "recogniser": "transcribe FILE --model",
    "language_model": "evaluate --manifest FILE --language-model",
    "text_restorer": "transcribe FILE --restorer",
}
"""Commands that use a model, by its kind."""


@one_line_errors
def train(
    config: Annotated[Path, typer.Argument(help="The recipe (YAML).", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="Override keys of the recipe.", show_default=False)
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Delete the run in the output folder and start again.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Write the model of a stopped run, without training on.")] = False,
) -> None:
    """Train a recogniser, a language model or a text restorer, or resume a run that was stopped.

    The folder `output` receives checkpoints, the tokenizer, TensorBoard curves, and at the end `model/`, for `asr transcribe --model`.
    Ctrl-C writes a checkpoint, from which the same command resumes. A second Ctrl-C stops at once, and keeps the last checkpoint.
    `--finish` makes a model of what is done. A resumed run may have a higher limit (train.epochs, train.minutes, train.steps).

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
        _train(config, overrides, restart, finish)


def _train(recipe: Path, overrides: list[str] | None, restart: bool, finish: bool) -> None:
    from asr.config import LMRecipe, RestorerRecipe
    from asr.config_file import load_recipe

    if "=" in str(recipe) and not recipe.exists():
        raise UsageError(f"{recipe}: expected a recipe before its overrides: asr train RECIPE {shlex.quote(str(recipe))}")
    settings = load_recipe(recipe, overrides)
    arguments = ["train", str(recipe), *(overrides or [])]
    if isinstance(settings, LMRecipe):
        with err.status("starting …"):
            from asr.train.lm_trainer import LMTrainer

            _report_stops(settings.output, arguments)
            lm_trainer = LMTrainer(settings, restart, finish)
        folder = _run(lm_trainer, arguments)
        use = f"evaluate --language-model {shlex.quote(str(folder))} --lm-weight 0.5 --manifest FILE"
        lm_trainer.journal.say(f"finished: {folder}\nnext: {_program()} {use}")
        return
    if isinstance(settings, RestorerRecipe):
        with err.status("starting …"):
            from asr.train.restorer_trainer import RestorerTrainer

            _report_stops(settings.output, arguments)
            restorer_trainer = RestorerTrainer(settings, restart, finish)
        folder = _run(restorer_trainer, arguments)
        use = f"transcribe FILE --restorer {shlex.quote(str(folder))}"
        restorer_trainer.journal.say(f"finished: {folder}\nnext: {_program()} {use}")
        return
    with err.status("starting …"):
        from asr.train.trainer import Trainer

        _report_stops(settings.output, arguments)
        trainer = Trainer(settings, restart, finish)
    folder = _run(trainer, arguments)
    trainer.journal.say(f"finished: {folder}\nnext: {_program()} evaluate --model {shlex.quote(str(folder))} --manifest FILE")


def _program() -> str:
    """Return how `asr` is started, for a shell."""
    from asr.train.command import own_prefix

    return shlex.join(own_prefix())


def _run(trainer: Trainer | LMTrainer | RestorerTrainer, arguments: list[str]) -> Path:
    """Train until the end or an interruption, and then end the process group: a process that only exits may abort the others.

    A process that fails exits at once. A run that stops prints its error, and the commands that use what it has.

    Args:
        trainer: The run.
        arguments: The recipe and its overrides, as arguments of `asr`.
    """
    from asr.train.session import Interrupted

    folder, is_resumable = Path(), True

    @one_line_errors
    def run() -> None:
        nonlocal folder, is_resumable
        try:
            folder = trainer.run()
        except ModelError:  # its checkpoints are damaged
            is_resumable = False
            raise
        except Interrupted as e:
            trainer.accelerator.end_training()
            if not trainer.accelerator.is_main_process:  # rank 0 prints the error
                raise SystemExit(e.exit_code) from None
            raise
        trainer.accelerator.end_training()

    try:
        run()
    except SystemExit:
        if trainer.accelerator.is_main_process:
            for line in _next_steps(trainer.folder, arguments, is_resumable):
                trainer.journal.say(line)
        raise
    return folder


def _report_stops(run: Path, arguments: list[str]) -> None:
    """Make a signal that ends the process at once print which checkpoint is kept, and the commands that use it."""
    import asr.train.command  # noqa: F401 - must be imported before a signal
    from asr.train.folder import kept_checkpoint
    from asr.train.signals import report_at_exit

    def lines() -> Iterator[str]:
        yield f"error: stopped; {kept_checkpoint(run)}"
        yield from _next_steps(run, arguments)

    report_at_exit(lambda: [one_line(escape_controls(line)) for line in lines()])


def _next_steps(run: Path, arguments: list[str], is_resumable: bool = True) -> Iterator[str]:
    """Yield the commands that use a stopped run, if it has a checkpoint."""
    from asr.config_file import described_kind
    from asr.model.run_folder import find_model
    from asr.train.command import command_again
    from asr.train.folder import has_checkpoint

    if not has_checkpoint(run):
        return
    if is_resumable:
        yield f"resume:           {command_again(arguments)}"
        yield f"write its model:  {command_again([*arguments, '--finish'])}"
    with contextlib.suppress(AsrError):  # no evaluation yet
        find_model(run)
        use = USES[described_kind(run / "config.yaml")]
        yield f"use the best:     {_program()} {use} {shlex.quote(str(run))}"


@one_line_errors
def info(
    model: Annotated[Path | None, typer.Argument(help="Model folder; default: the bundled model.", show_default=False)] = None,
    card: Annotated[bool, typer.Option("--card", help="Print the whole model card.")] = False,
    config: Annotated[bool, typer.Option("--config", help="Print the whole config, as YAML.")] = False,
) -> None:
    """Describe a model in a few lines: language, network, search, and the error rates on its card.

    The size is that of all files in the folder. The parameters of the listener, the speller and the CTC head are counted separately,
    and so are those of a language model. A language model or a text restorer is described by its network and its dev figures.

      asr info
      asr info runs/an4/model --card
      asr info runs/lm
    """
    from rich.markdown import Markdown

    from asr.config import EMBEDDED
    from asr.config_file import described_kind, dump_config
    from asr.model.checkpoint import CONFIG, load_lm, load_model
    from asr.readable.restorer import load_restorer

    folder = announced(model) if model else EMBEDDED
    kind = described_kind(folder / CONFIG) if (folder / CONFIG).is_file() else "recogniser"
    loaders: dict[str, Callable[[Path], TrainedModel | TrainedLM | TrainedRestorer]]
    loaders = {"recogniser": load_model, "language_model": load_lm, "text_restorer": load_restorer}
    loaded = loaders[kind](folder)
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


def _summary(folder: Path, model: TrainedModel | TrainedLM | TrainedRestorer) -> Iterator[tuple[str, str]]:
    """Yield names and values of the lines that describe a model."""
    from asr.model.checkpoint import TrainedModel

    megabytes = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
    yield "model", f"{folder}, {megabytes:.1f} MB"
    yield from _recogniser_summary(folder, model) if isinstance(model, TrainedModel) else _text_model_summary(model)
    yield "more", "--card prints the model card, --config the config"


def _text_model_summary(model: TrainedLM | TrainedRestorer) -> Iterator[tuple[str, str]]:
    yield "kind", f"{model.config.kind.replace('_', ' ')}, {len(model.tokenizer)} tokens"
    yield "parameters", f"{_millions(model.network):.2f} M"
    yield from re.findall(r"^\| (network|dev [\w -]+) \| (.*?) *\|$", model.card, re.MULTILINE)


def _recogniser_summary(folder: Path, model: TrainedModel) -> Iterator[tuple[str, str]]:
    from asr.readable.restorer import find_restorer

    network, search, frontend = model.config.model, model.config.decode, model.config.model.frontend
    parts = {name: _millions(part) for name, part in model.network.named_children()}
    yield "language", f"{model.config.language}, {len(model.tokenizer)} tokens"
    yield "input", f"{frontend.sample_rate / 1000:g} kHz, {frontend.mels} mel bands to {frontend.high_hz:g} Hz"
    yield "network", f"listener {network.listener.description}; attention: {network.attention.kind}"
    shares = ", ".join(f"{name} {millions:.2f} M" for name, millions in parts.items() if millions)
    yield "parameters", f"{sum(parts.values()):.2f} M ({shares})"
    yield "language model", f"{_millions(model.lm.network):.2f} M parameters" if model.lm else "none"
    lm = f", language model {search.lm_weight:g}" if model.lm else ""
    restorer = find_restorer(folder)
    yield "text restorer", f"{_millions(restorer.network):.2f} M parameters" if restorer else "none: texts are as the model writes them"
    yield "search", f"beam {search.beam}, weights: CTC {search.ctc_weight:g}{lm}"
    for name, value in re.findall(r"^\| ([\w-]+ WER) \| (.*?) *\|$", model.card, re.MULTILINE)[:2]:
        yield name, value.split(";")[0]


def _millions(network: nn.Module) -> float:
    """Return the number of parameters in millions."""
    return sum(p.numel() for p in network.parameters()) / 1e6
