"""Section for the search."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from asr.config.section import MAX_BEAM, MAX_WEIGHT, Fraction, Section, Weight


class DecodeConfig(Section):
    """Beam search.

    score = (1 - ctc_weight) log p_att + ctc_weight log p_ctc + lm_weight (log p_LM - internal_lm log p_ILM) + words_weight log p_words
    + length_bonus * tokens + coverage_bonus * covered states
    """

    beam: Annotated[int, Field(ge=1, le=MAX_BEAM)] = 8
    """Hypotheses per utterance. 1 without CTC, language model and bonuses is greedy search."""
    ctc_weight: Fraction = 0.3
    """Weight w of the CTC prefix score: (1 - w) log p_att + w log p_ctc. Needs a model with a CTC head."""
    lm_weight: Weight = 0.0
    """Weight of the language model (shallow fusion), including end of sentence. Needs a language model."""
    internal_lm: Fraction = 0.5
    """Scale of internal-LM subtraction, relative to lm_weight: score -= lm_weight * internal_lm * log p_ILM."""
    words_weight: Weight = 0.0
    """Weight of the n-gram model over words. Needs `words.safetensors` in the model folder."""
    length_bonus: Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT)] = 0.0
    """Bonus per token (nats)."""
    coverage_bonus: Weight = 0.0
    """Bonus per listener state with more than half of the attention (nats; Chorowski and Jaitly 2016)."""
    eos_threshold: Annotated[float, Field(ge=1)] | None = None
    """End a hypothesis only if log p(eos) > threshold * log p(best other token) (Hannun et al. 2019). Try 1.5 if transcripts end too early."""
    max_tokens_per_state: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Maximum transcript length, in tokens per listener state."""
    doubtful_below: float = -1.8
    """CTC log-probability per token (nats) below which a segment is searched again and, if that does not help, marked as doubtful."""
    invented_below: float = -2.2
    """CTC log-probability per token (nats) below which a transcript is held back: it appears in JSON only. At the end of training, `asr train`
    lowers both bounds, if they have their defaults, until 19 of 20 dev transcripts pass."""
