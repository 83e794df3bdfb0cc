"""The n-best list of a search: hypotheses that have ended, best first.

Shapes: B utterances, K hypotheses of each (the beam), L tokens so far, S scorers. Scores are in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from asr.decode.scorer import select
from asr.text.tokenizer import BLANK, EOS


@dataclass(frozen=True)
class Hypothesis:
    """A transcript, and how the search scores it."""

    tokens: list[int]
    """without end-of-sentence"""
    score: float
    """the weighted sum of `scores`, which hypotheses are ranked by"""
    scores: dict[str, float] = field(default_factory=dict)
    """each term of the score, unweighted, by the scorer's name; log-probabilities include end-of-sentence"""


class Ended(NamedTuple):
    """The best hypotheses that have ended, best first; a score of -inf marks a free place."""

    tokens: Tensor  # (B, K, 1 + L) EOS and the text, padded with BLANK
    score: Tensor  # (B, K)
    terms: Tensor  # (B, K, S)


def merge(ended: Ended, new: Ended) -> Ended:
    """Merge two lists into the K best of both, best first."""
    k, longer = ended.score.shape[1], new.tokens.shape[2] - ended.tokens.shape[2]
    ended = ended._replace(tokens=pad(ended.tokens, (0, longer), value=BLANK))
    both = Ended(*(torch.cat(pair, 1) for pair in zip(ended, new, strict=True)))
    return select(both, both.score.topk(k).indices)


def to_lists(ended: Ended, names: Sequence[str]) -> list[list[Hypothesis]]:
    """Turn the tensors into the n-best list of each utterance; `names` (S,) are those of the scorers."""
    return [
        [
            Hypothesis([t for t in tokens if t not in (BLANK, EOS)], score, dict(zip(names, terms, strict=True)))
            for tokens, score, terms in zip(*utterance, strict=True)
            if score != -torch.inf
        ]
        for utterance in zip(*(x.tolist() for x in ended), strict=True)
    ]
