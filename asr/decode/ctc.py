"""What the CTC head says: the best path, and how probable a prefix is, for joint CTC/attention decoding.

Shapes: B utterances, K hypotheses of each, T listener states (frames of the CTC head), V tokens. Scores are in nats.

CTC (Graves et al. 2006) gives a transcript the summed probability of all its alignments: paths of one symbol a frame, with
blanks and repeats that collapse to the transcript. The probability of a prefix g is that of all transcripts that begin
with it; Hori, Watanabe et al. 2017 ("Joint CTC/attention decoding for end-to-end speech recognition") score hypotheses
of the attention decoder by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss, pad

from asr.text.tokenizer import BLANK

NEVER = -1e5
"""stands for log 0 in scores: hopeless, but finite, so that hopeless hypotheses still rank by their other terms"""

_FLOOR = -1e3
"""the least log-probability of a symbol in a frame. e^-1000 is 0 in float64, yet running sums of it have differences,
which those of -inf have not"""


def ctc_greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """The best path, collapsed: log-probs (B, T, V) and their lengths (B,) -> token ids of each utterance."""
    path = log_probs.argmax(2)
    real = torch.arange(path.shape[1], device=path.device) < lengths[:, None]
    changes = path != pad(path, (1, 0), value=BLANK)[:, :-1]
    kept = real & changes & (path != BLANK)
    return [tokens.tolist() for tokens in torch.split(path[kept], kept.sum(1).tolist())]


def transcript_scores(log_probs: Tensor, lengths: Tensor, transcripts: Sequence[Sequence[int]]) -> Tensor:
    """log p_ctc of whole transcripts (B,), over all their alignments: log-probs (B, T, V), their lengths (B,), B transcripts.

    -inf for one that has more tokens (and blanks between equal ones) than states.
    """
    device = log_probs.device
    counts = torch.tensor([len(t) for t in transcripts], device=device)
    targets = torch.tensor([token for t in transcripts for token in t], dtype=torch.long, device=device)
    return -ctc_loss(log_probs.transpose(0, 1), targets, lengths, counts, blank=BLANK, reduction="none")


class CTCPrefixState(NamedTuple):
    """Forward log-probabilities of hypotheses: over all alignments of the first t frames that collapse to exactly g."""

    total: Tensor  # (B, K, T + 1) whatever the last symbol
    blank: Tensor  # (B, K, T + 1) the last symbol is blank
    last: Tensor  # (B, K) the last token of g; BLANK when g is empty


class CTCPrefixScorer:
    """Scores prefixes, and extends them by a token.

    With x_c(t) the log-probability of symbol c in frame t = 1..T, and r_n(t), r_b(t) the forward log-probabilities of
    prefix g that end in its last token and in blank, those of g·c are

        r_n'(t) = logaddexp(r_n'(t-1), phi(t-1)) + x_c(t)
        r_b'(t) = logaddexp(r_b'(t-1), r_n'(t-1)) + x_blank(t)
        phi(t)  = logaddexp(r_n(t), r_b(t)), but r_b(t) where c repeats the last token of g: a blank has to part the two

    and the prefix score is psi(g·c) = logsumexp_t(phi(t-1) + x_c(t)): c is begun in some frame, and anything may follow.

    Hence psi of all V tokens is one matrix product of probabilities, and r is needed for the chosen tokens alone.
    All is float64, in which the running sums of thousands of frames keep their digits.
    """

    def __init__(self, log_probs: Tensor, lengths: Tensor):
        """Log-softmax of the CTC head (B, T, V), and the number of its real frames (B,)."""
        self.padding = torch.arange(log_probs.shape[1], device=log_probs.device) >= lengths[:, None]
        log_probs = log_probs.double().clamp_min(_FLOOR).masked_fill(self.padding[..., None], _FLOOR)
        # In padding, blank is certain and no token begins: what a transcript had at its last real frame, it keeps.
        log_probs[..., BLANK].masked_fill_(self.padding, 0.0)
        self.log_probs, self.lengths = log_probs, lengths
        self.probs = log_probs.exp()

    def subset(self, utterances: Tensor) -> CTCPrefixScorer:
        """The scorer of some utterances, by index (B',) or mask (B,)."""
        return CTCPrefixScorer(self.log_probs[utterances], self.lengths[utterances])

    def start(self, hypotheses: int = 1) -> CTCPrefixState:
        """The empty prefix: blanks only."""
        blank = pad(self.log_probs[..., BLANK].cumsum(1), (1, 0))[:, None].expand(-1, hypotheses, -1)
        return CTCPrefixState(blank, blank, torch.full_like(blank[..., 0], BLANK, dtype=torch.long))

    def score(self, state: CTCPrefixState) -> tuple[Tensor, Tensor]:
        """Log-probabilities of prefixes g.

        Returns psi(g·c) for every token c (B, K, V), which no transcript that begins so can exceed, and log p(g) (B, K),
        g being all that was said. Both are at least NEVER; a token less probable than e^-700 times g counts as impossible.
        """
        before = state.total[..., :-1]
        peak = before.amax(2, keepdim=True).clamp_min(NEVER)
        psi = ((before - peak).exp() @ self.probs).log() + peak
        repeat = (state.blank[..., :-1] - peak).exp() * self._of(state.last, self.probs)
        psi.scatter_(2, state.last[..., None], repeat.sum(2, keepdim=True).log() + peak)
        psi[..., BLANK] = NEVER  # not a token
        return psi.clamp_min(NEVER), state.total[..., -1].clamp_min(NEVER)

    def extend(self, state: CTCPrefixState, tokens: Tensor) -> CTCPrefixState:
        """Hypotheses, each extended by one token (B, K)."""
        phi = state.blank.where((tokens == state.last)[..., None], state.total)[..., :-1]
        token = _recur(phi.masked_fill(self.padding[:, None], -torch.inf), self._of(tokens, self.log_probs))
        blank = _recur(token[..., :-1], self.log_probs[:, None, :, BLANK])
        return CTCPrefixState(torch.logaddexp(token, blank), blank, tokens)

    @staticmethod
    def _of(tokens: Tensor, frames: Tensor) -> Tensor:
        """What each frame (B, T, V) gives to the tokens (B, K): (B, K, T)."""
        return frames.gather(2, tokens[:, None].expand(-1, frames.shape[1], -1)).transpose(1, 2)


def _recur(inflow: Tensor, x: Tensor) -> Tensor:
    """Solve r(t) = logaddexp(r(t-1), inflow(t-1)) + x(t), r(0) = -inf, for inflow and x (..., T): r (..., T + 1).

    A path that flows in after frame s meets x(s+1) ... x(t) = X(t) - X(s), X being the running sum of x. So
    r(t) = X(t) + logsumexp_{s<t}(inflow(s) - X(s)), which comes out of one cumulative log-sum-exp instead of T steps.
    """
    sums = x.cumsum(-1)
    r = sums + (inflow - (sums - x)).logcumsumexp(-1)
    return pad(r, (1, 0), value=-torch.inf)
