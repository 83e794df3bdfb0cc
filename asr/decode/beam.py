"""Beam search over the speller's tokens, joined by CTC prefix scores, a language model and hotwords.

Shapes: B utterances, K hypotheses of each (the beam), T listener states, V tokens, L tokens so far. Scores are in nats.

    score = (1-w) log p_att + w log p_ctc + lm_weight · (log p_lm - internal_lm · log p_ilm)
            + length_bonus · tokens + coverage_bonus · states attended to + worth of hotwords

log p_ctc is that of the prefix while a hypothesis lives and of the whole transcript once it has ended (Hori, Watanabe et
al. 2017), so a hypothesis cannot outlive the CTC evidence for it. A state counts as attended to when the attention it got,
summed over the output, exceeds 0.5 (Chorowski and Jaitly 2016).

log p_lm, of a language model over the same tokens, is shallow fusion (Gulcehre et al. 2015). The speller has learnt a language
model too, from the few sentences of its transcripts: log p_ilm is what it says of a text when all that it hears is the mean of
the utterance's states (Zeineldeen et al. 2021, "Investigating methods to improve language model integration for attention-based
encoder-decoder ASR models"). Taken off, it leaves matters of language to the model that has read more.

The worth of the hotwords that a hypothesis has completed is defined in hotwords.py. Those that are spelling one have places of
their own beside the beam, by their score and what they promise; from there they come into the beam, or end, by completing it. So
where none completes one, the search is the one without hotwords.
"""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from asr.config import DecodeConfig
from asr.decode.ctc import CTCPrefixScorer, CTCPrefixState
from asr.decode.hotwords import Hotwords
from asr.decode.nbest import Ended, Hypothesis, listed, merge
from asr.decode.tensors import change, select
from asr.model.attention import Memory
from asr.model.lm import LanguageModel, LMState
from asr.model.speller import Speller, SpellerState
from asr.text.tokenizer import BLANK, EOS

COVERED = 0.5
"""attention that a state has got, summed over the output, once it counts as attended to"""

LOOKAHEAD = 10
"""steps for which a living hypothesis is credited with bonuses still to come, when it is asked whether it can still win"""

PROMISING = 1.0
"""places for hypotheses that are spelling a hotword, for each of the beam"""

DROP_SHARE = 0.5
"""once so many of a batch's utterances are done, the others go on without them"""


class _Living(NamedTuple):
    """Hypotheses that go on, K of the beam and, with hotwords, promising ones. One with a score of -inf is none: it fills a place."""

    tokens: Tensor  # (B, K, 1 + L) EOS, which the speller starts from, and what it has written
    attention: Tensor  # (B, K) log p_att so far
    coverage: Tensor  # (B, K, T) attention summed over the output
    speller: SpellerState
    ctc: CTCPrefixState | None
    lm: Tensor  # (B, K) log p_lm so far; zero without a language model
    lm_state: LMState | None
    internal: Tensor  # (B, K) log p_ilm so far; zero where it is not taken off
    internal_state: SpellerState | None
    hotwords: Tensor  # (B, K) worth of hotwords so far; zero without them
    spelling: Tensor  # (B, K) state of the hotwords, likewise


def longest_output(lengths: Tensor, max_tokens_per_state: float) -> Tensor:
    """Numbers of listener states (B,) -> how many tokens an utterance may have (B,); no utterance depends on its batch."""
    return (lengths.double() * max_tokens_per_state).ceil().long().clamp_min(1)


@torch.inference_mode()
def beam_search(
    speller: Speller,
    memory: Memory,
    lengths: Tensor,
    config: DecodeConfig,
    ctc_log_probs: Tensor | None = None,
    lm: LanguageModel | None = None,
    hotwords: Hotwords | None = None,
) -> list[list[Hypothesis]]:
    """The n-best list of each utterance: at most `config.beam` hypotheses, best first, and never none.

    `lengths` (B,) are those of the listener's states, and of `ctc_log_probs` (B, T, V), the log-softmax of the CTC head;
    without it, or with a `ctc_weight` of 0, it has no part in the score; nor has `lm` with an `lm_weight` of 0. `hotwords` are
    on the device of the rest, and of the speller's pieces.

    At every step, end-of-sentence competes with all tokens of all hypotheses: where it is among the K best a hypothesis
    ends, and the K best tokens live on. So a beam of 1 without CTC and bonuses is greedy search. At the longest output
    there is nothing left but to end; `eos_threshold` is waived there for an utterance that has nothing else to show.

    An utterance is done when K hypotheses have ended and none that lives can still rank among them. Scores only fall, but
    for bonuses and what is taken off: a living hypothesis is credited with those of its next LOOKAHEAD steps, a token, a nat of
    log p_ilm and two states in each (the attention of a step sums to 1, and a state takes 0.5), and with the hotword that it is
    spelling. This is a practical bound. The strict one, bonuses up to the longest output, would keep every search running to its end.
    """
    search = _Search(speller, memory, lengths, config, ctc_log_probs, lm, hotwords)
    found: list[list[Hypothesis]] = [[] for _ in lengths]
    for length in count():
        done = search.step(length)
        if done.sum() >= DROP_SHARE * len(done):
            for utterance, hypotheses in search.take(done):
                found[utterance] = hypotheses
            if done.all():
                break
    return found


class _Search:
    """The utterances of a batch that are still searched, and where the search stands."""

    def __init__(
        self,
        speller: Speller,
        memory: Memory,
        lengths: Tensor,
        config: DecodeConfig,
        ctc_log_probs: Tensor | None,
        lm: LanguageModel | None,
        hotwords: Hotwords | None,
    ):
        self.speller, self.memory, self.config = speller, memory, config
        self.limits = longest_output(lengths, config.max_tokens_per_state)
        self.utterances = torch.arange(len(lengths), device=lengths.device)  # their places in the caller's batch
        self.scorer = CTCPrefixScorer(ctc_log_probs, lengths) if ctc_log_probs is not None and config.ctc_weight > 0 else None
        self.weight = config.ctc_weight if self.scorer else 0.0
        self.lm = lm if config.lm_weight > 0 else None
        self.internal = speller.internal_lm_memory(memory) if self.lm and config.internal_lm > 0 else None
        self.hotwords = hotwords

        self.promising = round(PROMISING * config.beam) if hotwords else 0

        shape = (len(lengths), config.beam + self.promising)
        tokens = torch.full((*shape, 1), EOS, device=lengths.device)
        nothing = torch.full(shape, -torch.inf, dtype=torch.float64, device=lengths.device)
        attention = nothing.index_fill(1, torch.tensor(0, device=lengths.device), 0.0)  # one empty hypothesis
        state = speller.start(memory, shape[1])
        ctc = self.scorer.start(shape[1]) if self.scorer else None
        lm_state = self.lm.start(*shape) if self.lm else None
        internal_state = speller.start(self.internal, shape[1]) if self.internal else None
        zeros = torch.zeros_like(nothing)
        spelling = hotwords.start(*shape) if hotwords else torch.zeros_like(tokens[..., 0])
        coverage = torch.zeros_like(state.weights, dtype=torch.float32)  # many small shares add up, which bf16 would lose
        self.living = _Living(tokens, attention, coverage, state, ctc, zeros, lm_state, zeros, internal_state, zeros, spelling)
        places = nothing[:, : config.beam]
        self.ended = Ended(tokens[:, : config.beam], *[places] * 6)

    def step(self, length: int) -> Tensor:
        """End hypotheses of `length` tokens or extend them by one; which utterances are done (B,)."""
        config, living = self.config, self.living
        log_probs, state = self.speller.step(living.tokens[..., -1], living.speller, self.memory)
        psi, complete = self._ctc_scores()
        foretold, lm_state = self._lm_scores()
        own, internal_state = self._internal_scores(state)
        completed, end_completed = self._completed_hotwords()
        worth, end_worth = living.hotwords[..., None] + completed, living.hotwords + end_completed
        coverage = living.coverage + state.weights
        bonus = config.length_bonus * length + config.coverage_bonus * (coverage > COVERED).sum(2, dtype=torch.float64)
        at_limit = length >= self.limits

        # One token on: the K best of all hypotheses.
        other = log_probs.index_fill(2, torch.tensor([BLANK, EOS], device=log_probs.device), -torch.inf)
        attention = living.attention[..., None] + other  # (B, K, V)
        lm = living.lm[..., None] + foretold  # (B, K, V)
        internal = living.internal[..., None] + own  # (B, K, V)
        scores = self._joint(attention, psi, lm, internal, (bonus + config.length_bonus)[..., None] + worth)
        scores = scores.masked_fill(at_limit[:, None, None], -torch.inf)
        best, chosen = self._admitted(scores, completed).flatten(1).topk(config.beam)  # (B, K)

        # Or the end, where it ranks among them. (Comparisons are such that NaN passes: a diverged model still ends.)
        end_attention = living.attention + log_probs[..., EOS]
        end_lm, end_internal = lm[..., EOS], internal[..., EOS]
        end = self._admitted(self._joint(end_attention, complete, end_lm, end_internal, bonus + end_worth), end_completed)
        refused = end < torch.cat([end, best], 1).topk(config.beam).values[:, -1:]
        if config.eos_threshold is not None:
            early = log_probs[..., EOS] <= config.eos_threshold * other.amax(2)
            forced = at_limit & (self.ended.score[:, 0] == -torch.inf)
            refused |= early & ~forced[:, None]
        new = Ended(living.tokens, end.masked_fill(refused, -torch.inf), end_attention, complete, end_lm, end_internal, end_worth)
        self.ended = merge(self.ended, new)

        if self.hotwords:
            best, chosen = self._with_promising(scores, best, chosen)
        parents, tokens = chosen // log_probs.shape[2], chosen % log_probs.shape[2]
        after = living._replace(coverage=coverage, speller=state, lm_state=lm_state, internal_state=internal_state)
        kept = select(after, parents)
        spelling = self.hotwords.advance(kept.spelling, tokens) if self.hotwords else kept.spelling

        gain = max(config.length_bonus, 0.0) + 2 * config.coverage_bonus + (config.lm_weight * config.internal_lm if self.internal else 0.0)
        bound = best + self.hotwords.reach[spelling] if self.hotwords else best
        bound = bound.amax(1) + gain * (self.limits - length).clamp(0, LOOKAHEAD)
        done = ~(bound > self.ended.score[:, -1])

        self.living = kept._replace(
            tokens=torch.cat([kept.tokens, tokens[..., None]], 2),
            # An utterance that is done lives no longer, or its list would depend on when it is dropped from the batch.
            attention=attention.flatten(1).gather(1, chosen).masked_fill(done[:, None] | (best == -torch.inf), -torch.inf),
            ctc=self.scorer.extend(kept.ctc, tokens) if self.scorer and kept.ctc else None,
            lm=lm.flatten(1).gather(1, chosen) if self.lm else kept.lm,
            internal=internal.flatten(1).gather(1, chosen) if self.internal else kept.internal,
            hotwords=worth.flatten(1).gather(1, chosen) if self.hotwords else kept.hotwords,
            spelling=spelling,
        )
        return done

    def take(self, done: Tensor) -> list[tuple[int, list[Hypothesis]]]:
        """Drop the utterances that are done (B,); returns their places in the caller's batch and their n-best lists."""
        ended = change(lambda x: x[done], self.ended)
        found = listed(ended, self.scorer is not None, self.lm is not None, self.internal is not None, self.hotwords is not None)
        taken = list(zip(self.utterances[done].tolist(), found, strict=True))
        going = ~done
        self.limits, self.utterances = self.limits[going], self.utterances[going]
        self.memory = change(lambda x: x[going], self.memory)
        self.internal = self.internal and change(lambda x: x[going], self.internal)
        self.living = change(lambda x: x[going], self.living)
        self.ended = change(lambda x: x[going], self.ended)
        self.scorer = self.scorer.subset(going) if self.scorer else None
        return taken

    def _ctc_scores(self) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the living, extended by every token (B, K, V) and as they are (B, K); zeros without CTC."""
        if self.scorer and self.living.ctc:
            return self.scorer.score(self.living.ctc)
        zeros = torch.zeros_like(self.living.attention)
        return zeros[..., None], zeros

    def _lm_scores(self) -> tuple[Tensor, LMState | None]:
        """Log-probabilities of every token after the living (B, K, V), and what to remember; zeros without a language model."""
        if self.lm and self.living.lm_state:
            return self.lm.step(self.living.tokens[..., -1], self.living.lm_state)
        return self.living.lm.new_zeros(self.speller.output.out_features), None

    def _internal_scores(self, asked: SpellerState) -> tuple[Tensor, SpellerState | None]:
        """What the speller foretells of its own accord, as `_lm_scores`; `asked` is its state now where it hears."""
        if self.internal and self.living.internal_state:
            return self.speller.step(self.living.tokens[..., -1], self.living.internal_state, self.internal, asked)
        return self.living.internal.new_zeros(self.speller.output.out_features), None

    def _completed_hotwords(self) -> tuple[Tensor, Tensor]:
        """Worth of what the living complete with every token (B, K, V) and with the end (B, K); zeros without hotwords."""
        if self.hotwords:
            return self.hotwords.completed(self.living.spelling), self.hotwords.worth[self.living.spelling]
        zeros = torch.zeros_like(self.living.hotwords)
        return zeros[..., None], zeros

    def _admitted(self, scores: Tensor, completed: Tensor) -> Tensor:
        """Scores (B, K, ...) of those that may enter the beam: from the places beside it, those that complete a hotword."""
        if not self.promising:
            return scores
        refused = completed == 0
        refused[:, : self.config.beam] = False
        return scores.masked_fill(refused, -torch.inf)

    def _with_promising(self, scores: Tensor, best: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The best scores and their places among `scores` (B, K, V), and after them those that promise most of the rest."""
        assert self.hotwords is not None
        promises = self.hotwords.promises(self.living.spelling)
        hopes = (scores + promises).masked_fill(promises == 0, -torch.inf).flatten(1).scatter(1, chosen, -torch.inf)
        hope, promising = hopes.topk(self.promising)
        score = scores.flatten(1).gather(1, promising).masked_fill(hope == -torch.inf, -torch.inf)
        return torch.cat([best, score], 1), torch.cat([chosen, promising], 1)

    def _joint(self, attention: Tensor, ctc: Tensor, lm: Tensor, internal: Tensor, bonus: Tensor) -> Tensor:
        language = self.config.lm_weight * (lm - self.config.internal_lm * internal)
        return (1 - self.weight) * attention + self.weight * ctc + language + bonus
