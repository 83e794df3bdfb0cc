"""Waveforms to text with a trained model: listen, search, write.

Shapes: B utterances, N samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.config import DecodeConfig
from asr.decode.beam import beam_search
from asr.decode.greedy import greedy_search
from asr.decode.hotwords import Hotwords
from asr.decode.nbest import Hypothesis
from asr.errors import UsageError
from asr.model.checkpoint import TrainedModel

LONGEST_SECONDS = 120.0  # of one recording: the listener hears all of it at once, and its memory grows with the length


@dataclass(frozen=True)
class Recognition:
    """One way to read an utterance."""

    text: str
    hypothesis: Hypothesis


@torch.inference_mode()
def recognize(
    model: TrainedModel, waveforms: Sequence[Tensor], config: DecodeConfig | None = None, hotwords: Hotwords | None = None
) -> list[list[Recognition]]:
    """Transcribe a batch of waveforms, (N,) each, at the model's sample rate.

    `hotwords`, of the model's pieces (`load_hotwords`), are favoured. Raises UsageError where CTC has no part in the search: what is
    written would gain by every repetition of a hotword, and only the CTC evidence says that it was not said again.

    Returns for each its n-best list, best first (never empty). A waveform without samples reads as empty text.
    """
    config = config or model.config.decode
    if hotwords and config.ctc_weight == 0:
        raise UsageError("hotwords need a CTC weight above 0 (and a model with a CTC head): without it the search would repeat them")
    network = model.network
    device = network.frontend.mean.device
    samples = torch.tensor([len(w) for w in waveforms], device=device)
    padded = pad_sequence([w if len(w) else w.new_zeros(1) for w in waveforms], batch_first=True).to(device)
    states, lengths = network.listen(padded, samples)
    memory = network.speller.memory(states, lengths)
    if config.beam == 1 and config.ctc_weight == config.lm_weight == 0 and config.eos_threshold is None:
        found = greedy_search(network.speller, memory, lengths, config.max_tokens_per_state)
    else:
        log_probs = network.ctc_log_probs(states) if config.ctc_weight > 0 else None
        favoured = hotwords.to(device) if hotwords else None
        found = beam_search(network.speller, memory, lengths, config, log_probs, model.lm, favoured)
    return [[Recognition(model.tokenizer.decode(h.tokens), h) for h in hypotheses] for hypotheses in found]


def best_texts(results: Iterable[list[Recognition]]) -> list[str]:
    """The first text of each n-best list."""
    return [nbest[0].text for nbest in results]
