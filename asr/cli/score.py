"""`asr score`: error rates of any system, and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.console import err, one_line_errors, out, print_error, print_line, print_note

if TYPE_CHECKING:
    from asr.score.evaluation import Evaluation

ReportOption = Annotated[
    Path | None,
    typer.Option(
        help="Write report.json, .md, .html and .csv into a folder, or one of them by its ending.",
        show_default=False,
        metavar="FOLDER|FILE",
    ),
]
ByOption = Annotated[
    list[str] | None,
    typer.Option(help="Show error rates by a key of the manifest, duration or length; repeat for more.", show_default=False),
]
NormalizerOption = Annotated[
    str, typer.Option(help="Normalise both sides first: none, librispeech, whisper-en, or a YAML file.", metavar="NAME|FILE")
]
FailAboveOption = Annotated[float | None, typer.Option(min=0, help="Exit with 1 if the WER is above this (%).", show_default=False)]


FormatOption = Annotated[
    str | None, typer.Option(help="Format of the file: json, trn, stm, srt, … (see docs/text-formats.md).", show_default="detected")
]
KeyOption = Annotated[str | None, typer.Option(help="Read the text from this key or column.", show_default="text, pred_text, …")]


@one_line_errors
def score(
    reference: Annotated[Path, typer.Argument(help="Reference transcripts; - for standard input.", show_default=False)],
    hypotheses: Annotated[
        list[Path] | None, typer.Argument(metavar="[HYPOTHESES]…", help="Hypotheses, one file for each system.", show_default=False)
    ] = None,
    report: ReportOption = None,
    by: ByOption = None,
    normalizer: NormalizerOption = "none",
    fail_above: FailAboveOption = None,
    missing: Annotated[
        str, typer.Option(help="Utterances without a hypothesis: delete counts their words as deleted, skip excludes them for all systems.")
    ] = "delete",
    alignment: Annotated[str, typer.Option(help="Count errors as jiwer (levenshtein) or as sclite (sclite).")] = "levenshtein",
    name: Annotated[list[str] | None, typer.Option(help="Name of a system; repeat for the next.", show_default="the file's")] = None,
    title: Annotated[str, typer.Option(help="Heading of the report.", show_default="the systems' names")] = "",
    ref_format: FormatOption = None,
    hyp_format: FormatOption = None,
    ref_key: KeyOption = None,
    hyp_key: KeyOption = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Confidence level of the intervals.")] = 0.95,
    samples: Annotated[int, typer.Option(min=0, max=1_000_000, help="Number of bootstrap samples; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    readable: Annotated[bool, typer.Option("--readable", help="Measure punctuation and case too: F1 of each mark, case accuracy.")] = False,
) -> None:
    """Measure the word error rate of any system's output, and compare systems.

    Files can be manifests or JSON lines (`text`, `pred_text`), Whisper's JSON, sclite's trn, STM or CTM, SRT, VTT, Kaldi's text, TSV, CSV,
    or plain lines. The format is detected from the content; --ref-format and --hyp-format override it. Utterances are matched by id or by
    time, plain lines by position. A manifest with both `text` and `pred_text` needs no second file. The p-values of more than two systems
    are corrected for the number of comparisons (Holm). JSON of `asr transcribe` is read as the model wrote it (`verbatim_text`), or with
    --readable as `text`, with capitals and punctuation.

      asr score hypotheses.json
      asr score test.json ours.json whisper.trn --normalizer whisper-en
      asr score test.json ours.json --by speaker --by gender --report report/
      asr score cased.json ours.json --readable
      asr score ref.txt hyp.txt --fail-above 12.5
    """
    from asr.report.files import check_report_path
    from asr.report.terminal import formats_line
    from asr.score.evaluation import check_words_left
    from asr.score.evaluation import evaluate as measure
    from asr.score.texts import read_sides
    from asr.text.normalizer import load_normalizer

    change = load_normalizer(normalizer)
    check_report_path(report, (reference, *(hypotheses or ()), Path(normalizer)))
    with err.status("scoring …"):
        references, systems = read_sides(reference, hypotheses or [], (ref_format, hyp_format), (ref_key, hyp_key), readable)
        check_words_left(references.texts.values(), change)
        found = measure(
            references,
            *systems,
            names=name or (),
            by=by or (),
            normalizer=change,
            alignment=alignment,  # type: ignore[arg-type]  # checked there
            missing=missing,  # type: ignore[arg-type]
            level=level,
            samples=samples,
            seed=seed,
            title=title,
            readable=readable,
        )
    try:
        print_line(formats_line(found))
        print_evaluation(found, title or str(reference), by or [], missing)
    finally:  # `| head` closes the output, but must not cost the report
        write_report_files(found, report)
    if is_above(found, fail_above):
        raise typer.Exit(1)


def print_evaluation(found: Evaluation, title: str, by: list[str], missing: str = "delete") -> None:
    """Print notes, error rates, comparisons, the error rates of groups, and the most frequent errors."""
    from asr.report.terminal import (
        comparison_lines,
        conclusion_lines,
        error_lines,
        error_table,
        group_table,
        interval_lines,
        matching_notes,
        readable_table,
    )

    for note in matching_notes(found, missing):
        print_note(note)
    out.print(error_table(found, title, out.width))
    labels = readable_table(found, out.width)
    if labels:
        out.print(labels)
    for line in (*interval_lines(found), *conclusion_lines(found), *comparison_lines(found)):
        print_line(line)
    for key in by:
        out.print(group_table(found, key, out.width))
    for system in found.systems:
        for line in error_lines(system, named=len(found.systems) > 1):
            print_line(line)


def write_report_files(found: Evaluation, path: Path | None, pictures: dict[str, str] | None = None) -> None:
    """Write the report, if `path` is given, with pictures of the attention as data URLs by id."""
    from asr.report.files import write_report

    if path is not None:
        with err.status(f"writing {path} …"):
            files = write_report(found, path, pictures)
        print_note(f"report written to {', '.join(map(str, files))}")


def is_above(found: Evaluation, percent: float | None) -> bool:
    """Return whether the WER of a system is above --fail-above, and report each such system."""
    above = [s for s in found.systems if percent is not None and 100 * s.words.rate > percent]
    for system in above:
        print_error(f"{system.name}: WER is {100 * system.words.rate:.2f} %, above {percent:g} %")
    return bool(above)
