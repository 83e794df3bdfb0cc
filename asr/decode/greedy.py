"""Greedy search: the most probable token, then the next, until end-of-sentence.

Shapes: B utterances, V tokens, L tokens so far. Scores are in nats.
"""

from __future__ import annotations

from itertools import count

import torch
from torch import Tensor

from asr.decode.nbest import Hypothesis
from asr.model.attention import Memory
from asr.model.speller import Speller
from asr.text.tokenizer import BLANK, EOS


@torch.inference_mode()
def greedy_search(speller: Speller, memory: Memory, limits: Tensor) -> list[list[Hypothesis]]:
    """Search as `beam_search` does with a beam of 1 and the attention term alone, but faster.

    Args:
        speller: the attention decoder.
        memory: what it attends to, as `Speller.memory` returns it.
        limits: (B,) the most tokens that an utterance may have; it is ended there.

    Returns:
        A list of one hypothesis for each utterance.
    """
    state = speller.start(memory)
    tokens = torch.full_like(limits, EOS)
    score = torch.zeros_like(limits, dtype=torch.float64)
    ended = torch.zeros_like(limits, dtype=torch.bool)
    written: list[Tensor] = []
    for length in count():
        log_probs, state = speller.step(tokens[:, None], state, memory)
        log_probs = log_probs[:, 0].index_fill(1, torch.tensor(BLANK, device=limits.device), -torch.inf)  # (B, V)
        tokens = log_probs.argmax(1).masked_fill(length >= limits, EOS)
        score += log_probs.gather(1, tokens[:, None])[:, 0].masked_fill(ended, 0.0)
        ended |= tokens == EOS
        if ended.all():
            break
        written.append(tokens.masked_fill(ended, BLANK))
    rows = torch.stack(written, 1).tolist() if written else [[]] * len(limits)
    texts = [[token for token in row if token != BLANK] for row in rows]
    return [[Hypothesis(text, s, {"attention": s})] for text, s in zip(texts, score.tolist(), strict=True)]
