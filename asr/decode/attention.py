"""Where the speller looks while it writes words that are known: the attention, made visible.

Shapes: T frames, F mel bands, T' listener states, L tokens, W words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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
    network, tokenizer = model.network, model.tokenizer
    device = network.frontend.mean.device
    waveform = waveform[None].to(device)
    states, lengths = network.listen(waveform, torch.tensor([waveform.shape[1]], device=device))
    _, weights = network.speller(states, lengths, torch.tensor([list(tokens)], dtype=torch.long, device=device))
    groups: list[list[int]] = []
    for place, token in enumerate(tokens):
        if not groups or tokenizer.begins_word(token):
            groups.append([])
        groups[-1].append(place)
    texts = [tokenizer.decode([tokens[place] for place in group]) for group in groups]
    written = [(text, group) for text, group in zip(texts, groups, strict=True) if text]
    rows = [weights[0, group].float().mean(0) for _, group in written]
    return Look(
        network.frontend.log_mel(waveform)[0].cpu(),
        tuple(text for text, _ in written),
        torch.stack(rows).cpu() if rows else torch.zeros(0, states.shape[1]),
        model.config.model.listener.reduction * model.config.model.frontend.hop_ms / 1000,
    )
