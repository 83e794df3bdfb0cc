"""Corpora, folders and tables to manifests.

`CORPORA` lists the corpora of `asr prepare`, one module each. To add a corpus NAME:

1. Write `asr/prepare/NAME.py` with a function `prepare_NAME` that writes the manifests and returns a `Prepared`. Its parameters that are
   annotated with `typer.Option` become the options of `asr prepare NAME`; `data` and `output` are the usual two. Parameters named
   `progress` and `announce` receive a progress bar and a printer of messages. The module's docstring becomes the help text. `an4.py` is an
   example; `write_parts` and `write_problems` of `prepared.py` do most of the work.
2. Add NAME to `CORPORA` below.
3. Add a recipe, `recipes/NAME/las.yaml`, and name its command in `Prepared.next_command`.

A corpus in one of the layouts that `asr manifest from` reads (`source.py`) needs none of these.
"""

CORPORA = ("an4", "librispeech")
