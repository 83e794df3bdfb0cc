"""`asr prepare CORPUS`: manifests of a corpus, one command for each module that `asr.prepare.CORPORA` names."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Annotated, Any, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from asr.cli.summary import print_prepared
from asr.console import one_line_errors, print_note, progress_bar


class _Corpora(TyperGroup):
    """A group of commands that are made when they are used: `asr --help` imports no corpus."""

    def list_commands(self, ctx: Any) -> list[str]:
        from asr.prepare import CORPORA

        return list(CORPORA)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from asr.prepare import CORPORA

        return _command(cmd_name) if cmd_name in CORPORA else None


app = typer.Typer(help="Make the manifests of a corpus.", no_args_is_help=True, cls=_Corpora)
app.callback()(lambda: None)


def _command(name: str) -> TyperCommand:
    """Make the command of a corpus from `prepare_NAME` in `asr/prepare/NAME.py`, and its help from the module's docstring."""
    module = import_module(f"asr.prepare.{name}")
    prepare = getattr(module, f"prepare_{name}")
    parameters = inspect.signature(prepare, eval_str=True).parameters
    displays = {key: value for key, value in {"progress": progress_bar, "announce": print_note}.items() if key in parameters}

    @one_line_errors
    def run(**options: Any) -> None:
        print_prepared(prepare(**options, **displays), options["data"])

    options = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters.values() if get_origin(p.annotation) is Annotated]
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    command = typer.Typer(add_completion=False, rich_markup_mode="rich")
    command.command(name, help=inspect.getdoc(module))(run)
    return typer.main.get_command(command)  # type: ignore[return-value]
