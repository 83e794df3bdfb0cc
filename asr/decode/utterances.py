"""Utterances of a manifest to text, each in one piece, in batches of similar length. (`asr.transcribe` splits recordings at pauses.)"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

import torch

from asr.config import DecodeConfig
from asr.decode.hotwords import Hotwords
from asr.decode.recognize import recognize_verified
from asr.errors import AudioError
from asr.model.checkpoint import TrainedModel
from asr.speech.audio import load_whole, probe
from asr.speech.batches import by_length
from asr.speech.manifest import Utterance
from asr.speech.missing import Missing
from asr.speech.reader import Samples

LONGEST_SECONDS = 120.0  # of an utterance: the listener encodes it in one piece, and memory grows with the length

Item = TypeVar("Item")
Result = TypeVar("Result")


class Recognized(NamedTuple):
    """The text of an utterance.

    Attributes:
        text: the best hypothesis.
        seconds: length of the utterance (s).
        notes: sentences on its recording, such as on sound that is missing.
    """

    text: str
    seconds: float
    notes: tuple[str, ...] = ()


def recognize_utterances(
    model: TrainedModel, utterances: Sequence[Utterance], config: DecodeConfig, batch_seconds: float, hotwords: Hotwords | None = None
) -> Iterator[tuple[int, Recognized | AudioError]]:
    """Transcribe utterances of at most LONGEST_SECONDS; an utterance whose words are held back has an empty text.

    Args:
        model: a trained model.
        utterances: of a manifest.
        config: the search.
        batch_seconds: audio in a batch (s).
        hotwords: phrases to favour.

    Yields:
        The index of each utterance, and its text or the error; unreadable ones first, then by length.
    """
    rate = model.config.model.frontend.sample_rate
    seconds: dict[int, float] = {}
    with ThreadPoolExecutor() as pool:
        for i, found in enumerate(pool.map(_seconds, utterances)):
            if isinstance(found, AudioError):
                yield i, found
            else:
                seconds[i] = found
        usable = list(seconds)
        batches = [[usable[i] for i in batch] for batch in by_length([seconds[i] for i in usable], batch_seconds)]
        missing: dict[int, Missing] = {}
        read = _one_ahead(pool, lambda batch: [_read(utterances[i], rate, partial(missing.__setitem__, i)) for i in batch], batches)
        for batch, audio in zip(batches, read, strict=True):
            yield from ((i, a) for i, a in zip(batch, audio, strict=True) if isinstance(a, AudioError))
            good = [(i, a) for i, a in zip(batch, audio, strict=True) if not isinstance(a, AudioError)]
            if good:
                recognized = recognize_verified(model, [torch.from_numpy(a) for _, a in good], config, hotwords)
                texts = [one.readings[0].text if one.readings else "" for one in recognized]
                for (i, a), text in zip(good, texts, strict=True):
                    yield i, Recognized(text, len(a) / rate, (str(missing.pop(i)),) if i in missing else ())


def _seconds(utterance: Utterance) -> float | AudioError:
    """Return the length of an utterance (s), or the error."""
    try:
        seconds = utterance.duration or probe(utterance.audio_filepath, utterance.track).seconds - utterance.offset
    except AudioError as e:
        return e
    if seconds > LONGEST_SECONDS:
        length = f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min" if seconds >= 3600 else f"{seconds / 60:.1f} min"
        return AudioError(
            f"{utterance.audio_filepath}: {length} long, and an utterance has at most {LONGEST_SECONDS:.0f} s: "
            "use asr transcribe, which splits recordings at pauses"
        )
    return seconds


def _read(utterance: Utterance, rate: int, on_missing: Callable[[Missing], None]) -> Samples | AudioError:
    try:
        return load_whole(utterance.audio_filepath, rate, utterance.offset, utterance.duration, utterance.track, on_missing)
    except AudioError as e:
        return e


def _one_ahead(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Map a function over items like `map`, computing one item ahead of the one in use."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > 1:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
