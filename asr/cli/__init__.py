"""The command line: one function for each command, which parses, calls and prints. Only `asr.__main__` imports it.

Results go to standard output; progress, notes and errors to standard error. Exit codes: 0 success, 1 failure, 2 wrong usage, 130 stopped by
Ctrl-C (`asr train`: or SIGTERM).
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from asr.cli import evaluate, manifest, prepare, score, serve, train, transcribe
from asr.console import err, one_line_errors
from asr.terminal import escape_controls, one_line
from asr.version import version as installed_version

HELP = """Listen, Attend and Spell: transcribe recordings, train recognisers, measure word error rates.

[bold]Examples[/bold]

  asr transcribe talk.flac                      the text of a recording
  asr prepare an4 --data an4/                   manifests of a corpus
  asr train recipes/an4/las.yaml                the same command resumes a stopped run
  asr evaluate --model runs/an4/model --manifest data/an4/test.json
  asr score references.json ours.json theirs.trn --report report/
  asr serve                                     OpenAI's audio API, and a page
"""


class _SafeGroup(TyperGroup):
    """A group whose usage errors cannot steer the terminal: they quote arguments, which can hold escape sequences."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _escaped_usage_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _escaped_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _escaped_usage_errors() -> Iterator[None]:
    try:
        yield
    except Exception as e:
        message = getattr(e, "message", None)  # of click's exceptions, which Typer has a copy of
        if isinstance(message, str) and err.is_terminal:
            e.message = one_line(escape_controls(message))  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    cls=_SafeGroup, help=HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False
)
for command in (transcribe.transcribe, evaluate.evaluate, score.score, train.train, train.info, serve.serve):
    app.command()(command)
app.add_typer(manifest.app, name="manifest")
app.add_typer(prepare.app, name="prepare")


def _print_version(requested: bool) -> None:
    if requested:
        print(f"las-asr {installed_version()}")
        raise typer.Exit


@app.callback()
def _asr(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    pass


@one_line_errors
def main() -> None:
    """Run the command line: the entry point of `asr`."""
    _escape_unencodable()
    app()


def _escape_unencodable() -> None:
    """Write characters that the encoding of the terminal lacks as JSON escapes them (\\u00e9), so that JSON stays valid."""
    codecs.register_error("json", _json_escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None if it was closed before the program started
            stream.reconfigure(errors="json")


def _json_escape(e: UnicodeError) -> tuple[str, int]:
    if not isinstance(e, UnicodeEncodeError):
        raise e
    return json.dumps(e.object[e.start : e.end])[1:-1], e.end
