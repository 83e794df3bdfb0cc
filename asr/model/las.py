"""Listen, Attend and Spell: front end, listener, speller and CTC head in one network, and the joint loss.

Shapes: B utterances, N samples, T frames, F mel bands, T' listener states, H their size, L tokens, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import ModelConfig
from asr.model.kinds import build_listener, build_speller
from asr.speech.frontend import LogMel
from asr.text.tokenizer import BLANK, EOS


class Losses(NamedTuple):
    """Losses summed over the batch (nats). Divide by the number of tokens, EOS included, to compare batches."""

    total: Tensor  # () (1 - w) attention + w ctc
    attention: Tensor  # () label-smoothed cross entropy
    ctc: Tensor  # () 0 without a CTC head


class LAS(nn.Module):
    """The network. `forward` computes the losses. To transcribe, call `listen` and search (`asr.decode`).

    Args:
        config: Sections of the network.
        vocabulary: V.
    """

    def __init__(self, config: ModelConfig, vocabulary: int):
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.frontend = LogMel(config.frontend)
        self.listener = build_listener(config.frontend.mels, config.listener)
        self.speller = build_speller(vocabulary, self.listener.layout, config.speller, config.attention)
        self.ctc = nn.Linear(self.listener.layout.size, vocabulary) if config.ctc_weight > 0 else None

    def listen(self, waveforms: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Encode waveforms (B, N) with lengths (B,). Returns listener states (B, T', H) and their lengths (B,)."""
        features, frames = self.frontend(waveforms, samples)
        states, lengths = self.listener(features.to(next(self.listener.parameters()).dtype), frames)
        return states, lengths

    def ctc_log_probs(self, states: Tensor) -> Tensor | None:
        """Return the CTC log-probabilities (B, T', V), float32, of listener states (B, T', H); None without a CTC head."""
        return None if self.ctc is None else self.ctc(states).float().log_softmax(2)

    def forward(
        self, features: Tensor, frames: Tensor, targets: Tensor, target_lengths: Tensor, smoothing: float = 0.0, sampling: float = 0.0
    ) -> Losses:
        """Compute the losses.

        Args:
            features: (B, T, F).
            frames: (B,) real frames.
            targets: (B, L) tokens without EOS, padded with anything valid.
            target_lengths: (B,) real tokens.
            smoothing: Probability mass of each target that label smoothing spreads over the vocabulary.
            sampling: Fraction of input tokens drawn from the model itself (scheduled sampling).
        """
        states, lengths = self.listener(features, frames)
        positions = torch.arange(targets.shape[1] + 1, device=targets.device)
        targets = targets.masked_fill(positions[:-1] >= target_lengths[:, None], BLANK)
        logits, _ = self.speller(states, lengths, targets, sampling)

        expected = nn.functional.pad(targets, (0, 1), value=BLANK).masked_fill(positions == target_lengths[:, None], EOS)
        expected = expected.masked_fill(positions > target_lengths[:, None], -100)
        attention = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), expected.flatten(), ignore_index=-100, reduction="sum", label_smoothing=smoothing
        )
        log_probs = self.ctc_log_probs(states)
        if log_probs is None:
            return Losses(attention, attention, torch.zeros_like(attention))
        ctc = nn.functional.ctc_loss(
            log_probs.transpose(0, 1), targets, lengths, target_lengths, blank=BLANK, reduction="sum", zero_infinity=True
        )
        weight = self.config.ctc_weight
        return Losses((1 - weight) * attention + weight * ctc, attention, ctc)
