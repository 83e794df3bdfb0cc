"""The options that choose a model and its search, shared by all commands that decode."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_type_hints

import typer

from asr.console import err, print_note
from asr.errors import UsageError
from asr.version import version

if TYPE_CHECKING:
    import torch

    from asr.config import DecodeConfig
    from asr.decode.hotwords import Hotwords
    from asr.model.checkpoint import TrainedModel
    from asr.readable.segments import Readable
    from asr.transcribe import Transcriber


class Loaded(NamedTuple):
    """A model, its search and hotwords, as the options name them."""

    model: TrainedModel
    decode: DecodeConfig
    hotwords: Hotwords | None


@dataclass(frozen=True)
class SearchOptions:
    """The options of the command line, one a field; None leaves the choice to the model."""

    model: Annotated[Path | None, typer.Option(help="Model folder.", show_default="the one in the package")] = None
    profile: Annotated[
        Literal["fast", "balanced", "accurate"],
        typer.Option(
            help="fast: beam 1, no language model; balanced: the model's own search; accurate: twice its beam. Explicit options override it."
        ),
    ] = "balanced"
    beam_size: Annotated[
        int | None,
        typer.Option(min=1, max=1_000, help="Keep this many hypotheses for an utterance; 1 is fastest.", show_default="the model's"),
    ] = None
    ctc_weight: Annotated[
        float | None, typer.Option(min=0, max=0.999, help="Weight the CTC score, and attention by 1 less this.", show_default="the model's")
    ] = None
    lm_weight: Annotated[float | None, typer.Option(min=0, help="Weight the language model.", show_default="the model's")] = None
    language_model: Annotated[
        str | None,
        typer.Option(
            help="Use the language model in this folder, or none.", show_default="the one in the model folder", metavar="FOLDER|none"
        ),
    ] = None
    length_bonus: Annotated[float | None, typer.Option(help="Add this to the score for each token (nats).", show_default="the model's")] = (
        None
    )
    hotwords: Annotated[
        str | None,
        typer.Option(
            help="Favour names and terms, from a file, one a line, or a list: 'GILLIAN,KARL YUNDT'.",
            show_default=False,
            metavar="FILE|LIST",
        ),
    ] = None
    hotword_weight: Annotated[
        float | None, typer.Option(min=0.01, help="Add this to the score for each letter of a hotword (nats).", show_default="1")
    ] = None
    batch_seconds: Annotated[float, typer.Option(min=1, help="Decode this much speech in a batch (s); less saves memory.")] = 120.0
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting of decode or segment, such as segment.longest_seconds=12; repeatable.",
            show_default=False,
            metavar="KEY=VALUE",
        ),
    ] = None
    precision: Annotated[
        Literal["fp32", "bf16", "int8"] | None,
        typer.Option(
            help="Compute in this precision. int8 is faster on CPUs; its texts can depend slightly on the batch.",
            show_default="fp32; int8 in --profile fast",
        ),
    ] = None
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Use this many CPU threads for the network.", show_default="all cores")
    ] = None
    device: Annotated[str, typer.Option(help="Compute on auto, cpu, cuda, cuda:1, …")] = "auto"

    def load(self) -> Loaded:
        """Load the model and the hotwords, and change the model's search by the profile and the other options.

        Raises:
            UsageError: a folder, file or device does not exist, or the model cannot do the search.
            ModelError: a folder is damaged.
        """
        with err.status("loading the model …"):
            import torch

            from asr.config import EMBEDDED
            from asr.config_file import with_settings
            from asr.decode.precision import in_precision
            from asr.decode.profiles import profile_precision
            from asr.decode.recognize import check_search
            from asr.memory import limit_kernel_cache
            from asr.model.checkpoint import load_model
            from asr.transcribe import pick_device

            limit_kernel_cache()
            if self.threads:
                torch.set_num_threads(self.threads)
            device = pick_device(self.device)
            model = load_model(announced(self.model) if self.model else EMBEDDED, device)
            if self.language_model is not None:
                model = model.with_lm(None if self.language_model == "none" else announced(Path(self.language_model)))
            model = in_precision(model, self.precision or profile_precision(self.profile, device))
        if self.lm_weight and model.lm is None:
            raise UsageError("--lm-weight: this model has no language model: name one with --language-model FOLDER")
        decode = self._search(model.search)
        if self.settings:
            config = with_settings(model.config.model_copy(update={"decode": decode}), self.settings)
            model, decode = replace(model, config=model.config.model_copy(update={"segment": config.segment})), config.decode
        hotwords = self._hotwords(model)
        check_search(model, decode, hotwords)
        return Loaded(model, decode, hotwords.to(device) if hotwords else None)

    def digest(self) -> str:
        """Return a digest of everything that a search depends on besides the recording: version, options, model and hotwords."""
        import hashlib

        from asr.config import EMBEDDED

        options = {f.name: getattr(self, f.name) for f in fields(SearchOptions) if f.name not in ("device", "threads", "batch_seconds")}
        digest = hashlib.sha256(f"{version()} {options}".encode())
        for file in sorted(SearchOptions.files(replace(self, model=self.model or EMBEDDED))):
            digest.update(file.name.encode() + (file.read_bytes() if file.is_file() else b""))
        return digest.hexdigest()

    def files(self) -> set[Path]:
        """Return the existing files that these options read, which outputs must not overwrite."""
        from asr.model.run_folder import find_model

        folders = [find_model(Path(name))[0] for name in (self.model, self.language_model) if name is not None]
        found = {file for folder in folders for depth in ("*", "*/*") for file in folder.glob(depth)}
        return found | ({Path(self.hotwords)} if self.hotwords is not None and self._hotwords_are_a_file else set())

    @property
    def _hotwords_are_a_file(self) -> bool:
        """Whether --hotwords names an existing file or looks like a path, and is not a list of phrases separated by commas."""
        named = self.hotwords or ""
        exists = os.path.isfile(named)  # noqa: PTH113 - Path.is_file raises for a long list
        return exists or ("," not in named and ("/" in named or named.endswith(".txt")))

    def _search(self, own: DecodeConfig) -> DecodeConfig:
        """Change the model's own search by the profile, and then by explicit options."""
        from asr.decode.profiles import profile_search

        explicit = {"beam": self.beam_size, "ctc_weight": self.ctc_weight, "lm_weight": self.lm_weight, "length_bonus": self.length_bonus}
        changes = {key: value for key, value in explicit.items() if value is not None}
        if not all(map(math.isfinite, (*changes.values(), self.batch_seconds))):
            raise UsageError("--ctc-weight, --lm-weight, --length-bonus and --batch-seconds must be finite numbers")
        named = self.language_model not in (None, "none")  # one that is named is used in any profile
        return profile_search(own, self.profile, keep_lm=named).model_copy(update=changes)

    def _hotwords(self, model: TrainedModel) -> Hotwords | None:
        from asr.decode.hotwords import WEIGHT, load_hotwords

        if self.hotwords is None:
            return None
        phrases = Path(self.hotwords) if self._hotwords_are_a_file else self.hotwords.split(",")
        return load_hotwords(phrases, model.tokenizer, self.hotword_weight or WEIGHT)


@dataclass(frozen=True)
class TranscriptOptions(SearchOptions):
    """The options of commands that write transcripts: the search, and the form of the text."""

    text: Annotated[
        Literal["readable", "verbatim"] | None,
        typer.Option(
            help="readable: capitals, punctuation and numbers; verbatim: the words as the model writes them.",
            show_default="readable, if the model has a text restorer",
        ),
    ] = None
    numbers: Annotated[Literal["digits", "words"], typer.Option(help="In readable text: write numbers so.")] = "digits"
    restorer: Annotated[
        Path | None, typer.Option(help="Folder of the text restorer.", show_default="text/ in the model folder", metavar="FOLDER")
    ] = None

    def transcriber(self, nbest: int = 1) -> Transcriber:
        """Load a transcriber that keeps the `nbest` best readings of each segment."""
        model, decode, hotwords = self.load()
        from asr.transcribe import Transcriber

        readable = self._readable(model.network.frontend.mean.device)
        return Transcriber(model, decode, batch_seconds=self.batch_seconds, hotwords=hotwords, nbest=nbest, readable=readable)

    def _readable(self, device: torch.device) -> Readable | None:
        from asr.config import EMBEDDED
        from asr.readable.restorer import find_restorer, load_restorer
        from asr.readable.segments import Readable

        if self.text == "verbatim":
            if self.restorer:
                raise UsageError("--text verbatim uses no text restorer: leave --restorer out")
            return None
        folder = self.model or EMBEDDED
        restorer = load_restorer(announced(self.restorer), device) if self.restorer else find_restorer(folder, device)
        if restorer is None and self.text == "readable":
            raise UsageError(f"--text readable: {folder} has no text restorer: name one with --restorer FOLDER")
        return Readable(restorer, self.numbers) if restorer else None

    def files(self) -> set[Path]:
        from asr.model.run_folder import find_model

        return super().files() | (set(find_model(self.restorer)[0].glob("*")) if self.restorer else set())


def announced(folder: Path) -> Path:
    """Return the model folder that a path names, and print which one if the path is a training run's."""
    from asr.model.run_folder import find_model

    found, note = find_model(folder)
    if note:
        print_note(note)
    return found


def takes_search_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter `search` of a command by all options of its class, `SearchOptions` or one derived from it, and pass their values."""
    kind = inspect.signature(command, eval_str=True).parameters["search"].annotation
    names = [field.name for field in fields(kind)]
    types = get_type_hints(kind, include_extras=True)
    options = [inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=types[f.name]) for f in fields(kind)]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        search = kind(**{name: given.pop(name) for name in names})
        command(**given, search=search)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += options if parameter.name == "search" else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
