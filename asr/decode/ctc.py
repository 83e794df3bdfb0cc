"""CTC: the best path, the log-probability of a transcript, and the prefix score for joint CTC/attention decoding.

Shapes: B utterances, K hypotheses of each, T listener states (frames of the CTC head), V tokens. Scores are in nats.

CTC (Graves et al. 2006) gives a transcript the summed probability of all its alignments: paths of one symbol a frame, with
blanks and repeats that collapse to the transcript. The probability of a prefix g is that of all transcripts that begin
with it. Hori, Watanabe et al. 2017 ("Joint CTC/attention decoding for end-to-end speech recognition") score hypotheses
of the attention decoder with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss, pad

from asr.decode.scorer import Scorer
from asr.text.tokenizer import BLANK

NEVER = -1e5
"""log 0 in scores: finite, so that impossible hypotheses still rank by their other terms"""

_FLOOR = -1e3
"""least log-probability of a symbol in a frame: e^-1000 is 0 in float64, yet unlike -inf it can be subtracted from a running sum"""


def ctc_greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """Collapse the best path of each utterance.

    Args:
        log_probs: (B, T, V) log-softmax of the CTC head.
        lengths: (B,) frames without padding.

    Returns:
        The tokens of each utterance.
    """
    path = log_probs.argmax(2)
    real = torch.arange(path.shape[1], device=path.device) < lengths[:, None]
    changes = path != pad(path, (1, 0), value=BLANK)[:, :-1]
    kept = real & changes & (path != BLANK)
    return [tokens.tolist() for tokens in torch.split(path[kept], kept.sum(1).tolist())]


def transcript_scores(log_probs: Tensor, lengths: Tensor, transcripts: Sequence[Sequence[int]]) -> Tensor:
    """Sum the probability of whole transcripts over their alignments.

    Args:
        log_probs: (B, T, V) log-softmax of the CTC head.
        lengths: (B,) frames without padding.
        transcripts: the tokens of B transcripts.

    Returns:
        log p_ctc (B,); -inf for a transcript with more tokens, and blanks between equal ones, than frames.
    """
    device = log_probs.device
    counts = torch.tensor([len(t) for t in transcripts], device=device)
    targets = torch.tensor([token for t in transcripts for token in t], dtype=torch.long, device=device)
    return -ctc_loss(log_probs.transpose(0, 1), targets, lengths, counts, blank=BLANK, reduction="none")


class CTCPrefixState(NamedTuple):
    """Log-probabilities of prefixes g; forward ones sum over the alignments of the first t frames that collapse to exactly g."""

    total: Tensor  # (B, K, T + 1) forward, whatever the last symbol
    blank: Tensor  # (B, K, T + 1) forward, the last symbol is blank
    last: Tensor  # (B, K) the last token of g; BLANK when g is empty
    prefix: Tensor  # (B, K) psi(g), of all transcripts that begin with g


class CTCPrefixScorer(Scorer):
    """log p_ctc: the CTC prefix score (Hori, Watanabe et al. 2017).

    With x_c(t) the log-probability of symbol c in frame t = 1..T, and r_n(t), r_b(t) the forward log-probabilities of
    prefix g that end in its last token and in blank, those of g·c are

        r_n'(t) = logaddexp(r_n'(t-1), phi(t-1)) + x_c(t)
        r_b'(t) = logaddexp(r_b'(t-1), r_n'(t-1)) + x_blank(t)
        phi(t)  = logaddexp(r_n(t), r_b(t)), but r_b(t) where c repeats the last token of g: a blank must separate the two

    and the prefix score is psi(g·c) = logsumexp_t(phi(t-1) + x_c(t)): c begins in some frame, and anything may follow. A token adds
    psi(g·c) - psi(g); the end adds log p(g) - psi(g), so that the term of a whole transcript is its log-probability.

    psi of all V tokens is one matrix product of probabilities; r is needed for the chosen tokens only. All is float64, in which the
    running sums of thousands of frames keep their digits.
    """

    name = "ctc"
    state: CTCPrefixState

    def __init__(self, log_probs: Tensor, lengths: Tensor):
        """Score with the log-softmax of the CTC head (B, T, V), of which `lengths` (B,) frames are no padding."""
        self.padding = torch.arange(log_probs.shape[1], device=log_probs.device) >= lengths[:, None]
        log_probs = log_probs.double().clamp_min(_FLOOR).masked_fill(self.padding[..., None], _FLOOR)
        # In padding, blank is certain and no token begins: a transcript keeps the probability it had in its last frame.
        log_probs[..., BLANK].masked_fill_(self.padding, 0.0)
        self.log_probs, self.probs = log_probs, log_probs.exp()

    def start(self, utterances: int, hypotheses: int) -> None:
        blank = pad(self.log_probs[..., BLANK].cumsum(1), (1, 0))[:, None].expand(-1, hypotheses, -1)
        nothing = blank.new_zeros(utterances, hypotheses)
        self.state = CTCPrefixState(blank, blank, torch.full_like(nothing, BLANK, dtype=torch.long), nothing)

    def score(self, prefixes: Tensor) -> Tensor:
        """Score every token; psi is at least NEVER, and a token less probable than e^-700 times g counts as impossible."""
        state = self.state
        before = state.total[..., :-1]
        peak = before.amax(2, keepdim=True).clamp_min(NEVER)
        psi = ((before - peak).exp() @ self.probs).log() + peak
        repeat = (state.blank[..., :-1] - peak).exp() * self._of(state.last, self.probs)
        psi.scatter_(2, state.last[..., None], repeat.sum(2, keepdim=True).log() + peak)
        psi[..., BLANK] = NEVER  # not a token
        self.psi = psi.clamp_min_(NEVER)
        return self.psi - state.prefix[..., None]

    def final(self, prefixes: Tensor) -> Tensor:
        return self.state.total[..., -1].clamp_min(NEVER) - self.state.prefix

    def reorder(self, parents: Tensor) -> None:
        super().reorder(parents)
        self.parents = parents

    def advance(self, tokens: Tensor) -> None:
        state = self.state
        phi = state.blank.where((tokens == state.last)[..., None], state.total)[..., :-1]
        token = _recur(phi.masked_fill(self.padding[:, None], -torch.inf), self._of(tokens, self.log_probs))
        blank = _recur(token[..., :-1], self.log_probs[:, None, :, BLANK])
        rows = torch.arange(len(tokens), device=tokens.device)[:, None]
        self.state = CTCPrefixState(torch.logaddexp(token, blank), blank, tokens, self.psi[rows, self.parents, tokens])

    def drop(self, kept: Tensor) -> None:
        super().drop(kept)
        self.padding, self.log_probs, self.probs = self.padding[kept], self.log_probs[kept], self.probs[kept]

    @staticmethod
    def _of(tokens: Tensor, frames: Tensor) -> Tensor:
        """Gather the value of the tokens (B, K) in each frame (B, T, V): (B, K, T)."""
        return frames.gather(2, tokens[:, None].expand(-1, frames.shape[1], -1)).transpose(1, 2)


def _recur(inflow: Tensor, x: Tensor) -> Tensor:
    """Solve r(t) = logaddexp(r(t-1), inflow(t-1)) + x(t), r(0) = -inf, for inflow and x (..., T): r (..., T + 1).

    A path that enters after frame s adds x(s+1) + ... + x(t) = X(t) - X(s), X being the running sum of x. So
    r(t) = X(t) + logsumexp_{s<t}(inflow(s) - X(s)), which is one cumulative log-sum-exp instead of T steps.
    """
    sums = x.cumsum(-1)
    r = sums + (inflow - (sums - x)).logcumsumexp(-1)
    return pad(r, (1, 0), value=-torch.inf)
