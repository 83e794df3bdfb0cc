"""`asr manifest`: check and count manifests. `manifest_from.py` makes them and `manifest_split.py` splits them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.manifest_from import manifest_from
from asr.cli.manifest_split import manifest_split
from asr.cli.summary import print_table
from asr.console import err, one_line_errors, print_line
from asr.terminal import one_line, print_result

app = typer.Typer(help="Make, split and check manifests: files that list utterances, one JSON object a line.", no_args_is_help=True)
app.command("from")(manifest_from)
app.command("split")(manifest_split)
ManifestArgument = Annotated[Path, typer.Argument(help="A manifest (.json or .jsonl).", show_default=False)]


@app.command("check")
@one_line_errors
def check(
    file: ManifestArgument,
    headers_only: Annotated[bool, typer.Option("--headers-only", help="Read only the headers of the recordings.")] = False,
) -> None:
    """Report every line of a manifest that cannot be used.

    Recordings are decoded, so that damage is found, and offsets and durations are checked. --headers-only is a hundred times faster,
    and finds no damage after the headers. The exit code is 1 if a line cannot be used. Lines that lack at most 0.25 s of sound are
    printed, and still used.

      asr manifest check data/an4/train.json
    """
    from asr.speech.checking import check_manifest

    with err.status(f"checking {file} …"):
        report = check_manifest(file, headers_only)
    for problem in report.problems:
        print_result(one_line(problem))
    for note in report.notes:
        print_result(one_line(f"{note} (still used)"))
    used = f", {len(report.notes)} with a little sound missing" if report.notes else ""
    print_line(f"{file}: {report.utterances} utterances, {report.hours:.2f} h, {len(report.problems)} problems{used}")
    if report.problems:
        raise typer.Exit(1)


@app.command("stats")
@one_line_errors
def stats(file: ManifestArgument) -> None:
    """Count the utterances, hours, speakers and words of a manifest.

    Durations that the manifest lacks are read from the headers of the recordings. The last lines are a histogram of the durations, with
    the number of utterances in each interval.

      asr manifest stats data/an4/train.json
    """
    from asr.speech.manifest import manifest_stats

    with err.status(f"reading {file} …"):
        stats = manifest_stats(file)
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
    print_table(str(file), (), list(rows.items()))
    most = max((count for _, _, count in stats.histogram), default=0)
    for low, high, count in stats.histogram:
        print_line(f"{low:6.1f} to {high:5.1f} s  {'█' * round(40 * count / most) if most else ''} {count}")
