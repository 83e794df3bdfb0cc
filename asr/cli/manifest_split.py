"""`asr manifest split`: a manifest to train, dev and test parts."""

from __future__ import annotations

import shlex
import string
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.summary import print_table
from asr.console import err, one_line_errors, print_line, print_note

if TYPE_CHECKING:
    from asr.prepare.splitting import Split

LARGE_HOURS = 50  # from this size, the suggested recipe trains from scratch
FEWEST_PIECES = 128
BUNDLED_CHARACTERS = frozenset(string.ascii_uppercase + "' ")  # the output of the bundled model


@one_line_errors
def manifest_split(
    file: Annotated[Path, typer.Argument(help="A manifest (.json or .jsonl).", show_default=False)],
    by: Annotated[
        str, typer.Option(help="Keep utterances of one speaker, or of another key, together; utterance for none.", metavar="KEY")
    ] = "speaker",
    dev: Annotated[
        str, typer.Option(help="Size of dev: a share of the hours, hours (1.5h), or a number of utterances (200).", metavar="SIZE")
    ] = "5%",
    test: Annotated[str, typer.Option(help="Size of test, in the same way; 0 for none.", metavar="SIZE")] = "5%",
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 1,
    output: Annotated[Path | None, typer.Option(help="Write the parts into this folder.", show_default="beside the manifest")] = None,
    disjoint_texts: Annotated[
        bool, typer.Option("--disjoint-texts", help="Leave utterances out of train whose sentence is also in dev or test.")
    ] = False,
) -> None:
    """Split a manifest into train, dev and test that share no speaker.

    Writes FILE.train.json, FILE.dev.json and FILE.test.json. The choice depends on the speakers' names and hours and on the seed, not
    on the order of the lines. The test part does not depend on the size of dev.

      asr manifest split data/cv.json --by speaker --dev 5% --test 5%
      asr manifest split data/cv.json --dev 200 --test 0 --disjoint-texts
    """
    from asr.prepare.splitting import Size, split_manifest

    sizes = Size.parse(dev, "--dev"), Size.parse(test, "--test")
    with err.status(f"splitting {file} …"):
        split = split_manifest(file, *sizes, by, seed, output, disjoint_texts)
    if split.without_key:
        print_note(f"warning: {split.without_key:,} utterances have no {by}: each is a group of its own")
    _print_parts(split)
    if disjoint_texts:
        print_line(f"{split.repeated_texts:,} utterances left out of train: their sentences are in dev or test")
    _print_next(split, file)


def _print_parts(split: Split) -> None:
    total = sum(part.milliseconds for part in split.parts)
    rows = []
    for part in split.parts:
        share = 100 * part.milliseconds / max(1, total)
        rows.append(
            (part.name, f"{part.utterances:,}", f"{part.hours:.2f}", f"{share:.1f} %", f"{len(part.speakers):,}", f"{part.words:,}")
        )
    print_table("", ("part", "utterances", "hours", "share", "speakers", "words"), rows)
    for part in split.parts:
        print_line(str(part.manifest))


def _print_next(split: Split, file: Path) -> None:
    """Print the command that trains on the parts.

    A small corpus continues from the bundled model, or, if its texts need other characters, from the listener alone with new pieces.
    """
    manifests = {part.name: str(part.manifest) for part in split.parts}
    if "dev" not in manifests:
        return
    train = split.parts[0]
    if train.hours >= LARGE_HOURS:
        recipe = ["recipes/librispeech/100.yaml", "tokenizer.model=null"]
    else:
        recipe = ["recipes/finetune/las.yaml"]
        if not train.characters <= BUNDLED_CHARACTERS:
            pieces = max(FEWEST_PIECES, 2 * len(train.characters))
            recipe += ["train.start_with=listener", f"tokenizer.vocab_size={pieces}", "train.epochs=40", "train.learning_rate=1e-3"]
    words = [*recipe, f"data.train=[{manifests['train']}]", f"data.dev=[{manifests['dev']}]", f"output=runs/{file.stem}"]
    print_line("next: asr train " + " ".join(map(shlex.quote, words)))
