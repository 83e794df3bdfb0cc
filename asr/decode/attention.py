"""Where the speller looks while it writes words that are known: the attention, made visible.

Shapes: T frames, F mel bands, T' listener states, L tokens, W words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr.decode.align import word_places
from asr.model.checkpoint import TrainedModel


@dataclass(frozen=True)
class Look:
    """What the network heard of an utterance, and where it looked."""

    log_mel: Tensor
    """(T, F) natural logarithms of mel power"""
    words: tuple[str, ...]
    weights: Tensor
    """(W, T') share of each word's attention on each state: rows sum to 1"""
    state_seconds: float


@torch.inference_mode()
def look(model: TrainedModel, waveform: Tensor, tokens: Sequence[int]) -> Look:
    """A waveform (N,) at the model's rate and the tokens of its transcript -> where the speller looks while it is made to write them.

    A word's attention is the mean of its tokens'. The words are those of `asr.decode.align.words_of`.
    """
    log_mel, weights = attend(model, waveform, tokens)
    words = word_places(tokens, model.tokenizer)
    rows = [weights[places.start : places.stop].mean(0) for _, places in words]
    return Look(
        log_mel,
        tuple(text for text, _ in words),
        torch.stack(rows) if rows else torch.zeros(0, weights.shape[1]),
        model.config.model.state_seconds,
    )


@torch.inference_mode()
def attend(model: TrainedModel, waveform: Tensor, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A waveform (N,) at the model's rate and L tokens -> its log-mel (T, F), and where the speller looks for each token and the end (L + 1, T')."""
    network = model.network
    device = network.frontend.mean.device
    waveform = waveform[None].to(device)
    states, lengths = network.listen(waveform, torch.tensor([waveform.shape[1]], device=device))
    _, weights = network.speller(states, lengths, torch.tensor([list(tokens)], dtype=torch.long, device=device))
    return network.frontend.log_mel(waveform)[0].cpu(), weights[0].float().cpu()
