"""Listen, Attend and Spell: front end, listener, speller and CTC head in one network, and the joint loss.

Shapes: B utterances, N samples, T frames, F mel bands, T' listener states, H their size, L tokens, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from asr.config import ModelConfig
from asr.model.listener import Listener
from asr.model.speller import Speller
from asr.speech.frontend import LogMel
from asr.text.tokenizer import BLANK, EOS


class Losses(NamedTuple):
    """Sums over the batch (nats); divide by the number of tokens, end-of-sentence counted, for figures to compare."""

    total: Tensor  # () (1 - w) attention + w ctc
    attention: Tensor  # () label-smoothed cross entropy of the speller
    ctc: Tensor  # () zero without a CTC head


class LAS(nn.Module):
    """The network. `forward` is the loss; to transcribe, `listen` and search (`asr.decode`)."""

    def __init__(self, config: ModelConfig, vocabulary: int):
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.frontend = LogMel(config.frontend)
        self.listener = Listener(config.frontend.mels, config.listener)
        self.speller = Speller(vocabulary, self.listener.size, config.speller, config.attention)
        self.ctc = nn.Linear(self.listener.size, vocabulary) if config.ctc_weight > 0 else None

    def listen(self, waveforms: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N) with their lengths (B,) -> listener states (B, T', H) and their lengths (B,)."""
        features, frames = self.frontend(waveforms, samples)
        states, lengths = self.listener(features.to(next(self.listener.parameters()).dtype), frames)
        return states, lengths

    def ctc_log_probs(self, states: Tensor) -> Tensor | None:
        """Listener states (B, T', H) -> frame-wise log-probabilities (B, T', V), float32; None without a CTC head."""
        return None if self.ctc is None else self.ctc(states).float().log_softmax(2)

    def forward(
        self, features: Tensor, frames: Tensor, targets: Tensor, target_lengths: Tensor, smoothing: float = 0.0, sampling: float = 0.0
    ) -> Losses:
        """Features (B, T, F), frames (B,), targets (B, L) padded with anything, their lengths (B,) -> losses summed over the batch.

        `smoothing` spreads so much of each target over the vocabulary; `sampling` is scheduled sampling's share.
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
