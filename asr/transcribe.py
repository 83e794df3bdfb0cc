"""Recordings to transcripts: files read, batched by length, recognised, and given back one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from asr.config import DecodeConfig
from asr.decode.recognize import LONGEST_SECONDS, recognize
from asr.errors import AudioError, UsageError
from asr.model.checkpoint import TrainedModel, load_model
from asr.speech.audio import load_audio, probe
from asr.speech.batches import by_length
from asr.speech.manifest import Utterance
from asr.transcript import Reading, Transcript

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH_SECONDS = 120.0  # of audio decoded together; more costs memory and gains nothing on a CPU


def embedded_model() -> Path:
    """The folder of the model that comes with the package."""
    return Path(str(files("asr") / "pretrained"))


class Transcriber:
    """A model, ready to transcribe.

    >>> transcriber = Transcriber()
    >>> transcriber.transcribe("recording.flac").text
    """

    def __init__(
        self,
        model: TrainedModel | Path | str | None = None,
        device: str = "auto",
        decode: DecodeConfig | None = None,
        batch_seconds: float = BATCH_SECONDS,
    ):
        """`model` is a loaded one or a folder; without it, the one in the package. `device` is auto, cpu, or a torch device.

        Raises UsageError for a device that is not there or a search that the model cannot do, and what `load_model` raises.
        """
        chosen = pick_device(device)
        self.model = model if isinstance(model, TrainedModel) else load_model(Path(model) if model else embedded_model(), chosen)
        self.decode = decode or self.model.config.decode
        if self.decode.ctc_weight > 0 and self.model.network.ctc is None:
            raise UsageError("this model has no CTC head: decode with a CTC weight of 0")
        if self.decode.lm_weight > 0 and self.model.lm is None:
            raise UsageError("this model has no language model: name one, or decode with a language model weight of 0")
        self.batch_seconds = batch_seconds
        self.sample_rate = self.model.config.model.frontend.sample_rate

    def transcribe(self, audio: Path | str | np.ndarray) -> Transcript:
        """Transcribe a file, or samples (N,) float32 in [-1, 1] at the model's sample rate. Raises AudioError."""
        if isinstance(audio, np.ndarray):
            if audio.ndim != 1 or not np.isfinite(audio).all():
                raise AudioError(f"samples of shape {audio.shape}: expected one channel (N,) of finite numbers")
            if error := _too_long("samples", len(audio) / self.sample_rate):
                raise error
            return self._recognize([audio.astype(np.float32)], ["<samples>"])[0]
        return self._recognize([self._read(_utterance(Path(audio)))], [str(audio)])[0]

    def transcribe_files(self, paths: Sequence[Path]) -> Iterator[tuple[int, Transcript | AudioError]]:
        """`transcribe_utterances` of whole files."""
        return self.transcribe_utterances([_utterance(path) for path in paths])

    def transcribe_utterances(self, utterances: Sequence[Utterance]) -> Iterator[tuple[int, Transcript | AudioError]]:
        """Transcribe many: yields (index, transcript or what is wrong with the recording) in order of length, not of `utterances`."""
        seconds: dict[int, float] = {}
        with ThreadPoolExecutor() as pool:
            for i, found in enumerate(pool.map(_seconds, utterances)):
                if isinstance(found, AudioError):
                    yield i, found
                else:
                    seconds[i] = found
            usable = list(seconds)
            batches = [[usable[i] for i in batch] for batch in by_length([seconds[i] for i in usable], self.batch_seconds)]
            read = _one_ahead(pool, lambda batch: [self._try_read(utterances[i]) for i in batch], batches)
            for batch, audio in zip(batches, read, strict=True):
                good = [(i, a) for i, a in zip(batch, audio, strict=True) if isinstance(a, np.ndarray)]
                yield from ((i, a) for i, a in zip(batch, audio, strict=True) if isinstance(a, AudioError))
                if good:
                    transcripts = self._recognize([a for _, a in good], [str(utterances[i].audio_filepath) for i, _ in good])
                    yield from zip([i for i, _ in good], transcripts, strict=True)

    def attention_picture(self, utterance: Utterance, text: str) -> str | None:
        """Where the model looks while it writes `text`, as a `data:` address of a picture for a web page; None for a text that is too
        long to be drawn. Raises AudioError."""
        from asr.decode.picture import picture_in_page

        return picture_in_page(self.model, torch.from_numpy(self._read(utterance)), text)

    def _recognize(self, audio: list[np.ndarray], names: list[str]) -> list[Transcript]:
        found = recognize(self.model, [torch.from_numpy(a) for a in audio], self.decode)
        return [
            Transcript(
                name,
                len(a) / self.sample_rate,
                tuple(
                    Reading(r.text, r.hypothesis.score, r.hypothesis.attention_score, r.hypothesis.ctc_score, r.hypothesis.lm_score)
                    for r in nbest
                ),
            )
            for name, a, nbest in zip(names, audio, found, strict=True)
        ]

    def _read(self, utterance: Utterance) -> np.ndarray:
        length = _seconds(utterance)
        if isinstance(length, AudioError):
            raise length
        return load_audio(utterance.audio_filepath, self.sample_rate, utterance.offset, utterance.duration)

    def _try_read(self, utterance: Utterance) -> np.ndarray | AudioError:
        try:
            return self._read(utterance)
        except AudioError as e:
            return e


def pick_device(name: str) -> torch.device:
    """`auto` is the first GPU, or else the CPU. Raises UsageError when the device is unknown or not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise UsageError(f"device {name!r} is not there: use auto, cpu, or cuda on a machine with a GPU") from None
    return device


def _one_ahead(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Like `map`, with the next item under way while one is used, and no more in memory than that."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > 1:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _utterance(path: Path) -> Utterance:
    return Utterance(id=path.stem, audio_filepath=path)


def _seconds(utterance: Utterance) -> float | AudioError:
    """Length of an utterance, or why it cannot be transcribed."""
    try:
        seconds = utterance.duration or probe(utterance.audio_filepath).seconds - utterance.offset
    except AudioError as e:
        return e
    return _too_long(str(utterance.audio_filepath), seconds) or seconds


def _too_long(name: str, seconds: float) -> AudioError | None:
    if seconds <= LONGEST_SECONDS:
        return None
    length = f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min" if seconds >= 3600 else f"{seconds / 60:.1f} min"
    return AudioError(f"{name}: {length} long, and at most {LONGEST_SECONDS:.0f} s can be heard at once: cut it at pauses")
