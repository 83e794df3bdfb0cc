"""The command line: one function a command, which parses, calls and prints.

Results go to standard output; progress, notes and errors to standard error. Exit codes: 0 all went well, 1 something
failed, 2 the request was wrong, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from asr.errors import AsrError, UsageError

if TYPE_CHECKING:
    from asr.prepare.librispeech import Subset
    from asr.score.evaluation import Evaluation
    from asr.speech.manifest import Utterance
    from asr.transcribe import Transcriber

# Heavy modules (torch, …) are imported in the commands that need them, so that `asr --help` answers at once.

HELP = """Listen, Attend and Spell: transcribe recordings, train recognisers, measure word error rates.

[bold]Examples[/bold]

  asr transcribe talk.flac                                  the text of a recording
  asr prepare an4 --data an4/ --output data/an4             manifests of a corpus
  asr train recipes/an4/las.yaml                            train (the same command goes on after a stop)
  asr evaluate --model runs/an4/model --manifest data/an4/test.json
  asr score references.json ours.json theirs.trn --report report/
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
manifest_app = typer.Typer(help="Look at manifests: files that list utterances, one JSON object a line.", no_args_is_help=True)
prepare_app = typer.Typer(help="Make manifests out of a corpus.", no_args_is_help=True)
app.add_typer(manifest_app, name="manifest")
app.add_typer(prepare_app, name="prepare")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """Entry point of `asr`."""
    app()


def speaks_plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a user's mistake, a full disk or Ctrl-C into one line and an exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except AsrError as e:
            for line in str(e).splitlines():
                complain(line)
            raise typer.Exit(e.exit_code) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what reads our output has had enough
            raise typer.Exit(1) from None
        except OSError as e:
            name = f"{e.filename}: " if e.filename else ""
            hint = ": free some space and run the same command again" if e.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            complain(f"{name}{e.strerror or e}{hint}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            complain("stopped")
            raise typer.Exit(130) from None

    return run


def complain(message: str) -> None:
    err.print(f"error: {message}", markup=False, style="red")


# ---------------------------------------------------------------- transcribe and evaluate

ModelOption = Annotated[Path | None, typer.Option(help="Model folder; default: the one in the package.", show_default=False)]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
BeamOption = Annotated[int | None, typer.Option(min=1, help="Hypotheses kept for an utterance; 1 is fastest.", show_default="the model's")]
CtcOption = Annotated[
    float | None, typer.Option(min=0, max=0.999, help="Share of the CTC score in the search.", show_default="the model's")
]
LmWeightOption = Annotated[
    float | None, typer.Option(min=0, help="Weight of the language model in the search.", show_default="the model's")
]
LanguageModelOption = Annotated[
    str | None, typer.Option(help="A language model's folder, or none.", show_default="the one in the model folder", metavar="FOLDER|none")
]
LengthOption = Annotated[float | None, typer.Option(help="Added to the score for each token (nats).", show_default="the model's")]


@app.command()
@speaks_plainly
def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Recordings: wav, flac, ogg, opus, mp3, m4a, …", show_default=False)],
    model: ModelOption = None,
    beam_size: BeamOption = None,
    ctc_weight: CtcOption = None,
    lm_weight: LmWeightOption = None,
    language_model: LanguageModelOption = None,
    length_bonus: LengthOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a recording: text, duration, scores.")] = False,
    nbest: Annotated[int, typer.Option(min=1, help="With --json: so many readings of each recording.")] = 1,
    device: DeviceOption = "auto",
) -> None:
    """Write down what is said in recordings.

    One recording gives its text alone; several give `file<tab>text` lines, in the order asked for. A recording that cannot be
    read is reported, and the others go on.

      asr transcribe talk.flac
      asr transcribe *.wav > texts.tsv
      asr transcribe --json --nbest 3 talk.flac
    """
    search = {"beam": beam_size, "ctc_weight": ctc_weight, "lm_weight": lm_weight, "length_bonus": length_bonus}
    transcriber = _transcriber(model, language_model, device, search)
    from asr.transcript import Transcript

    ready: dict[int, Transcript | AsrError] = {}
    shown = failed = 0
    with _progress("transcribing", len(files)) as advance:
        for i, result in transcriber.transcribe_files(files):
            ready[i] = result
            advance(1)
            while shown in ready:  # in the order asked for, each as early as that allows
                done = ready.pop(shown)
                if isinstance(done, AsrError):
                    failed += 1
                    complain(str(done))
                elif json:
                    print(done.to_json(nbest), flush=True)
                else:
                    print(done.text if len(files) == 1 else f"{files[shown]}\t{done.text}", flush=True)
                shown += 1
    if failed:
        if len(files) > 1:
            err.print(f"{len(files) - failed} transcribed, {failed} failed")
        raise typer.Exit(1)


ReportOption = Annotated[
    Path | None,
    typer.Option(
        help="Write report.json, .md and .html into a folder; or one of them, by its ending.", show_default=False, metavar="FOLDER|FILE"
    ),
]
ByOption = Annotated[
    list[str] | None, typer.Option(help="Error rates by a key of the manifest, or duration, length; again for another.", show_default=False)
]
NormalizerOption = Annotated[
    str, typer.Option(help="Done to both sides first: none, librispeech, whisper-en, or a YAML file.", metavar="NAME|FILE")
]
FailAboveOption = Annotated[float | None, typer.Option(min=0, help="Exit with 1 when the WER is above (%).", show_default=False)]


@app.command()
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
    wholly deleted, and is reported. `asr score` measures any other system's output the same way.

      asr evaluate --model runs/an4/model --manifest data/an4/test.json
      asr evaluate --manifest dev.json --beam-size 1 --output hypotheses.json
      asr evaluate --manifest dev.json --by speaker --report report/
    """
    from asr.score.evaluation import evaluate as measure
    from asr.score.groups import check_keys
    from asr.score.report import check_report_path
    from asr.score.texts import texts_in_order
    from asr.speech.manifest import read_manifest
    from asr.text.normalizer import load_normalizer
    from asr.transcript import Transcript

    utterances = read_manifest(manifest, need_text=True)
    asked = {"beam": beam_size, "ctc_weight": ctc_weight, "lm_weight": lm_weight, "length_bonus": length_bonus}
    transcriber = _transcriber(model, language_model, device, asked, batch_seconds)
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
    with _progress("transcribing", len(utterances)) as advance:
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
    _print_evaluation(found, found.title, by or [])
    out.print(f"{seconds / 60:.1f} min of speech in {took:.1f} s: {seconds / took:.0f}× real time")
    _write_report(found, report)
    if failed:
        complain(f"{failed:.0f} of {len(utterances)} recordings could not be read, and count as deletions")
    if _is_above(found, fail_above) or failed:
        raise typer.Exit(1)


def _transcriber(
    model: Path | None, language_model: str | None, device: str, search: dict[str, float | None], batch_seconds: float = 120.0
) -> Transcriber:
    """A transcriber with the model's own search and language model, less what was asked to be different."""
    with err.status("loading the model …"):
        from asr.model.checkpoint import load_model
        from asr.transcribe import Transcriber, embedded_model, pick_device

        loaded = load_model(model or embedded_model(), pick_device(device))
        if language_model is not None:
            loaded = loaded.with_lm(None if language_model == "none" else Path(language_model))
    asked = {key: value for key, value in search.items() if value is not None}
    if loaded.lm is None:
        asked.setdefault("lm_weight", 0.0)
    return Transcriber(loaded, device, loaded.config.decode.model_copy(update=asked), batch_seconds)


def _write_hypotheses(path: Path, utterances: list[Utterance], texts: list[str]) -> None:
    from dataclasses import replace

    from asr.speech.manifest import write_manifest

    write_manifest(path, [replace(u, extra={**u.extra, "pred_text": text}) for u, text in zip(utterances, texts, strict=True)])
    err.print(f"hypotheses written to {path}", markup=False)


# ---------------------------------------------------------------- score

FormatOption = Annotated[str | None, typer.Option(help="json, trn, kaldi, tsv, csv or lines.", show_default="told by its content")]
KeyOption = Annotated[str | None, typer.Option(help="Key or column of the text.", show_default="text, pred_text, …")]


@app.command()
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
    _print_evaluation(found, title or f"{reference} ({found.reference.form})", by or [], missing)
    _write_report(found, report)
    if _is_above(found, fail_above):
        raise typer.Exit(1)


def _print_evaluation(found: Evaluation, title: str, by: list[str], missing: str = "delete") -> None:
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


def _write_report(found: Evaluation, path: Path | None) -> None:
    from asr.score.report import write_report

    if path is not None:
        with err.status(f"writing {path} …"):
            files = write_report(found, path)
        err.print(f"report written to {', '.join(map(str, files))}", markup=False)


def _is_above(found: Evaluation, percent: float | None) -> bool:
    above = [s for s in found.systems if percent is not None and 100 * s.words.rate > percent]
    for system in above:
        complain(f"{system.name}: WER is {100 * system.words.rate:.2f} %, above {percent:g} %")
    return bool(above)


# ---------------------------------------------------------------- train


@app.command()
@speaks_plainly
def train(
    config: Annotated[Path, typer.Argument(help="A recipe (YAML).", show_default=False)],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="Changes to it.", show_default=False)] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, deleting the run in the output folder.")] = False,
) -> None:
    """Train a recogniser or a language model by a recipe, or go on with a run that was stopped.

      Everything lands in the folder `output`: checkpoints, the tokenizer, TensorBoard curves, and at the end `model/`, which
      `asr transcribe --model` takes. Ctrl-C leaves a checkpoint; the same command goes on from there.

        asr train recipes/an4/las.yaml
        asr train recipes/an4/las.yaml train.epochs=20 model.ctc_weight=0 decode.ctc_weight=0 output=runs/no-ctc
        asr train recipes/librispeech/lm.yaml                                     a language model
        accelerate launch --num_processes 2 -m asr train recipes/an4/las.yaml     two GPUs
    torchrun --nproc_per_node 2 -m asr train recipes/an4/las.yaml             two processes on CPUs
        tensorboard --logdir runs/
    """
    from asr.config import LMRecipe
    from asr.config_file import load_recipe

    settings = load_recipe(config, overrides)
    if isinstance(settings, LMRecipe):
        with err.status("starting …"):
            from asr.train.lm_trainer import LMTrainer

            lm_trainer = LMTrainer(settings, restart)
        folder = lm_trainer.run()
        lm_trainer.journal.say(f"finished: {folder}\nnext: asr evaluate --language-model {folder} --lm-weight 0.5 --manifest FILE")
        return
    with err.status("starting …"):
        from asr.train.trainer import Trainer

        trainer = Trainer(settings, restart)
    folder = trainer.run()
    trainer.journal.say(f"finished: {folder}\nnext: asr evaluate --model {folder} --manifest FILE")


# ---------------------------------------------------------------- info


@app.command()
@speaks_plainly
def info(
    model: Annotated[Path | None, typer.Argument(help="Model folder; default: the one in the package.", show_default=False)] = None,
) -> None:
    """Show what a model is: its card, its size, its network.

    asr info
    asr info runs/an4/model
    """
    from rich.markdown import Markdown

    from asr.config_file import dump_config
    from asr.model.checkpoint import load_model
    from asr.transcribe import embedded_model

    folder = model or embedded_model()
    loaded = load_model(folder)
    parts = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in loaded.network.named_children()}
    if out.is_terminal:
        out.print(Markdown(loaded.card))
    else:
        print(loaded.card)
    size = sum(f.stat().st_size for f in folder.iterdir()) / 1e6
    shares = ", ".join(f"{name} {millions:.2f} M" for name, millions in parts.items() if millions)
    out.print(f"{folder}: {size:.1f} MB, {sum(parts.values()):.2f} M parameters ({shares}), {len(loaded.tokenizer)} pieces\n", markup=False)
    out.print(dump_config(loaded.config), markup=False)


# ---------------------------------------------------------------- manifests and corpora

ManifestArgument = Annotated[Path, typer.Argument(help="A manifest (.json or .jsonl).", show_default=False)]


@manifest_app.command("check")
@speaks_plainly
def manifest_check(file: ManifestArgument) -> None:
    """Find every line of a manifest that cannot be used, and say why.

    asr manifest check data/an4/train.json
    """
    from asr.speech.manifest import check_manifest

    with err.status(f"checking {file} …"):
        report = check_manifest(file)
    for problem in report.problems:
        print(problem)
    out.print(f"{file}: {report.utterances} utterances, {report.hours:.2f} h, {len(report.problems)} problems", markup=False)
    if report.problems:
        raise typer.Exit(1)


@manifest_app.command("stats")
@speaks_plainly
def manifest_stats(file: ManifestArgument) -> None:
    """Count a manifest: utterances, hours, speakers, words, lengths.

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


@prepare_app.command("an4")
@speaks_plainly
def prepare_an4(
    data: Annotated[Path, typer.Option(help="The unpacked corpus: the folder that holds `etc` and `wav`.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Where to write the manifests.")] = Path("data/an4"),
) -> None:
    """CMU AN4: 948 utterances to train on, 130 to test on (spelled names, numbers, dates).

    Writes train.json and dev.json (speakers kept apart), train_all.json (both), and test.json.

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


@prepare_app.command("librispeech")
@speaks_plainly
def prepare_librispeech(
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
    found = prepare(data, output, names, _progress)
    _print_subsets(found, output)
    trained_on = [s for s in found if s.is_for_training and s.utterances]
    if trained_on:
        tokens = output / f"unigram{vocab_size}.model"
        lines = [u.text or "" for s in trained_on for u in s.utterances] + sample_text(text or [], _progress)
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


# ---------------------------------------------------------------- progress


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left, in a terminal and for more than one thing; nothing in a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal or total < 2) as bar:
        task = bar.add_task(what, total=total)
        yield lambda n: bar.advance(task, n)
