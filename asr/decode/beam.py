"""Beam search: the most probable transcripts by a weighted sum of scorers.

    score(y) = (1-w) log p_att(y) + w log p_ctc(y) + lm_weight · (log p_lm(y) - internal_lm · log p_ilm(y))
               + length_bonus · tokens(y) + coverage_bonus · covered states(y) + hotwords(y)
             = Σ weight · Σ_i scorer(y_i | y_1 … y_{i-1})

`asr.decode.scorers.build_scorers` lists the terms, and each scorer names its source. The joint CTC/attention score is that of Hori, Watanabe et al.
2017: log p_ctc is that of the prefix while a hypothesis is active and of the whole transcript once it has ended, so a hypothesis cannot outlive
the CTC evidence for it. Subtracting an internal language model is after Zeineldeen et al. 2021, coverage after Chorowski and Jaitly 2016.

Shapes: B utterances, K hypotheses of each (the main beam, then the side beam), V tokens, L tokens so far, S scorers. Scores are in nats.

At every step, end-of-sentence competes with all tokens of all hypotheses. A hypothesis ends if its end is among the best `beam`, and the best
`beam` tokens go on. So a beam of 1 with the attention term alone is greedy search. At the longest output every hypothesis must end.

An utterance is done when `beam` hypotheses have ended and no active one can still rank among them. Scores decrease monotonically except for
bonuses and the subtracted internal language model. So an active hypothesis is credited with each scorer's optimistic bound for the next
LOOKAHEAD steps. The bound is practical, not strict: bonuses up to the longest output would keep every search running to its end.

Hypotheses with a partial match of a `Matcher` (hotwords) are kept in a side beam, ranked by score plus the value of the match so far. They
enter the main beam, or end, only by completing a match. So where none completes one, the search is the one without the matcher.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from asr.decode.nbest import Ended, Hypothesis, merge, to_lists
from asr.decode.scorer import Matcher, WeightedScorer, select, take
from asr.text.tokenizer import BLANK, EOS

LOOKAHEAD = 10
"""steps for which the bound of an active hypothesis counts bonuses still to come"""

SIDE_BEAM = 1.0
"""size of the side beam, relative to the main beam"""

DROP_SHARE = 0.5
"""share of a batch's utterances that must be done before they are dropped from it"""


class _Active(NamedTuple):
    """Hypotheses that go on; a score of -inf marks a free place."""

    tokens: Tensor  # (B, K, 1 + L) EOS, which the speller starts from, and the text
    score: Tensor  # (B, K)
    terms: Tensor  # (B, K, S) each scorer's part, unweighted


@torch.inference_mode()
def beam_search(scorers: Sequence[WeightedScorer], limits: Tensor, beam: int) -> list[list[Hypothesis]]:
    """Search for the best transcripts of each utterance.

    Args:
        scorers: the terms of the score, see `asr.decode.scorers.build_scorers`.
        limits: (B,) the most tokens that an utterance may have.
        beam: hypotheses kept for an utterance.

    Returns:
        The n-best list of each utterance: at most `beam` hypotheses, best first, and at least one (unless a scorer forbids them all).
    """
    names = [scorer.name for _, scorer in scorers]
    if len(set(names)) < len(names):
        raise ValueError(f"two scorers have one name: {', '.join(names)}")
    matcher, index = next(((scorer, i) for i, (_, scorer) in enumerate(scorers) if isinstance(scorer, Matcher)), (None, 0))
    side = round(SIDE_BEAM * beam) if matcher else 0
    active, ended = _start(len(limits), beam, side, len(scorers), limits.device)
    for _, scorer in scorers:
        scorer.start(len(limits), beam + side)
    special = torch.tensor([BLANK, EOS], device=limits.device)
    remaining = torch.arange(len(limits), device=limits.device)  # indices in the caller's batch
    found: list[list[Hypothesis]] = [[] for _ in limits]

    for length in count():
        at_limit = length >= limits
        steps = [scorer.score(active.tokens) for _, scorer in scorers]  # what each token adds: (B, K, V)
        ends = [scorer.final(active.tokens) for _, scorer in scorers]  # what ending adds: (B, K)
        scores = _weighted_sum(active.score[..., None], scorers, steps)
        scores.index_fill_(2, special, -torch.inf).masked_fill_(at_limit[:, None, None], -torch.inf)
        end = _weighted_sum(active.score, scorers, ends)

        # The best tokens of all hypotheses.
        candidates = _complete_matches(scores, steps[index], beam) if matcher else scores
        best, chosen = candidates.flatten(1).topk(beam)  # (B, beam)

        # Or the end, where it ranks among them. (Comparisons are such that NaN passes: a diverged model still ends.)
        end = _complete_matches(end, ends[index], beam) if matcher else end
        refused = end < torch.cat([end, best], 1).topk(beam).values[:, -1:]
        forced = at_limit & (ended.score[:, 0] == -torch.inf)
        for _, scorer in scorers:
            if (may_end := scorer.may_end()) is not None:
                refused |= ~may_end & ~forced[:, None]
        terms = active.terms + torch.stack([x.expand_as(end) for x in ends], 2)
        ended = merge(ended, Ended(active.tokens, end.masked_fill(refused, -torch.inf), terms))

        if matcher:
            best, chosen = _add_side_beam(scores, best, chosen, matcher.partial(), side)
        parents, tokens = chosen // scores.shape[2], chosen % scores.shape[2]  # (B, K)
        active = _extend(active, best, parents, tokens, [x.expand_as(scores) for x in steps])
        for _, scorer in scorers:
            scorer.reorder(parents)
            scorer.advance(tokens)

        remaining_steps = (limits - length).clamp(0, LOOKAHEAD)[:, None].double()
        done = ~((best + _bound(scorers, remaining_steps)).amax(1) > ended.score[:, -1])
        # An utterance that is done must not go on, or its list would depend on when it is dropped from the batch.
        active = active._replace(score=active.score.masked_fill(done[:, None], -torch.inf))
        if done.sum() >= DROP_SHARE * len(done):
            lists = to_lists(take(ended, done), names)
            for utterance, hypotheses in zip(remaining[done].tolist(), lists, strict=True):
                found[utterance] = hypotheses
            if done.all():
                break
            kept = (~done).nonzero()[:, 0]
            limits, remaining, active, ended = take((limits, remaining, active, ended), kept)
            for _, scorer in scorers:
                scorer.drop(kept)
    return found


def _start(utterances: int, beam: int, side: int, scorers: int, device: torch.device) -> tuple[_Active, Ended]:
    """Return one empty hypothesis for each utterance, and no ended one."""
    tokens = torch.full((utterances, beam + side, 1), EOS, device=device)
    score = torch.full((utterances, beam + side), -torch.inf, dtype=torch.float64, device=device)
    score[:, 0] = 0.0
    terms = score.new_zeros(utterances, beam + side, scorers)
    return _Active(tokens, score, terms), Ended(tokens[:, :beam], torch.full_like(score[:, :beam], -torch.inf), terms[:, :beam])


def _weighted_sum(score: Tensor, scorers: Sequence[WeightedScorer], terms: Sequence[Tensor]) -> Tensor:
    """Add weight · term of each scorer to a score, in float64."""
    for (weight, _), term in zip(scorers, terms, strict=True):
        score = torch.add(score, term, alpha=weight)
    return score


def _extend(active: _Active, score: Tensor, parents: Tensor, tokens: Tensor, steps: Sequence[Tensor]) -> _Active:
    """Append tokens (B, K) to the hypotheses `parents` (B, K); `steps` are what each token adds to the terms, (B, K, V) each."""
    rows = torch.arange(len(parents), device=parents.device)[:, None]
    added = torch.stack([step[rows, parents, tokens].double() for step in steps], 2)
    kept = select(active, parents)
    return _Active(torch.cat([kept.tokens, tokens[..., None]], 2), score, kept.terms + added)


def _bound(scorers: Sequence[WeightedScorer], steps: Tensor) -> Tensor:
    """Bound what all scorers may add to each active hypothesis in the next `steps` (B, 1) steps: (B, K) or (B, 1)."""
    total = torch.zeros_like(steps)
    for weight, scorer in scorers:
        if (bound := scorer.bound(steps)) is not None:
            total = total + (weight * bound).clamp_min(0.0)
    return total


def _complete_matches(scores: Tensor, match: Tensor, beam: int) -> Tensor:
    """Refuse continuations (B, K, ...) of the side beam, unless they complete a match."""
    refused = match.expand_as(scores) == 0
    refused[:, :beam] = False
    return scores.masked_fill(refused, -torch.inf)


def _add_side_beam(scores: Tensor, best: Tensor, chosen: Tensor, partial: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Append the `side` best partial matches among the continuations (B, K, V) that the main beam leaves.

    Args:
        scores: (B, K, V) of all continuations.
        best: (B, beam) scores of the main beam.
        chosen: (B, beam) their indices in K · V.
        partial: (B, K, V) values of partial matches.
        side: size of the side beam.

    Returns:
        Scores and indices (B, beam + side).
    """
    ranks = (scores + partial).masked_fill(partial == 0, -torch.inf).flatten(1).scatter(1, chosen, -torch.inf)
    rank, added = ranks.topk(side)
    score = scores.flatten(1).gather(1, added).masked_fill(rank == -torch.inf, -torch.inf)
    return torch.cat([best, score], 1), torch.cat([chosen, added], 1)
