"""`asr manifest split`: a manifest to train, dev and test parts."""

from __future__ import annotations

import shlex
import string
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from asr.cli.console import err, out, speaks_plainly

if TYPE_CHECKING:
    from asr.prepare.splitting import Split

LARGE_HOURS = 50  # from which on a large model from nothing is the one to begin with
FEWEST_PIECES = 128
EMBEDDED_WRITES = frozenset(string.ascii_uppercase + "' ")  # what the embedded model does


@speaks_plainly
def manifest_split(
    file: Annotated[Path, typer.Argument(help="A manifest (.json or .jsonl).", show_default=False)],
    by: Annotated[str, typer.Option(help="What stays together: speaker, any other key, or utterance.", metavar="KEY")] = "speaker",
    dev: Annotated[str, typer.Option(help="Share of the hours, hours (1.5h), or a number of utterances (200).", metavar="SIZE")] = "5%",
    test: Annotated[str, typer.Option(help="The same for test; 0 for none.", metavar="SIZE")] = "5%",
    seed: Annotated[int, typer.Option(help="Another seed, another choice.")] = 1,
    output: Annotated[Path | None, typer.Option(help="A folder for the parts.", show_default="beside the manifest")] = None,
    disjoint_texts: Annotated[
        bool, typer.Option("--disjoint-texts", help="Leave sentences out of train that dev or test have too (read prompts).")
    ] = False,
) -> None:
    """Part a manifest into train, dev and test that share no speaker.

    Writes FILE.train.json, FILE.dev.json and FILE.test.json. The choice depends on the speakers' names, how much each says, and
    the seed, not on the order of the lines; the test part stays the same whatever is asked for dev.

      asr manifest split data/cv.json --by speaker --dev 5% --test 5%
      asr manifest split data/cv.json --dev 200 --test 0 --disjoint-texts
    """
    from asr.prepare.splitting import Size, split_manifest

    sizes = Size.parse(dev, "--dev"), Size.parse(test, "--test")
    with err.status(f"splitting {file} …"):
        split = split_manifest(file, *sizes, by, seed, output, disjoint_texts)
    if split.without_key:
        err.print(f"warning: {split.without_key:,} utterances have no {by}: each of them was placed on its own", markup=False)
    _print_parts(split)
    if disjoint_texts:
        out.print(f"{split.repeated_texts:,} utterances left out of train: their sentences are in dev or test", markup=False)
    _print_next(split, file)


def _print_parts(split: Split) -> None:
    table = Table()
    for name in ("part", "utterances", "hours", "share", "speakers", "words"):
        table.add_column(name, justify="left" if name == "part" else "right", no_wrap=True)
    whole = sum(part.milliseconds for part in split.parts)
    for part in split.parts:
        hours, share = part.milliseconds / 3_600_000, 100 * part.milliseconds / max(1, whole)
        table.add_row(
            part.name, f"{part.utterances:,}", f"{hours:.2f}", f"{share:.1f} %", f"{len(part.speakers):,}", f"{part.words:,}"
        )  # fmt: skip
    out.print(table)
    for part in split.parts:
        out.print(str(part.path), markup=False)


def _print_next(split: Split, file: Path) -> None:
    paths = {part.name: str(part.path) for part in split.parts}
    if "dev" not in paths:
        return
    hours, letters = split.parts[0].milliseconds / 3_600_000, split.parts[0].characters
    if hours >= LARGE_HOURS:
        recipe = ["recipes/librispeech/100.yaml", "tokenizer.model=null"]
    else:  # the embedded model trained on; where it does not write such texts, its listener alone, with pieces for more than the letters
        recipe = ["recipes/finetune/las.yaml"]
        if not letters <= EMBEDDED_WRITES:
            pieces = max(FEWEST_PIECES, 2 * len(letters))
            recipe += ["train.start_with=listener", f"tokenizer.vocab_size={pieces}", "train.epochs=40", "train.learning_rate=1e-3"]
    words = [*recipe, f"data.train=[{paths['train']}]", f"data.dev=[{paths['dev']}]", f"output=runs/{file.stem}"]
    out.print("next: asr train " + " ".join(map(shlex.quote, words)), markup=False)
