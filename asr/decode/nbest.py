"""The n-best list of a search: hypotheses that have ended, best first.

Shapes: B utterances, K hypotheses of each (the beam), L tokens so far. Scores are in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from asr.decode.tensors import select
from asr.text.tokenizer import BLANK, EOS


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
    lm_score: float | None = None
    """log p_lm, end-of-sentence included; None where no language model has a part in the score"""
    internal_lm_score: float | None = None
    """log p_ilm, end-of-sentence included; None where it is not taken off"""
    hotword_score: float | None = None
    """credit for the hotwords in it; None where there are none to favour"""


class Ended(NamedTuple):
    """The best hypotheses that have ended, best first; a score of -inf marks a free place."""

    tokens: Tensor  # (B, K, 1 + L) EOS, and what was written; filled up with BLANK
    score: Tensor  # (B, K)
    attention: Tensor  # (B, K)
    ctc: Tensor  # (B, K)
    lm: Tensor  # (B, K)
    internal: Tensor  # (B, K)
    hotwords: Tensor  # (B, K)


def merge(ended: Ended, new: Ended) -> Ended:
    """The K best of both, best first."""
    k, longer = ended.score.shape[1], new.tokens.shape[2] - ended.tokens.shape[2]
    ended = ended._replace(tokens=pad(ended.tokens, (0, longer), value=BLANK))
    both = Ended(*(torch.cat(pair, 1) for pair in zip(ended, new, strict=True)))
    return select(both, both.score.topk(k).indices)


def listed(ended: Ended, with_ctc: bool, with_lm: bool, with_internal: bool, with_hotwords: bool) -> list[list[Hypothesis]]:
    """The n-best list of every utterance; scores that had no part in the search are None."""
    return [
        [
            Hypothesis(
                [t for t in tokens if t not in (BLANK, EOS)],
                score,
                attention,
                ctc if with_ctc else None,
                lm if with_lm else None,
                internal if with_internal else None,
                hotwords if with_hotwords else None,
            )
            for tokens, score, attention, ctc, lm, internal, hotwords in zip(*utterance, strict=True)
            if score != -torch.inf
        ]
        for utterance in zip(*(x.tolist() for x in ended), strict=True)
    ]
