"""The scorers of a speller, of language models, of length and of coverage, and the list that makes up the score.

CTC is in ctc.py, hotwords in hotwords.py. Shapes: B utterances, K hypotheses of each, T listener states, V tokens. Scores are in nats.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asr.config import DecodeConfig
from asr.decode.ctc import CTCPrefixScorer
from asr.decode.hotwords import Hotwords, HotwordScorer
from asr.decode.scorer import Scorer, WeightedScorer, take
from asr.decode.words import WordScorer
from asr.model.attention import Memory
from asr.model.lm import LanguageModel
from asr.model.speller import Speller, SpellerState
from asr.text.tokenizer import BLANK, EOS

COVERED = 0.5
"""attention weight, summed over the output, above which a listener state counts as covered"""


def build_scorers(
    speller: Speller,
    memory: Memory,
    lengths: Tensor,
    config: DecodeConfig,
    ctc_log_probs: Tensor | None = None,
    lm: LanguageModel | None = None,
    hotwords: Hotwords | None = None,
    words: WordScorer | None = None,
) -> list[WeightedScorer]:
    """List the terms of the score with their weights; a term without weight, or without its model, is left out.

    Args:
        speller: the attention decoder.
        memory: what it attends to, as `Speller.memory` returns it.
        lengths: (B,) numbers of listener states.
        config: the weights.
        ctc_log_probs: (B, T, V) log-softmax of the CTC head.
        lm: a language model with the same vocabulary.
        hotwords: phrases to favour, on the device of the other tensors.
        words: the scorer of a language model of words.
    """
    attention = AttentionScorer(speller, memory, config.eos_threshold)
    ctc_weight = config.ctc_weight if ctc_log_probs is not None else 0.0
    internal_weight = config.lm_weight * config.internal_lm
    scorers = [WeightedScorer(1 - ctc_weight, attention)]
    if ctc_log_probs is not None and ctc_weight:
        scorers.append(WeightedScorer(ctc_weight, CTCPrefixScorer(ctc_log_probs, lengths)))
    if lm and config.lm_weight:
        scorers.append(WeightedScorer(config.lm_weight, LMScorer(lm)))
    if lm and internal_weight:
        scorers.append(WeightedScorer(-internal_weight, InternalLMScorer(attention)))
    if words and config.words_weight:
        scorers.append(WeightedScorer(config.words_weight, words))
    if config.length_bonus:
        scorers.append(WeightedScorer(config.length_bonus, LengthScorer()))
    if config.coverage_bonus:
        scorers.append(WeightedScorer(config.coverage_bonus, CoverageScorer(attention)))
    if hotwords:
        scorers.append(WeightedScorer(1.0, HotwordScorer(hotwords)))
    return scorers


class AttentionScorer(Scorer):
    """log p_att: the speller (Chan et al. 2016, equation 1)."""

    name = "attention"
    state: SpellerState

    def __init__(self, speller: Speller, memory: Memory, eos_threshold: float | None = None):
        """Score with `speller` on `memory`.

        A hypothesis may end where log p(EOS) > eos_threshold · log p(best token) (Hannun et al. 2019); None: anywhere.
        """
        self.speller, self.memory, self.eos_threshold = speller, memory, eos_threshold

    def start(self, utterances: int, hypotheses: int) -> None:
        self.state = self.speller.start(self.memory, hypotheses)

    def score(self, prefixes: Tensor) -> Tensor:
        self.log_probs, self.state = self.speller.step(prefixes[..., -1], self.state, self.memory)
        return self.log_probs

    def final(self, prefixes: Tensor) -> Tensor:
        return self.log_probs[..., EOS]

    def may_end(self) -> Tensor | None:
        if self.eos_threshold is None:
            return None
        tokens = self.log_probs.index_fill(2, torch.tensor([BLANK, EOS], device=self.log_probs.device), -torch.inf)
        return ~(self.log_probs[..., EOS] <= self.eos_threshold * tokens.amax(2))  # NaN passes

    def drop(self, kept: Tensor) -> None:
        super().drop(kept)
        self.memory = take(self.memory, kept)


class LMScorer(Scorer):
    """log p_lm: a language model over the same tokens, for shallow fusion (Gulcehre et al. 2015, section 4.1)."""

    def __init__(self, lm: LanguageModel, name: str = "lm"):
        self.lm, self.name = lm, name

    def start(self, utterances: int, hypotheses: int) -> None:
        self.state = self.lm.start(utterances, hypotheses)

    def score(self, prefixes: Tensor) -> Tensor:
        self.log_probs, self.state = self.lm.step(prefixes[..., -1], self.state)
        return self.log_probs

    def final(self, prefixes: Tensor) -> Tensor:
        return self.log_probs[..., EOS]


class InternalLMScorer(Scorer):
    """log p_ilm: the speller's internal language model, to be subtracted from log p_lm.

    The speller learns a language model from its transcripts. Its estimate is the speller on the mean of the utterance's listener states in place of
    the states (Zeineldeen et al. 2021, "Investigating methods to improve language model integration for attention-based encoder-decoder
    ASR models").
    """

    name = "internal_lm"
    state: SpellerState

    def __init__(self, attention: AttentionScorer):
        """Score with the speller of `attention`, which stands before this scorer in the list."""
        self.attention = attention
        self.memory = attention.speller.internal_lm_memory(attention.memory)

    def start(self, utterances: int, hypotheses: int) -> None:
        self.state = self.attention.speller.start(self.memory, hypotheses)

    def score(self, prefixes: Tensor) -> Tensor:
        self.log_probs, self.state = self.attention.speller.step(prefixes[..., -1], self.state, self.memory, self.attention.state)
        return self.log_probs

    def final(self, prefixes: Tensor) -> Tensor:
        return self.log_probs[..., EOS]

    def drop(self, kept: Tensor) -> None:
        super().drop(kept)
        self.memory = take(self.memory, kept)

    def bound(self, steps: Tensor) -> Tensor:
        return -steps  # one nat a step


class LengthScorer(Scorer):
    """The number of tokens."""

    name = "length"

    def score(self, prefixes: Tensor) -> Tensor:
        return torch.ones(1, 1, 1, dtype=torch.float64, device=prefixes.device)

    def bound(self, steps: Tensor) -> Tensor:
        return steps


class CoverageScorer(Scorer):
    """The number of listener states with a total attention weight above COVERED (Chorowski and Jaitly 2016)."""

    name = "coverage"
    state: tuple[Tensor, Tensor]  # attention weights summed over the output (B, K, T), and how many exceed COVERED (B, K)

    def __init__(self, attention: AttentionScorer):
        """Count the states that `attention`, which stands before this scorer in the list, attends to."""
        self.attention = attention

    def start(self, utterances: int, hypotheses: int) -> None:
        weights = self.attention.state.weights
        total = torch.zeros_like(weights, dtype=torch.float32)  # bf16 would lose small weights
        self.state = total, torch.zeros(weights.shape[:2], dtype=torch.float64, device=weights.device)

    def score(self, prefixes: Tensor) -> Tensor:
        total, before = self.state
        total = total + self.attention.state.weights
        covered = (total > COVERED).sum(2, dtype=torch.float64)
        self.state, self.gain = (total, covered), covered - before
        return self.gain[..., None]

    def final(self, prefixes: Tensor) -> Tensor:
        return self.gain

    def bound(self, steps: Tensor) -> Tensor:
        return 2 * steps  # the weights of a step sum to 1, and a state takes COVERED
