"""Waveforms to text with a trained model: listen, search, write.

Shapes: B utterances, N samples, T listener states, H their size, V vocabulary.
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
    states, lengths = listen(model, waveforms)
    log_probs = model.network.ctc_log_probs(states) if config.ctc_weight > 0 else None
    return search(model, states, lengths, log_probs, config, hotwords)


def check_search(model: TrainedModel, config: DecodeConfig, hotwords: Hotwords | None = None) -> None:
    """Raises UsageError for a search that the model cannot do."""
    if hotwords and config.ctc_weight == 0:
        raise UsageError("hotwords need a CTC weight above 0 (and a model with a CTC head): without it the search would repeat them")
    if config.ctc_weight > 0 and model.network.ctc is None:
        raise UsageError("this model has no CTC head: decode with a CTC weight of 0")
    if config.lm_weight > 0 and model.lm is None:
        raise UsageError("this model has no language model: name one, or decode with a language model weight of 0")


def listen(model: TrainedModel, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Waveforms, (N,) each -> listener states (B, T, H) and their lengths (B,)."""
    device = model.network.frontend.mean.device
    samples = torch.tensor([len(w) for w in waveforms], device=device)
    padded = pad_sequence([w if len(w) else w.new_zeros(1) for w in waveforms], batch_first=True).to(device)
    return model.network.listen(padded, samples)


def search(
    model: TrainedModel,
    states: Tensor,
    lengths: Tensor,
    log_probs: Tensor | None,
    config: DecodeConfig,
    hotwords: Hotwords | None = None,
) -> list[list[Recognition]]:
    """Listener states (B, T, H), their lengths (B,) and the CTC head's log-probs (B, T, V) -> the n-best list of each utterance."""
    check_search(model, config, hotwords)
    speller = model.network.speller
    memory = speller.memory(states, lengths)
    if _is_greedy(config):
        found = greedy_search(speller, memory, lengths, config.max_tokens_per_state)
    else:
        favoured = hotwords.to(states.device) if hotwords else None
        found = beam_search(speller, memory, lengths, config, log_probs, model.lm.network if model.lm else None, favoured)
    return [[Recognition(model.tokenizer.decode(h.tokens), h) for h in hypotheses] for hypotheses in found]


def _is_greedy(config: DecodeConfig) -> bool:
    """Whether the beam search would find what the greedy one finds, which is faster."""
    nothing_else_counts = config.ctc_weight == config.lm_weight == config.length_bonus == config.coverage_bonus == 0
    return config.beam == 1 and nothing_else_counts and config.eos_threshold is None


def best_texts(results: Iterable[list[Recognition]]) -> list[str]:
    """The first text of each n-best list."""
    return [nbest[0].text for nbest in results]
