"""`asr evaluate`: transcribe a manifest and measure the error rate of a model."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.score import (
    ByOption,
    FailAboveOption,
    NormalizerOption,
    ReportOption,
    is_above,
    print_evaluation,
    write_report_files,
)
from asr.cli.search import SearchOptions, takes_search_options
from asr.console import err, one_line_errors, out, print_error, print_note, progress_bar
from asr.errors import AudioError, UsageError
from asr.files import check_writable, refuse_inputs

if TYPE_CHECKING:
    from asr.config import DecodeConfig
    from asr.model.checkpoint import TrainedModel
    from asr.score.evaluation import Evaluation
    from asr.speech.manifest import Utterance

SHOWN = 60  # letters of the hotwords in the report's footnote
PICTURES = 8  # worst utterances whose attention the report shows; a picture has about 30 kB


@one_line_errors
@takes_search_options
def evaluate(
    *,
    manifest: Annotated[Path, typer.Option(help="Manifest with the reference `text` of each utterance.", show_default=False)],
    output: Annotated[Path | None, typer.Option(help="Write the manifest with `pred_text` added to this file.", show_default=False)] = None,
    search: SearchOptions,
    report: ReportOption = None,
    by: ByOption = None,
    normalizer: NormalizerOption = "none",
    fail_above: FailAboveOption = None,
    title: Annotated[str, typer.Option(help="Heading of the report.", show_default="the manifest's path")] = "",
    track: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Audio track to read, 1 for the first. A `track` in the manifest takes precedence.",
            show_default="the one flagged as default",
        ),
    ] = None,
) -> None:
    """Transcribe a manifest and measure the word error rate.

    The texts are those of `asr transcribe`: speech is detected in each utterance, and words without evidence are held back. References
    and hypotheses are compared unchanged, unless a normaliser is named. The words of a recording that cannot be read count as deleted.
    `asr score` measures the output of any other system in the same way. The HTML report shows the attention of the eight worst
    utterances.

      asr evaluate --model runs/an4/model --manifest data/an4/test.json
      asr evaluate --manifest dev.json --beam-size 1 --output hypotheses.json
      asr evaluate --manifest dev.json --by speaker --report report/
    """
    from asr.report.files import check_report_path, writes_page
    from asr.score.evaluation import check_words_left
    from asr.score.evaluation import evaluate as measure
    from asr.score.groups import check_keys
    from asr.score.texts import texts_in_order
    from asr.speech.manifest import read_manifest
    from asr.text.normalizer import load_normalizer
    from asr.transcribe import transcribe_utterances

    utterances = read_manifest(manifest, need_text=True)
    details = [
        {**u.extra, "speaker": u.speaker, "lang": u.lang, "offset": u.offset, "audio_filepath": str(u.audio_filepath)} for u in utterances
    ]
    change = load_normalizer(normalizer)
    check_words_left([u.text for u in utterances], change)
    other_inputs = {manifest, Path(normalizer), *search.files()}
    _check_output(output, other_inputs | {u.audio_filepath for u in utterances})
    check_report_path(report, (*other_inputs, *([output] if output else [])))
    check_keys(by or [], [{**known, "duration": 0.0} for known in details])
    model, decode, hotwords = search.load()
    texts: list[str | None] = [None] * len(utterances)
    lengths = [u.duration for u in utterances]
    seconds = failed = 0.0
    began = time.perf_counter()
    with progress_bar("transcribing", len(utterances)) as advance:
        for i, result in transcribe_utterances(model, utterances, decode, search.batch_seconds, hotwords, track):
            if isinstance(result, AudioError):
                failed += 1
                print_error(f"{utterances[i].source}: {result}")
            else:
                texts[i], lengths[i] = result.text, lengths[i] or result.seconds
                seconds += result.seconds
                for note in result.notes:
                    print_note(f"note: {utterances[i].source}: {utterances[i].audio_filepath}: {note}")
            advance(1)
    took = time.perf_counter() - began
    search_settings = _describe(search, decode)
    ids = [u.id for u in utterances]
    timed = [{**known, "duration": length} for known, length in zip(details, lengths, strict=True)]
    references = texts_in_order(ids, [u.text for u in utterances], timed, file=str(manifest))
    hypotheses = texts_in_order(ids, texts, name=str(search.model) if search.model else "the embedded model")
    title = title or str(manifest)
    found = measure(references, hypotheses, by=by or (), normalizer=change, title=title, settings=search_settings)
    try:
        print_evaluation(found, f"{title} · {search_settings}", by or [])
        out.print(f"{seconds / 60:.1f} min of speech in {took:.1f} s: {seconds / took:.0f}× real time")
    finally:  # after the figures, which a full disk must not lose; and although `| head` may have closed the output
        if output:
            _write_hypotheses(output, utterances, [text or "" for text in texts])
        write_report_files(found, report, _draw_worst(found, model, utterances, track) if report and writes_page(report) else {})
    if failed:
        print_error(f"{failed:.0f} of {len(utterances)} recordings could not be read, and count as deletions")
    if is_above(found, fail_above) or failed:
        raise typer.Exit(1)


def _describe(search: SearchOptions, decode: DecodeConfig) -> str:
    """Everything that changes the texts of a model: the search, the precision, hotwords and other settings."""
    from asr.decode.profiles import profile_precision
    from asr.transcribe import pick_device

    parts = [f"beam {decode.beam}", f"CTC weight {decode.ctc_weight:g}", f"LM weight {decode.lm_weight:g}"]
    if decode.lm_weight and decode.internal_lm:
        parts.append(f"internal LM subtracted with {decode.internal_lm:g} of that weight")
    if decode.words_weight:
        parts.append(f"words weight {decode.words_weight:g}")
    parts += [f"length bonus {decode.length_bonus:g}", search.precision or profile_precision(search.profile, pick_device(search.device))]
    if search.language_model is not None and decode.lm_weight:
        parts.append(f"language model {search.language_model}")
    if search.hotwords is not None:
        named = search.hotwords if len(search.hotwords) <= SHOWN else f"{search.hotwords[: SHOWN - 1]}…"
        parts.append(f"hotwords {named}" + (f" (weight {search.hotword_weight:g})" if search.hotword_weight else ""))
    return ", ".join([*parts, *(search.settings or [])])


def _draw_worst(found: Evaluation, model: TrainedModel, utterances: list[Utterance], track: int | None) -> dict[str, str]:
    """Draw the attention of the worst utterances. Return the pictures as data URLs, by id."""
    import torch

    from asr.decode.attention import attention_picture_url
    from asr.speech.audio import load_audio

    rate = model.config.model.frontend.sample_rate
    rows = {name: i for i, name in enumerate(found.ids)}
    pictures = {}
    with err.status("drawing the attention …"):
        for name in found.systems[0].worst[:PICTURES]:
            text, utterance = found.hypotheses[0][rows[name]], utterances[rows[name]]
            if not text:
                continue
            try:
                samples = load_audio(utterance.audio_filepath, rate, utterance.offset, utterance.duration, track=utterance.track or track)
                picture = attention_picture_url(model, torch.from_numpy(samples), text)
            except AudioError:  # already reported
                continue
            if picture:
                pictures[name] = picture
    return pictures


def _check_output(path: Path | None, inputs: Iterable[Path]) -> None:
    """Check that the hypotheses can be written, and replace no input. Raises UsageError."""
    if path is None:
        return
    refuse_inputs("--output", [path], inputs)
    try:
        check_writable(path)
    except IsADirectoryError:
        raise UsageError(f"--output {path}: is a folder: name a file, such as {path / 'hypotheses.json'}") from None
    except OSError as e:
        raise UsageError(f"--output {path}: cannot be written: {e.strerror}") from None


def _write_hypotheses(path: Path, utterances: list[Utterance], texts: list[str]) -> None:
    from dataclasses import replace

    from asr.speech.manifest import write_manifest

    write_manifest(path, [replace(u, extra={**u.extra, "pred_text": text}) for u, text in zip(utterances, texts, strict=True)])
    print_note(f"hypotheses written to {path}")
