"""The command line: one function a command, which parses, calls and prints.

Results go to standard output; progress, notes and errors to standard error. Exit codes: 0 all went well, 1 something
failed, 2 the request was wrong, 130 stopped by Ctrl-C (`asr train`: or SIGTERM).
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from typing import Annotated

import typer

from asr.cli import evaluate, manifest, prepare, score, serve, train, transcribe
from asr.version import version

HELP = """Listen, Attend and Spell: transcribe recordings, train recognisers, measure word error rates.

[bold]Examples[/bold]

  asr transcribe talk.flac                      the text of a recording
  asr prepare an4 --data an4/                   manifests of a corpus
  asr train recipes/an4/las.yaml                the same again after a stop
  asr evaluate --model runs/an4/model --manifest data/an4/test.json
  asr score references.json ours.json theirs.trn --report report/
  asr serve                                     OpenAI's audio API, and a page
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
for command in (transcribe.transcribe, evaluate.evaluate, score.score, train.train, train.info, serve.serve):
    app.command()(command)
app.add_typer(manifest.app, name="manifest")
app.add_typer(prepare.app, name="prepare")


def _version(asked: bool) -> None:
    if asked:
        print(f"las-asr {version()}")
        raise typer.Exit


@app.callback()
def _asr(
    asked: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of `asr`."""
    _write_any_character()
    app()


def _write_any_character() -> None:
    """Let what a terminal's encoding lacks, say in a file's name, be written as JSON escapes it (\\u00e9): so JSON stays JSON."""
    codecs.register_error("json", _json_escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not None, as where it was closed before we began
            stream.reconfigure(errors="json")


def _json_escape(e: UnicodeError) -> tuple[str, int]:
    if not isinstance(e, UnicodeEncodeError):
        raise e
    return json.dumps(e.object[e.start : e.end])[1:-1], e.end
