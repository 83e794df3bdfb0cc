"""How good the network is while it trains: its dev WER."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from asr.config import DecodeConfig
from asr.decode.recognize import best_texts, recognize
from asr.errors import AudioError
from asr.model.checkpoint import TrainedModel
from asr.score.wer import Score, score
from asr.speech.batches import BatchDataset, by_length


def evaluate(model: TrainedModel, dev: BatchDataset, config: DecodeConfig, batch_seconds: float, accelerator: Accelerator) -> Score:
    """Decode the dev utterances, shared out over the processes, and score them on each process alike."""
    batches = by_length([e.seconds for e in dev.examples], batch_seconds)
    found: list[tuple[int, str]] = []
    for batch in batches[accelerator.process_index :: accelerator.num_processes]:
        waveforms = [dev_waveform(dev, i) for i in batch]
        found += zip(batch, best_texts(recognize(model, waveforms, config)), strict=True)
    texts = dict(gather_object(found))
    references = [e.utterance.text or "" for e in dev.examples]
    return score(references, [texts[i] for i in range(len(references))])


def dev_waveform(dev: BatchDataset, i: int) -> torch.Tensor:
    """(N,) samples; none where the recording has become unreadable, so that its words count as deletions."""
    try:
        return torch.from_numpy(dev.read(i))
    except AudioError:
        return torch.zeros(0)
