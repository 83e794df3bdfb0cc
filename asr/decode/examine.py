"""Speech to text that can be trusted: the search, its words in their places, and what the CTC head says to them.

An attention decoder can go wrong in one loud way: it writes fluent words that nobody said, over noise or in loops. The CTC head cannot:
it has to find every token in the states, one after the other. So it is the witness. Where a transcript's log p_ctc, a token, falls below
`DecodeConfig.doubtful_below`, the search is run again with a wider beam, more weight on CTC, no language model and no hotwords. A reading that
still falls below it is marked as doubtful; one below `invented_below`, or where CTC hears no token at all, is held back.

Shapes: B utterances, T listener states, V vocabulary. Scores are in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr.config import DecodeConfig
from asr.decode.align import PlacedToken, place_tokens
from asr.decode.ctc import ctc_greedy, transcript_scores
from asr.decode.hotwords import Hotwords
from asr.decode.recognize import Recognition, listen, search
from asr.model.checkpoint import TrainedModel

AGAIN = {"ctc_weight": 0.7, "lm_weight": 0.0}
"""what the second search has otherwise, beside twice the beam and no hotwords"""


@dataclass(frozen=True)
class Examined:
    """What an utterance says."""

    readings: list[Recognition]
    """best first; none where there is no evidence of words"""
    placed: list[PlacedToken]
    """the tokens of the best reading in their places"""
    doubtful: bool
    """CTC does not bear the best reading out"""
    held_back: str = ""
    """what the search found where there is no evidence of words"""


@torch.inference_mode()
def examine(
    model: TrainedModel, waveforms: Sequence[Tensor], config: DecodeConfig | None = None, hotwords: Hotwords | None = None
) -> list[Examined]:
    """`recognize` a batch of waveforms, (N,) each; check what was found, and place its tokens.

    A model without a CTC head has no witness: nothing of it is doubtful.
    """
    config = config or model.config.decode
    states, lengths = listen(model, waveforms)
    log_probs = model.network.ctc_log_probs(states)
    readings = search(model, states, lengths, log_probs, config, hotwords)
    borne_out, credible = [0.0] * len(readings), [True] * len(readings)
    if log_probs is not None:
        borne_out, heard = evidence(log_probs, lengths, readings), ctc_greedy(log_probs, lengths)
        again = [i for i, score in enumerate(borne_out) if heard[i] and score < config.doubtful_below]
        if again:
            rows = torch.tensor(again, device=states.device)
            careful = config.model_copy(update={**AGAIN, "beam": 2 * config.beam})
            second = search(model, states[rows], lengths[rows], log_probs[rows], careful)
            for i, nbest, score in zip(again, second, evidence(log_probs[rows], lengths[rows], second), strict=True):
                if score > borne_out[i]:
                    readings[i], borne_out[i] = nbest[: config.beam], score
        credible = [bool(tokens) and score >= config.invented_below for tokens, score in zip(heard, borne_out, strict=True)]
    written = [nbest if trusted else [] for nbest, trusted in zip(readings, credible, strict=True)]
    placed = place_tokens(model.network, states, lengths, log_probs, [_best_tokens(nbest) for nbest in written])
    return [
        Examined(nbest, tokens, bool(nbest) and score < config.doubtful_below, "" if nbest or not found else found[0].text)
        for nbest, found, tokens, score in zip(written, readings, placed, borne_out, strict=True)
    ]


def evidence(log_probs: Tensor, lengths: Tensor, readings: list[list[Recognition]]) -> list[float]:
    """How far CTC bears out the best readings: log p_ctc, a token (nats), of log-probs (B, T, V) and n-best lists. 0 where nothing is written."""
    written = [_best_tokens(nbest) for nbest in readings]
    scores = transcript_scores(log_probs, lengths, written).tolist()
    return [score / len(tokens) if tokens else 0.0 for score, tokens in zip(scores, written, strict=True)]


def _best_tokens(nbest: list[Recognition]) -> list[int]:
    return nbest[0].hypothesis.tokens if nbest else []
