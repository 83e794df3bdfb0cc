"""`asr manifest`: manifests looked at; made and parted in `manifest_from.py` and `manifest_split.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from asr.cli.console import err, out, speaks_plainly
from asr.cli.manifest_from import manifest_from
from asr.cli.manifest_split import manifest_split
from asr.terminal import print_result

app = typer.Typer(help="Make and look at manifests: files that list utterances, one JSON object a line.", no_args_is_help=True)
app.command("from")(manifest_from)
app.command("split")(manifest_split)
ManifestArgument = Annotated[Path, typer.Argument(help="A manifest (.json or .jsonl).", show_default=False)]


@app.command("check")
@speaks_plainly
def check(
    file: ManifestArgument,
    headers_only: Annotated[bool, typer.Option("--headers-only", help="Read the headers of recordings, and decode nothing.")] = False,
) -> None:
    """Find every line of a manifest that cannot be used, and say why.

    Recordings are decoded, so damaged and truncated ones are found, and lengths and places in them are checked. --headers-only
    takes a hundredth of the time, and finds no damage after the headers. The exit code is 1 if a line cannot be used. Lines of which
    at most 0.25 s of sound are missing are printed, and still used.

      asr manifest check data/an4/train.json
    """
    from asr.speech.checking import check_manifest

    with err.status(f"checking {file} …"):
        report = check_manifest(file, headers_only)
    for problem in report.problems:
        print_result(problem)
    for note in report.notes:
        print_result(f"{note} (still used)")
    used = f", {len(report.notes)} with a little sound missing" if report.notes else ""
    out.print(f"{file}: {report.utterances} utterances, {report.hours:.2f} h, {len(report.problems)} problems{used}", markup=False)
    if report.problems:
        raise typer.Exit(1)


@app.command("stats")
@speaks_plainly
def stats(file: ManifestArgument) -> None:
    """Count a manifest: utterances, hours, speakers, words, lengths.

    Lengths that the manifest does not give are read from the recordings' headers. The last lines count the utterances by their
    length.

      asr manifest stats data/an4/train.json
    """
    from asr.speech.manifest import manifest_stats as measure

    with err.status(f"reading {file} …"):
        stats = measure(file)
    table = Table(title=str(file), title_justify="left", title_style="", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = {
        "utterances": f"{stats.utterances}",
        "hours": f"{stats.hours:.2f}",
        "speakers": f"{stats.speakers}",
        "words": f"{stats.words}",
        "different words": f"{stats.distinct_words}",
        "characters": f"{stats.characters}",
        "seconds, shortest": f"{stats.min_seconds:.2f}",
        "seconds, median": f"{stats.median_seconds:.2f}",
        "seconds, mean": f"{stats.mean_seconds:.2f}",
        "seconds, longest": f"{stats.max_seconds:.2f}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    out.print(table)
    most = max((count for _, _, count in stats.histogram), default=0)
    for low, high, count in stats.histogram:
        out.print(f"{low:6.1f} to {high:5.1f} s  {'█' * round(40 * count / most) if most else ''} {count}", markup=False)
