"""Evaluation during training: dev WER, and the CTC log-probability of the transcripts.

Shapes: N samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from asr.config import DecodeConfig
from asr.decode.recognize import best_texts, evidence, listen, search
from asr.errors import AudioError
from asr.model.checkpoint import TrainedModel
from asr.score.wer import Score, score
from asr.speech.batches import BatchDataset, by_length

DOUBTED = 20  # one in so many of the texts that are written of dev speech, at most
LEAST_TEXTS = 20  # from which bounds can be told


class Evaluation(NamedTuple):
    """What became of the dev utterances."""

    score: Score
    evidence: list[float]
    """CTC log-probability of each transcript, per token (nats); none without a CTC head"""


@torch.inference_mode()
def evaluate(model: TrainedModel, dev: BatchDataset, config: DecodeConfig, batch_seconds: float, accelerator: Accelerator) -> Evaluation:
    """Decode the dev utterances, shared out over the processes, and score them on each process alike."""
    batches = by_length([e.seconds for e in dev.examples], batch_seconds)
    found: list[tuple[int, str, float]] = []
    for batch in batches[accelerator.process_index :: accelerator.num_processes]:
        states, lengths = listen(model, [dev_waveform(dev, i) for i in batch])
        log_probs = model.network.ctc_log_probs(states)
        readings = search(model, states, lengths, log_probs if config.ctc_weight > 0 else None, config)
        borne_out = evidence(log_probs, lengths, readings) if log_probs is not None else [0.0] * len(batch)
        found += zip(batch, best_texts(readings), borne_out, strict=True)
    all_found = sorted(gather_object(found))
    references = [e.utterance.text or "" for e in dev.examples]
    witnessed = [borne_out for _, text, borne_out in all_found if text and model.network.ctc is not None]
    return Evaluation(score(references, [text for _, text, _ in all_found]), witnessed)


def trusting(config: DecodeConfig, borne_out: Sequence[float], pieces: int) -> DecodeConfig:
    """The search with its bounds lowered, both by as much, until 19 of 20 texts that the model writes of dev speech are trusted.

    The bounds by default are those of one model, and another's CTC head may be less sure of what is right. `borne_out` is the evidence that
    `evaluate` gives, `pieces` is the vocabulary size; log(1/pieces), chance level, is the lowest bound. Bounds other than the default stay.
    """
    default = DecodeConfig()
    if len(borne_out) < LEAST_TEXTS or (config.doubtful_below, config.invented_below) != (default.doubtful_below, default.invented_below):
        return config
    bound = max(sorted(borne_out)[len(borne_out) // DOUBTED], -math.log(pieces))
    lower = min(0.0, math.floor(100 * (bound - config.doubtful_below)) / 100)
    bounds = {name: round(getattr(config, name) + lower, 2) for name in ("doubtful_below", "invented_below")}
    return config.model_copy(update=bounds if lower else {})


def dev_waveform(dev: BatchDataset, i: int) -> torch.Tensor:
    """(N,) samples; none where the recording has become unreadable, so that its words count as deletions."""
    try:
        return torch.from_numpy(dev.read(i))
    except AudioError:
        return torch.zeros(0)
