"""Waveforms to text with a trained model: encode, search, and verify the result with the CTC head.

Shapes: B utterances, N samples, T listener states, H their size, V vocabulary. Scores are in nats.

An attention decoder may write fluent words that nobody said, over noise or in loops. CTC cannot: it must align every token with the states,
in order. So `recognize_verified` checks each transcript against log p_ctc per token:

    below `DecodeConfig.doubtful_below`    search again with a wider beam, more weight on CTC, no language model and no hotwords
    still below                            the better of both transcripts is marked as doubtful
    below `invented_below`                 the transcript is held back; so is one where the best CTC path is empty
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.config import DecodeConfig
from asr.decode.align import PlacedToken, place_tokens
from asr.decode.beam import beam_search
from asr.decode.ctc import ctc_greedy, transcript_scores
from asr.decode.greedy import greedy_search
from asr.decode.hotwords import Hotwords
from asr.decode.scorer import WeightedScorer
from asr.decode.scorers import build_scorers
from asr.decode.words import WordScorer
from asr.errors import AsrError, UsageError
from asr.model.checkpoint import WORDS, TrainedModel
from asr.transcript import Reading

SECOND_SEARCH = {"ctc_weight": 0.7, "lm_weight": 0.0, "words_weight": 0.0}
"""weights of the second search, which also has twice the beam and no hotwords"""


@dataclass(frozen=True)
class Recognition:
    """A verified utterance."""

    readings: list[Reading]
    """best first; none without CTC evidence for them"""
    placed: list[PlacedToken]
    """the tokens of the best reading, aligned with the states"""
    doubtful: bool
    """the CTC evidence for the best reading is weak"""
    held_back: str = ""
    """the best reading of an utterance without CTC evidence for it"""


@torch.inference_mode()
def recognize(
    model: TrainedModel,
    waveforms: Sequence[Tensor],
    config: DecodeConfig | None = None,
    hotwords: Hotwords | None = None,
    scorers: Sequence[WeightedScorer] = (),
) -> list[list[Reading]]:
    """Transcribe a batch of waveforms by a single search, without verification.

    Args:
        model: a trained model.
        waveforms: (N,) samples each, at the model's rate. One without samples has an empty text.
        config: the search; default: that of the model's configuration.
        hotwords: phrases to favour, see `load_hotwords`.
        scorers: more terms for the score of this search, see docs/scorers.md.

    Returns:
        The n-best list of each waveform, best first and never empty.

    Raises:
        UsageError: the model cannot do this search.
    """
    config = config or model.config.decode
    states, lengths = listen(model, waveforms)
    log_probs = model.network.ctc_log_probs(states) if config.ctc_weight > 0 else None
    return search(model, states, lengths, log_probs, config, hotwords, scorers)


@torch.inference_mode()
def recognize_verified(
    model: TrainedModel, waveforms: Sequence[Tensor], config: DecodeConfig | None = None, hotwords: Hotwords | None = None
) -> list[Recognition]:
    """Transcribe a batch of waveforms, verify the results with the CTC head, and align their tokens.

    Without a CTC head nothing is doubtful or held back. Arguments and errors are those of `recognize`.
    """
    config = config or model.config.decode
    states, lengths = listen(model, waveforms)
    log_probs = model.network.ctc_log_probs(states)
    nbests = search(model, states, lengths, log_probs, config, hotwords)
    scores, credible = [0.0] * len(nbests), [True] * len(nbests)
    if log_probs is not None:
        scores, best_paths = evidence(log_probs, lengths, nbests), ctc_greedy(log_probs, lengths)
        again = [i for i, score in enumerate(scores) if best_paths[i] and score < config.doubtful_below]
        if again:
            rows = torch.tensor(again, device=states.device)
            careful = config.model_copy(update={**SECOND_SEARCH, "beam": 2 * config.beam})
            second = search(model, states[rows], lengths[rows], log_probs[rows], careful)
            for i, nbest, score in zip(again, second, evidence(log_probs[rows], lengths[rows], second), strict=True):
                if score > scores[i]:
                    nbests[i], scores[i] = nbest[: config.beam], score
        credible = [bool(path) and score >= config.invented_below for path, score in zip(best_paths, scores, strict=True)]
    kept = [nbest if trusted else [] for nbest, trusted in zip(nbests, credible, strict=True)]
    placed = place_tokens(model.network, states, lengths, log_probs, [_best_tokens(nbest) for nbest in kept])
    return [
        Recognition(nbest, tokens, bool(nbest) and score < config.doubtful_below, "" if nbest or not found else found[0].text)
        for nbest, found, tokens, score in zip(kept, nbests, placed, scores, strict=True)
    ]


def listen(model: TrainedModel, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Encode waveforms, (N,) each: listener states (B, T, H) and their lengths (B,)."""
    device = model.network.frontend.mean.device
    samples = torch.tensor([len(w) for w in waveforms], device=device)
    padded = pad_sequence([w if len(w) else w.new_zeros(1) for w in waveforms], batch_first=True).to(device)
    return model.network.listen(padded, samples)


def search(
    model: TrainedModel,
    states: Tensor,
    lengths: Tensor,
    log_probs: Tensor | None,
    config: DecodeConfig,
    hotwords: Hotwords | None = None,
    scorers: Sequence[WeightedScorer] = (),
) -> list[list[Reading]]:
    """Search for the transcripts of encoded utterances.

    Args:
        model: a trained model.
        states: (B, T, H) listener states.
        lengths: (B,) their numbers.
        log_probs: (B, T, V) log-softmax of the CTC head; None without one.
        config: beam and weights.
        hotwords: phrases to favour.
        scorers: more terms for the score.

    Returns:
        The n-best list of each utterance, best first and never empty.

    Raises:
        UsageError: the model cannot do this search.
        AsrError: `scorers` forbid every transcript.
    """
    check_search(model, config, hotwords)
    speller, lm = model.network.speller, model.lm.network if model.lm else None
    memory, limits = speller.memory(states, lengths), longest_output(lengths, config.max_tokens_per_state)
    if _is_greedy(config) and not scorers:
        found = greedy_search(speller, memory, limits)
    else:
        favoured = hotwords.to(states.device) if hotwords else None
        words = WordScorer(model.words, model.tokenizer) if model.words and config.words_weight else None
        terms = build_scorers(speller, memory, lengths, config, log_probs, lm, favoured, words)
        found = beam_search([*terms, *scorers], limits, config.beam)
    if not all(found):
        raise AsrError("the search found no transcript: a scorer gave -inf to every token and to the end, so check the scorers of your own")
    return [[Reading(model.tokenizer.decode(h.tokens), tuple(h.tokens), h.score, h.scores) for h in nbest] for nbest in found]


def check_search(model: TrainedModel, config: DecodeConfig, hotwords: Hotwords | None = None) -> None:
    """Check that the model can do a search.

    Raises:
        UsageError: a weight needs a CTC head or a language model that the model lacks, or hotwords are to be favoured without CTC.
            Their score grows with every repetition, and only CTC prevents it.
    """
    if hotwords and config.ctc_weight == 0:
        raise UsageError("hotwords need a CTC weight above 0 (and a model with a CTC head): without it the search would repeat them")
    if config.ctc_weight > 0 and model.network.ctc is None:
        raise UsageError("this model has no CTC head: decode with a CTC weight of 0")
    if config.lm_weight > 0 and model.lm is None:
        raise UsageError("this model has no language model: name one, or decode with a language model weight of 0")
    if config.words_weight > 0 and model.words is None:
        raise UsageError(f"this model has no {WORDS}: decode with decode.words_weight=0, or train one with recipes/librispeech/ngram.py")


def longest_output(lengths: Tensor, max_tokens_per_state: float) -> Tensor:
    """Limit the tokens of utterances with `lengths` (B,) listener states: (B,), at least 1, and independent of the batch."""
    return (lengths.double() * max_tokens_per_state).ceil().long().clamp_min(1)


def evidence(log_probs: Tensor, lengths: Tensor, nbests: Sequence[Sequence[Reading]]) -> list[float]:
    """Compute log p_ctc per token (nats) of the best reading of each utterance; 0 for an empty one.

    Args:
        log_probs: (B, T, V) log-softmax of the CTC head.
        lengths: (B,) frames without padding.
        nbests: B n-best lists.
    """
    transcripts = [_best_tokens(nbest) for nbest in nbests]
    scores = transcript_scores(log_probs, lengths, transcripts).tolist()
    return [score / len(tokens) if tokens else 0.0 for score, tokens in zip(scores, transcripts, strict=True)]


def best_texts(nbests: Iterable[Sequence[Reading]]) -> list[str]:
    """Return the first text of each n-best list."""
    return [nbest[0].text for nbest in nbests]


def _is_greedy(config: DecodeConfig) -> bool:
    """Whether greedy search, which is faster, finds the same as beam search."""
    others = (config.ctc_weight, config.lm_weight, config.words_weight, config.length_bonus, config.coverage_bonus)
    return config.beam == 1 and not any(others) and config.eos_threshold is None


def _best_tokens(nbest: Sequence[Reading]) -> Sequence[int]:
    return nbest[0].tokens if nbest else ()
