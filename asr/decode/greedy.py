"""Greedy search: the most probable token, then the next, until end-of-sentence.

Shapes: B utterances, V tokens, L tokens so far. Scores are in nats.
"""

from __future__ import annotations

from itertools import count

import torch
from torch import Tensor

from asr.decode.beam import longest_output
from asr.decode.nbest import Hypothesis
from asr.model.attention import Memory
from asr.model.speller import Speller
from asr.text.tokenizer import BLANK, EOS


@torch.inference_mode()
def greedy_search(speller: Speller, memory: Memory, lengths: Tensor, max_tokens_per_state: float) -> list[list[Hypothesis]]:
    """The one hypothesis of each utterance, in a list as from `beam_search`: its result with a beam of 1 and nothing but the speller's scores.

    `lengths` (B,) are those of the listener's states. An utterance that has not ended after
    `longest_output(lengths, max_tokens_per_state)` tokens is ended there.
    """
    limits = longest_output(lengths, max_tokens_per_state)
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
    return [[Hypothesis(text, s, s, None)] for text, s in zip(texts, score.tolist(), strict=True)]
