"""`asr transcribe`, and the options that choose a model and its search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.console import complain, err, progress_bar, speaks_plainly
from asr.errors import AsrError

if TYPE_CHECKING:
    from asr.transcribe import Transcriber

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
    transcriber = make_transcriber(model, language_model, device, search)
    from asr.transcript import Transcript

    ready: dict[int, Transcript | AsrError] = {}
    shown = failed = 0
    with progress_bar("transcribing", len(files)) as advance:
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


def make_transcriber(
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
