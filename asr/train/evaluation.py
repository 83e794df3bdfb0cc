"""Evaluation during training: dev WER, and the CTC evidence of the transcripts.

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
from asr.decode.recognize import best_texts, listen, search
from asr.decode.recognize import evidence as ctc_evidence
from asr.errors import AudioError
from asr.model.checkpoint import TrainedModel
from asr.score.wer import Score, score
from asr.speech.batches import BatchDataset, by_length

DOUBTED = 20  # at most one in 20 dev transcripts is doubted
MIN_TEXTS = 20  # transcripts that are needed to calibrate the bounds


class Evaluation(NamedTuple):
    """Results on the dev utterances."""

    score: Score
    evidence: list[float]
    """CTC log-probability per token of each transcript that is not empty (nats). No items without a CTC head."""


@torch.inference_mode()
def evaluate(model: TrainedModel, dev: BatchDataset, config: DecodeConfig, batch_seconds: float, accelerator: Accelerator) -> Evaluation:
    """Decode the dev utterances, distributed over the processes, and score them on every process.

    Args:
        model: The network to evaluate.
        dev: The utterances.
        config: The search.
        batch_seconds: Maximum padded audio per batch (s).
        accelerator: The processes.
    """
    batches = by_length([e.seconds for e in dev.examples], batch_seconds)
    found: list[tuple[int, str, float]] = []
    for batch in batches[accelerator.process_index :: accelerator.num_processes]:
        states, lengths = listen(model, [dev_waveform(dev, i) for i in batch])
        log_probs = model.network.ctc_log_probs(states)
        readings = search(model, states, lengths, log_probs if config.ctc_weight > 0 else None, config)
        scores = ctc_evidence(log_probs, lengths, readings) if log_probs is not None else [0.0] * len(batch)
        found += zip(batch, best_texts(readings), scores, strict=True)
    all_found = sorted(gather_object(found))
    references = [e.utterance.text or "" for e in dev.examples]
    scores = [ctc for _, text, ctc in all_found if text and model.network.ctc is not None]
    return Evaluation(score(references, [text for _, text, _ in all_found]), scores)


def calibrate_bounds(config: DecodeConfig, evidence: Sequence[float], pieces: int) -> DecodeConfig:
    """Lower `doubtful_below` and `invented_below` by the same amount until 19 of 20 dev transcripts pass.

    The defaults suit the bundled model. The CTC head of another model may be less certain. Bounds that are not the default stay unchanged.

    Args:
        config: The search.
        evidence: CTC log-probabilities per token from `evaluate` (nats).
        pieces: Vocabulary size. log(1 / pieces), chance level, is the lowest bound considered.
    """
    default = DecodeConfig()
    if len(evidence) < MIN_TEXTS or (config.doubtful_below, config.invented_below) != (default.doubtful_below, default.invented_below):
        return config
    bound = max(sorted(evidence)[len(evidence) // DOUBTED], -math.log(pieces))
    lower = min(0.0, math.floor(100 * (bound - config.doubtful_below)) / 100)
    bounds = {name: round(getattr(config, name) + lower, 2) for name in ("doubtful_below", "invented_below")}
    return config.model_copy(update=bounds if lower else {})


def dev_waveform(dev: BatchDataset, i: int) -> torch.Tensor:
    """Return the samples (N,) of a dev utterance, or none if it has become unreadable, so that its words count as deletions."""
    try:
        return torch.from_numpy(dev.read(i))
    except AudioError:
        return torch.zeros(0)
