"""`asr prepare`: manifests out of corpora."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from asr.cli.console import err, out, progress_bar, speaks_plainly
from asr.errors import UsageError

if TYPE_CHECKING:
    from asr.prepare.librispeech import Subset

app = typer.Typer(help="Make manifests out of a corpus.", no_args_is_help=True)


@app.command("an4")
@speaks_plainly
def an4(
    data: Annotated[Path, typer.Option(help="The unpacked corpus: the folder that holds `etc` and `wav`.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Where to write the manifests.")] = Path("data/an4"),
) -> None:
    """CMU AN4: 948 utterances to train on, 130 to test on (spelled names, numbers, dates).

    Writes train.json and dev.json (speakers kept apart), train_all.json (both), and test.json. They name the recordings where they
    lie; nothing is copied.

      asr prepare an4 --data an4/ --output data/an4
    """
    from asr.prepare.an4 import prepare_an4 as prepare

    with err.status("reading the corpus …"):
        prepared = prepare(data, output)
    for problem in prepared.problems:
        err.print(f"left out: {problem}", markup=False)
    for name, count in prepared.utterances.items():
        out.print(f"{output / name}: {count} utterances", markup=False)
    where = "" if output == Path("data/an4") else f" data.train=[{output}/train.json] data.dev=[{output}/dev.json]"
    out.print(f"next: asr train recipes/an4/las.yaml{where}", markup=False)
    if prepared.problems:
        raise typer.Exit(1)


@app.command("librispeech")
@speaks_plainly
def librispeech(
    data: Annotated[Path, typer.Option(help="The folder that holds `LibriSpeech`, or is to hold it.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Where to write manifests and tokens.")] = Path("data/librispeech"),
    subsets: Annotated[
        list[str] | None, typer.Option(help="These alone, parted by commas.", show_default="all that are there", metavar="NAME,…")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch the subsets that are not there.")] = False,
    vocab_size: Annotated[int, typer.Option(min=4, help="Pieces of the token model.")] = 256,
    text: Annotated[
        list[Path] | None, typer.Option(help="More text to learn pieces from (.txt, .txt.gz); again for another.", show_default=False)
    ] = None,
) -> None:
    """LibriSpeech: 960 hours of novels, read aloud. A part of it will do, in any audio format.

    Its subsets: train-clean-100, train-clean-360, train-other-500, dev-clean, dev-other, test-clean, test-other.

    Writes a manifest for each, statistics.json, and from the transcripts of the training subsets the token model unigramN.model.
    What is missing or damaged is left out, and told in problems.txt.

      asr prepare librispeech --data data/
      asr prepare librispeech --data data/ --subsets dev-clean --download
      asr prepare librispeech --data data/ --vocab-size 5000 --text lm.txt.gz
    """
    from asr.prepare.librispeech import check_names
    from asr.prepare.librispeech import prepare_librispeech as prepare
    from asr.prepare.librispeech_download import download_librispeech
    from asr.prepare.tokens import check_texts, sample_text, train_token_model

    names = [name.strip() for several in subsets or [] for name in several.split(",") if name.strip()]
    check_names(names)
    check_texts(text or [])
    if download:
        if not names:
            raise UsageError("--download: say which subsets: --subsets train-clean-100,dev-clean")
        for name, gigabytes in download_librispeech(data, names):
            err.print(f"{name}: " + (f"fetching {gigabytes:g} GB, then unpacking …" if gigabytes else "unpacking …"), markup=False)
    found = prepare(data, output, names, progress_bar)
    _print_subsets(found, output)
    trained_on = [s for s in found if s.is_for_training and s.utterances]
    if trained_on:
        tokens = output / f"unigram{vocab_size}.model"
        lines = [u.text or "" for s in trained_on for u in s.utterances] + sample_text(text or [], progress_bar)
        with err.status(f"learning {vocab_size} pieces from {len(lines):,} lines …"):
            tokenizer = train_token_model(tokens, lines, vocab_size)
        out.print(f"{tokens}: {len(tokenizer)} pieces", markup=False)
    problems = [problem for s in found for problem in s.problems]
    for problem in problems[:5]:
        err.print(f"left out: {problem}", markup=False)
    if problems:
        err.print(f"{len(problems)} left out in all; {output / 'problems.txt'} lists them", markup=False)
    _print_next(found, output, vocab_size)
    if problems:
        raise typer.Exit(1)


def _print_subsets(found: list[Subset], output: Path) -> None:
    table = Table(title="LibriSpeech", title_justify="left", title_style="")
    for name in ("subset", "utterances", "hours", "speakers", "women", "men", "words"):
        table.add_column(name, justify="left" if name == "subset" else "right", no_wrap=True)
    for s in found:
        counts = (sum(s.genders.values()), s.genders.get("F", 0), s.genders.get("M", 0), s.words)
        table.add_row(s.name, f"{len(s.utterances):,}", f"{s.hours:.2f}", *(f"{count:,}" for count in counts))
    out.print(table)
    for s in found:
        whole = "the whole" if len(s.utterances) == s.official else "a part"
        place = output / f"{s.name}.json" if s.utterances else f"{s.name}, no manifest"
        out.print(f"{place}: {len(s.utterances):,} of {s.official:,} utterances: {whole}", markup=False)


def _print_next(found: list[Subset], output: Path, vocab_size: int) -> None:
    """The command that uses what was prepared, with what the recipe cannot know."""
    train = [f"{output}/{s.name}.json" for s in found if s.is_for_training and s.utterances]
    others = [f"{output}/{s.name}.json" for s in found if not s.is_for_training and s.utterances]
    if train:
        recipe, pieces = ("960", 5000) if len(train) == 3 else ("100", 256)
        usual_data = output == Path("data/librispeech") and (len(train) == 3 or train == [f"{output}/train-clean-100.json"])
        where = "" if usual_data else f" data.train=[{','.join(train)}] data.dev=[{output}/dev-clean.json]"
        if not usual_data or vocab_size != pieces:
            where += f" tokenizer.vocab_size={vocab_size} tokenizer.model={output}/unigram{vocab_size}.model"
        out.print(f"next: asr train recipes/librispeech/{recipe}.yaml{where}", markup=False)
        if not (output / "dev-clean.json").is_file():
            err.print("the recipes choose the best checkpoint on dev-clean, which is not here yet", markup=False)
    elif others:
        out.print(f"next: asr evaluate --manifest {others[0]}", markup=False)
