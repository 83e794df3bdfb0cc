"""The options that choose a model and its search, alike in every command that decodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from asr.cli.console import err
from asr.errors import UsageError

if TYPE_CHECKING:
    from asr.config import DecodeConfig
    from asr.decode.hotwords import Hotwords
    from asr.model.checkpoint import TrainedModel

ModelOption = Annotated[Path | None, typer.Option(help="Model folder; default: the one in the package.", show_default=False)]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Profile = Literal["fast", "balanced", "accurate"]
ProfileOption = Annotated[
    Profile,
    typer.Option(
        help="fast: beam 1, no language model; balanced: the model's own search; accurate: twice its beam. Options below go first."
    ),
]
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
Precision = Literal["fp32", "bf16", "int8"]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(help="Numbers that the network works in; int8 is 1.4 × as fast on CPUs.", show_default="fp32; int8 in --profile fast"),
]
HotwordsOption = Annotated[
    str | None,
    typer.Option(
        help="Names and terms to favour: a file, one a line, or a list: 'GILLIAN,KARL YUNDT'.", show_default=False, metavar="FILE|LIST"
    ),
]
HotwordWeightOption = Annotated[float | None, typer.Option(min=0.01, help="Nats for each letter of a hotword.", show_default="1")]
BatchOption = Annotated[float, typer.Option(min=1, help="Speech decoded together (s); less saves memory.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads for the network.", show_default="all cores")]


def load_for_search(
    model: Path | None,
    language_model: str | None,
    device: str,
    profile: Profile = "balanced",
    precision: Precision | None = None,
    threads: int | None = None,
    *,
    beam: int | None = None,
    ctc_weight: float | None = None,
    lm_weight: float | None = None,
    length_bonus: float | None = None,
) -> tuple[TrainedModel, DecodeConfig]:
    """A loaded model and its search: the model's own, changed by the profile and by what was asked for (None: nothing)."""
    with err.status("loading the model …"):
        import torch

        from asr.decode.precision import in_precision
        from asr.decode.recognize import check_search
        from asr.model.checkpoint import load_model
        from asr.transcribe import embedded_model, pick_device

        if threads:
            torch.set_num_threads(threads)
        loaded = load_model(model or embedded_model(), pick_device(device))
        if language_model is not None:
            loaded = loaded.with_lm(None if language_model == "none" else Path(language_model))
        on_cpu = loaded.network.frontend.mean.device.type == "cpu"
        loaded = in_precision(loaded, precision or ("int8" if profile == "fast" and on_cpu else "fp32"))
    own = loaded.config.decode
    search: dict[str, float] = {}
    if loaded.lm is None or profile == "fast":
        search["lm_weight"] = 0.0
    if profile != "balanced":
        search["beam"] = 1 if profile == "fast" else 2 * own.beam
    asked = {"beam": beam, "ctc_weight": ctc_weight, "lm_weight": lm_weight, "length_bonus": length_bonus}
    search |= {key: value for key, value in asked.items() if value is not None}
    if search.get("lm_weight") and loaded.lm is None:
        raise UsageError("--lm-weight: this model has no language model: name one with --language-model FOLDER")
    decode = own.model_copy(update=search)
    check_search(loaded, decode)
    return loaded, decode


def hotwords_for(model: TrainedModel, named: str | None, weight: float | None) -> Hotwords | None:
    """What --hotwords names: a file, where there is one of that name or it looks like a path, else phrases parted by commas."""
    from asr.decode.hotwords import WEIGHT, load_hotwords

    if named is None:
        return None
    is_file = Path(named).exists() or "/" in named or named.endswith(".txt")
    return load_hotwords(Path(named) if is_file else named.split(","), model.tokenizer, weight or WEIGHT)
