"""Beam search over the speller's tokens, joined by CTC prefix scores.

Shapes: B utterances, K hypotheses of each (the beam), T listener states, V tokens, L tokens so far. Scores are in nats.

    score = (1-w) log p_att + w log p_ctc + length_bonus · tokens + coverage_bonus · states attended to

log p_ctc is that of the prefix while a hypothesis lives and of the whole transcript once it has ended (Hori, Watanabe et
al. 2017), so a hypothesis cannot outlive the CTC evidence for it. A state counts as attended to when the attention it got,
summed over the output, exceeds 0.5 (Chorowski and Jaitly 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from asr.config import DecodeConfig
from asr.decode.ctc import CTCPrefixScorer, CTCPrefixState
from asr.model.attention import Memory
from asr.model.speller import Speller, SpellerState
from asr.text.tokenizer import BLANK, EOS

COVERED = 0.5
"""attention that a state has got, summed over the output, once it counts as attended to"""

LOOKAHEAD = 10
"""tokens for which a living hypothesis is credited with bonuses still to come, when it is asked whether it can still win"""

DROP_SHARE = 0.5
"""once so many of a batch's utterances are done, the others go on without them"""


@dataclass(frozen=True)
class Hypothesis:
    """One way to read an utterance."""

    tokens: list[int]
    """without end-of-sentence"""
    score: float
    """what hypotheses are ranked by"""
    attention_score: float
    """log p_att, end-of-sentence included"""
    ctc_score: float | None
    """log p_ctc of the whole transcript; None where CTC has no part in the score"""


class _Living(NamedTuple):
    """Hypotheses that go on. One with a score of -inf is no hypothesis: it fills the beam."""

    tokens: Tensor  # (B, K, L)
    attention: Tensor  # (B, K) log p_att so far
    coverage: Tensor  # (B, K, T) attention summed over the output
    speller: SpellerState
    ctc: CTCPrefixState | None


class _Ended(NamedTuple):
    """The best hypotheses that have ended, best first; a score of -inf marks a free place."""

    tokens: Tensor  # (B, K, L), filled up with BLANK
    score: Tensor  # (B, K)
    attention: Tensor  # (B, K)
    ctc: Tensor  # (B, K)


def longest_output(lengths: Tensor, max_tokens_per_state: float) -> Tensor:
    """Numbers of listener states (B,) -> how many tokens an utterance may have (B,); no utterance depends on its batch."""
    return (lengths.double() * max_tokens_per_state).ceil().long().clamp_min(1)


@torch.inference_mode()
def beam_search(
    speller: Speller, memory: Memory, lengths: Tensor, config: DecodeConfig, ctc_log_probs: Tensor | None = None
) -> list[list[Hypothesis]]:
    """The n-best list of each utterance: at most `config.beam` hypotheses, best first, and never none.

    `lengths` (B,) are those of the listener's states, and of `ctc_log_probs` (B, T, V), the log-softmax of the CTC head;
    without it, or with a `ctc_weight` of 0, the attention decides alone.

    In every step end-of-sentence competes with all tokens of all hypotheses, and only where it is among the K best does a
    hypothesis end; the K best tokens live on. So a beam of 1 without CTC and bonuses is greedy search. An utterance is
    done when K hypotheses have ended and none that lives can rank among them. Scores only fall, but for bonuses: a
    living hypothesis is credited with those of its next LOOKAHEAD tokens (and twice as many states: the attention of a
    step sums to 1). Credit up to the longest possible output would keep every search running to its end.
    Whatever lives at that end stays unfinished, unless the utterance has nothing else to show.
    """
    beam = config.beam
    limits = longest_output(lengths, config.max_tokens_per_state)
    utterances = torch.arange(len(lengths))  # of the caller's batch, that are still in ours
    found: list[list[Hypothesis]] = [[] for _ in utterances]

    scorer = CTCPrefixScorer(ctc_log_probs, lengths) if ctc_log_probs is not None and config.ctc_weight > 0 else None
    weight = config.ctc_weight if scorer else 0.0
    token_gain = max(config.length_bonus, 0.0) + 2 * config.coverage_bonus

    living = _start(speller, memory, scorer, beam)
    ended = _Ended(living.tokens, *[torch.full_like(living.attention, -torch.inf)] * 3)
    last = torch.full_like(living.attention, EOS, dtype=torch.long)
    for length in count():
        log_probs, state = speller.step(last, living.speller, memory)
        coverage = living.coverage + state.weights
        attention = living.attention[..., None] + log_probs.double()  # (B, K, V)
        end_attention = attention[..., EOS]
        other = log_probs.index_fill(2, torch.tensor([BLANK, EOS], device=log_probs.device), -torch.inf)
        attention = attention.masked_fill(other < _kth_best(other, config.candidates), -torch.inf)
        ...
