"""`asr score` and `asr evaluate`: how good a system is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.console import complain, err, out, progress_bar, speaks_plainly
from asr.cli.transcribe import (
    BeamOption,
    CtcOption,
    DeviceOption,
    LanguageModelOption,
    LengthOption,
    LmWeightOption,
    ModelOption,
    make_transcriber,
)

if TYPE_CHECKING:
    from asr.score.evaluation import Evaluation
    from asr.speech.manifest import Utterance
    from asr.transcribe import Transcriber

ReportOption = Annotated[
    Path | None,
    typer.Option(
        help="Write report.json, .md and .html into a folder; or one of them, by its ending.", show_default=False, metavar="FOLDER|FILE"
    ),
]
ByOption = Annotated[
    list[str] | None, typer.Option(help="Error rates by a key of the manifest, or duration, length; again for another.", show_default=False)
]
PICTURES = 8  # of where the model looked, in the page of `asr evaluate`: of the worst utterances; each some 30 kB
NormalizerOption = Annotated[
    str, typer.Option(help="Done to both sides first: none, librispeech, whisper-en, or a YAML file.", metavar="NAME|FILE")
]
FailAboveOption = Annotated[float | None, typer.Option(min=0, help="Exit with 1 when the WER is above (%).", show_default=False)]


@speaks_plainly
def evaluate(
    manifest: Annotated[Path, typer.Option(help="Utterances with their reference `text`.", show_default=False)],
    model: ModelOption = None,
    output: Annotated[Path | None, typer.Option(help="Write the manifest with `pred_text` added here.", show_default=False)] = None,
    beam_size: BeamOption = None,
    ctc_weight: CtcOption = None,
    lm_weight: LmWeightOption = None,
    language_model: LanguageModelOption = None,
    length_bonus: LengthOption = None,
    batch_seconds: Annotated[float, typer.Option(min=1, help="Audio decoded together (s).")] = 120.0,
    device: DeviceOption = "auto",
    report: ReportOption = None,
    by: ByOption = None,
    normalizer: NormalizerOption = "none",
    fail_above: FailAboveOption = None,
) -> None:
    """Transcribe a manifest and measure the word error rate.

    References and hypotheses are compared as they stand, unless a normaliser is named. A recording that cannot be read counts as
    wholly deleted, and is reported. `asr score` measures any other system's output the same way. The HTML report shows where the model
    looked in the eight worst utterances.

      asr evaluate --model runs/an4/model --manifest data/an4/test.json
      asr evaluate --manifest dev.json --beam-size 1 --output hypotheses.json
      asr evaluate --manifest dev.json --by speaker --report report/
    """
    from asr.score.evaluation import evaluate as measure
    from asr.score.groups import check_keys
    from asr.score.report import check_report_path, writes_page
    from asr.score.texts import texts_in_order
    from asr.speech.manifest import read_manifest
    from asr.text.normalizer import load_normalizer
    from asr.transcript import Transcript

    utterances = read_manifest(manifest, need_text=True)
    asked = {"beam": beam_size, "ctc_weight": ctc_weight, "lm_weight": lm_weight, "length_bonus": length_bonus}
    transcriber = make_transcriber(model, language_model, device, asked, batch_seconds)
    details = [
        {**u.extra, "speaker": u.speaker, "lang": u.lang, "offset": u.offset, "audio_filepath": str(u.audio_filepath)} for u in utterances
    ]
    change = load_normalizer(normalizer)
    check_report_path(report)
    check_keys(by or [], [{**known, "duration": 0.0} for known in details])
    texts: list[str | None] = [None] * len(utterances)
    lengths = [u.duration for u in utterances]
    seconds = failed = 0.0
    began = time.perf_counter()
    with progress_bar("transcribing", len(utterances)) as advance:
        for i, result in transcriber.transcribe_utterances(utterances):
            if isinstance(result, Transcript):
                texts[i], lengths[i] = result.text, lengths[i] or result.duration
                seconds += result.duration
            else:
                failed += 1
                complain(f"{utterances[i].source}: {result}")
            advance(1)
    took = time.perf_counter() - began
    search = transcriber.decode
    how = f"beam {search.beam}, CTC weight {search.ctc_weight:g}, LM weight {search.lm_weight:g}, length bonus {search.length_bonus:g}"
    if output:
        _write_hypotheses(output, utterances, [text or "" for text in texts])
    ids = [u.id for u in utterances]
    timed = [{**known, "duration": length} for known, length in zip(details, lengths, strict=True)]
    references = texts_in_order(ids, [u.text for u in utterances], timed, file=str(manifest))
    hypotheses = texts_in_order(ids, texts, name=str(model) if model else "the embedded model")
    found = measure(references, hypotheses, by=by or (), normalizer=change, title=f"{manifest} · {how}")
    print_evaluation(found, found.title, by or [])
    out.print(f"{seconds / 60:.1f} min of speech in {took:.1f} s: {seconds / took:.0f}× real time")
    write_report_files(found, report, _draw_worst(found, transcriber, utterances) if report and writes_page(report) else {})
    if failed:
        complain(f"{failed:.0f} of {len(utterances)} recordings could not be read, and count as deletions")
    if is_above(found, fail_above) or failed:
        raise typer.Exit(1)


def _draw_worst(found: Evaluation, transcriber: Transcriber, utterances: list[Utterance]) -> dict[str, str]:
    """Pictures of where the model looked, by the utterance's id."""
    from asr.errors import AudioError

    rows = {name: i for i, name in enumerate(found.ids)}
    pictures = {}
    with err.status("drawing where the model looked …"):
        for name in found.systems[0].worst[:PICTURES]:
            text = found.hypotheses[0][rows[name]]
            try:
                picture = transcriber.attention_picture(utterances[rows[name]], text) if text else None
            except AudioError:  # it was complained about when it was to be transcribed
                continue
            if picture:
                pictures[name] = picture
    return pictures


def _write_hypotheses(path: Path, utterances: list[Utterance], texts: list[str]) -> None:
    from dataclasses import replace

    from asr.speech.manifest import write_manifest

    write_manifest(path, [replace(u, extra={**u.extra, "pred_text": text}) for u, text in zip(utterances, texts, strict=True)])
    err.print(f"hypotheses written to {path}", markup=False)


FormatOption = Annotated[str | None, typer.Option(help="json, trn, kaldi, tsv, csv or lines.", show_default="told by its content")]
KeyOption = Annotated[str | None, typer.Option(help="Key or column of the text.", show_default="text, pred_text, …")]


@speaks_plainly
def score(
    reference: Annotated[Path, typer.Argument(help="What was said; - for standard input.", show_default=False)],
    hypotheses: Annotated[
        list[Path] | None, typer.Argument(metavar="[HYPOTHESES]…", help="What each system heard.", show_default=False)
    ] = None,
    report: ReportOption = None,
    by: ByOption = None,
    normalizer: NormalizerOption = "none",
    fail_above: FailAboveOption = None,
    missing: Annotated[
        str, typer.Option(help="Utterances without a hypothesis: delete counts their words as deleted, skip leaves them out.")
    ] = "delete",
    alignment: Annotated[str, typer.Option(help="levenshtein counts as jiwer does, sclite as sclite does.")] = "levenshtein",
    name: Annotated[list[str] | None, typer.Option(help="A system's name; again for the next.", show_default="the file's")] = None,
    title: Annotated[str, typer.Option(help="Heading of the report.", show_default="the systems' names")] = "",
    ref_format: FormatOption = None,
    hyp_format: FormatOption = None,
    ref_key: KeyOption = None,
    hyp_key: KeyOption = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Confidence of the intervals.")] = 0.95,
    samples: Annotated[int, typer.Option(min=0, max=1_000_000, help="Bootstrap samples; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Measure word error rates of any system's output, and compare systems.

    Files may be manifests or JSON lines (`text`, `pred_text`), sclite's trn, Kaldi's text, TSV, CSV, or plain lines: what they are
    is told by their content. Utterances are matched by id, plain lines by their order. One manifest that holds both `text` and
    `pred_text` needs no other file.

      asr score hypotheses.json
      asr score test.json ours.json whisper.trn --normalizer whisper-en
      asr score test.json ours.json --by speaker --by gender --report report/
      asr score ref.txt hyp.txt --fail-above 12.5
    """
    from asr.score.evaluation import evaluate as measure
    from asr.score.report import check_report_path
    from asr.score.texts import read_sides

    check_report_path(report)
    with err.status("scoring …"):
        references, systems = read_sides(reference, hypotheses or [], (ref_format, hyp_format), (ref_key, hyp_key))
        found = measure(
            references,
            *systems,
            names=name or (),
            by=by or (),
            normalizer=normalizer,
            alignment=alignment,  # type: ignore[arg-type]  # looked at there
            missing=missing,  # type: ignore[arg-type]
            level=level,
            samples=samples,
            seed=seed,
            title=title,
        )
    print_evaluation(found, title or f"{reference} ({found.reference.form})", by or [], missing)
    write_report_files(found, report)
    if is_above(found, fail_above):
        raise typer.Exit(1)


def print_evaluation(found: Evaluation, title: str, by: list[str], missing: str = "delete") -> None:
    from asr.score.terminal import error_lines, error_table, group_table, interval_lines, matching_notes

    for note in matching_notes(found, missing):
        err.print(note, markup=False)
    out.print(error_table(found, title))
    for line in (*interval_lines(found), *(comparison.verdict for comparison in found.comparisons)):
        out.print(line, markup=False)
    for key in by:
        out.print(group_table(found, key))
    for system in found.systems:
        for line in error_lines(system, named=len(found.systems) > 1):
            out.print(line, markup=False)


def write_report_files(found: Evaluation, path: Path | None, pictures: dict[str, str] | None = None) -> None:
    from asr.score.report import write_report

    if path is not None:
        with err.status(f"writing {path} …"):
            files = write_report(found, path, pictures)
        err.print(f"report written to {', '.join(map(str, files))}", markup=False)


def is_above(found: Evaluation, percent: float | None) -> bool:
    above = [s for s in found.systems if percent is not None and 100 * s.words.rate > percent]
    for system in above:
        complain(f"{system.name}: WER is {100 * system.words.rate:.2f} %, above {percent:g} %")
    return bool(above)
