"""Forced alignment: the times and probabilities of the tokens and words of a transcript.

The times are those of the best CTC alignment (torchaudio's `forced_align`, Graves et al. 2006). The probability of a token is a mean over the
heads: the speller's, given the tokens before it, and the CTC head's in the states that the token is aligned with.

Shapes: B utterances, T listener states, L tokens, V vocabulary.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.decode.ctc import NEVER
from asr.model.las import LAS
from asr.text.tokenizer import Tokenizer


class PlacedToken(NamedTuple):
    """A token of a transcript, aligned with listener states."""

    token: int
    start: int
    """the first listener state"""
    end: int
    """the state after the last"""
    attention_score: float
    """log-probability by the speller (nats)"""
    ctc_score: float | None
    """greatest log-probability by the CTC head in these states (nats); None without a CTC head"""

    @property
    def score(self) -> float:
        """mean log-probability of the heads (nats)"""
        return self.attention_score if self.ctc_score is None else (self.attention_score + self.ctc_score) / 2


class PlacedWord(NamedTuple):
    """A word of a transcript, aligned with listener states."""

    text: str
    start: int
    """the first listener state"""
    end: int
    """the state after the last"""
    probability: float
    """geometric mean of the probabilities of its tokens by both heads, or by the speller without a CTC head"""


@torch.inference_mode()
def place_tokens(
    network: LAS, states: Tensor, lengths: Tensor, ctc_log_probs: Tensor | None, transcripts: Sequence[Sequence[int]]
) -> list[list[PlacedToken]]:
    """Align the tokens of transcripts with listener states.

    Args:
        network: the recogniser's network.
        states: (B, T, H) listener states.
        lengths: (B,) their numbers.
        ctc_log_probs: (B, T, V) log-softmax of the CTC head; None without one. A token is then at the peak of its attention weights, so tokens may
            be out of order.
        transcripts: the tokens of B transcripts. One with too many tokens for a CTC alignment is spread evenly, with CTC scores of NEVER.

    Returns:
        The aligned tokens of each transcript.
    """
    targets = pad_sequence([torch.tensor(list(t), dtype=torch.long, device=states.device) for t in transcripts], batch_first=True)
    logits, weights = network.speller(states, lengths, targets)  # (B, L + 1, V), (B, L + 1, T)
    attention_scores = logits[:, :-1].float().log_softmax(2).gather(2, targets[..., None]).squeeze(2).tolist() if targets.shape[1] else []
    peaks = weights.argmax(2).tolist()
    placed: list[list[PlacedToken]] = []
    for i, (transcript, length) in enumerate(zip(transcripts, lengths.tolist(), strict=True)):
        spans: Sequence[tuple[int, int, float | None]]
        if ctc_log_probs is None or not transcript:
            spans = [(state, min(state + 1, length), None) for state in peaks[i][: len(transcript)]]
        else:
            spans = _aligned(ctc_log_probs[i, :length], targets[i, : len(transcript)])
        placed.append(
            [
                PlacedToken(t, s, e, attention_scores[i][j], score)
                for j, (t, (s, e, score)) in enumerate(zip(transcript, spans, strict=True))
            ]
        )
    return placed


def words_of(placed: Sequence[PlacedToken], tokenizer: Tokenizer) -> list[PlacedWord]:
    """Join the aligned tokens of a transcript to words."""
    words = []
    for text, places in word_places([t.token for t in placed], tokenizer):
        group = placed[places.start : places.stop]
        score = sum(t.score for t in group) / len(group)
        words.append(PlacedWord(text, group[0].start, group[-1].end, math.exp(score)))
    return words


def word_places(tokens: Sequence[int], tokenizer: Tokenizer) -> list[tuple[str, range]]:
    """Return the words of tokens (L,), each with the range of its tokens; a word without text is left out."""
    starts = [i for i, token in enumerate(tokens) if i == 0 or tokenizer.begins_word(token)]
    places = [range(start, end) for start, end in itertools.pairwise([*starts, len(tokens)])]
    words = [(tokenizer.decode(tokens[p.start : p.stop]), p) for p in places]
    return [(text, p) for text, p in words if text]


def _aligned(log_probs: Tensor, targets: Tensor) -> list[tuple[int, int, float]]:
    """Find the best alignment of tokens (L,) with log-probabilities (T, V): (start, end, greatest log-probability) of each token."""
    from torchaudio.functional import forced_align

    length, count = len(log_probs), len(targets)
    if count + int((targets[1:] == targets[:-1]).sum()) > length:
        edges = torch.linspace(0, length, count + 1).tolist()
        return [(int(a), max(int(a) + 1, int(b)), NEVER) for a, b in itertools.pairwise(edges)]
    paths, scores = (x[0] for x in forced_align(log_probs[None], targets[None]))  # (T,) each
    begins = torch.cat([paths[:1] != 0, (paths[1:] != paths[:-1]) & (paths[1:] != 0)])
    token = torch.where(paths != 0, begins.cumsum(0), 0)  # (T,) 1 for the first token; 0 where there is blank
    best = scores.new_full((count + 1,), NEVER).scatter_reduce(0, token, scores, "amax")[1:].tolist()
    starts = begins.nonzero()[:, 0].tolist()
    ends = (torch.bincount(token, minlength=count + 1)[1:] + begins.nonzero()[:, 0]).tolist()
    return list(zip(starts, ends, best, strict=True))
