"""Where each token stands in the speech, and how sure the network is of it.

The CTC head knows the place: the best of its alignments with the transcript (torchaudio's `forced_align`, Graves et al. 2006). Both heads
know how probable the token is: the speller after all that came before it, CTC in the states where it is aligned.

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
    """A token of a transcript, in its place."""

    token: int
    start: int
    """the first listener state that CTC aligns it with"""
    end: int
    """the state after the last"""
    attention_score: float
    """its log-probability by the speller (nats)"""
    ctc_score: float | None
    """its log-probability by the CTC head where it is most probable (nats); None without a CTC head"""

    @property
    def score(self) -> float:
        """its log-probability, as the mean of the heads that there are (nats)"""
        return self.attention_score if self.ctc_score is None else (self.attention_score + self.ctc_score) / 2


class PlacedWord(NamedTuple):
    """The tokens of a word, together."""

    text: str
    start: int
    """the first listener state"""
    end: int
    """the state after the last"""
    probability: float
    """that it was said: the geometric mean of its tokens' probabilities by both heads, or the speller where there is no other"""


@torch.inference_mode()
def place_tokens(
    network: LAS, states: Tensor, lengths: Tensor, ctc_log_probs: Tensor | None, transcripts: Sequence[Sequence[int]]
) -> list[list[PlacedToken]]:
    """Listener states (B, T, H), their lengths (B,), log-probs (B, T, V) of the CTC head and B transcripts -> the tokens in place.

    Without a CTC head a token stands where the speller looked most, in whatever order that is. A transcript that is too long for CTC to be aligned at all is
    spread evenly, with hopeless CTC scores.
    """
    targets = pad_sequence([torch.tensor(list(t), dtype=torch.long, device=states.device) for t in transcripts], batch_first=True)
    logits, weights = network.speller(states, lengths, targets)  # (B, L + 1, V), (B, L + 1, T)
    heard = logits[:, :-1].float().log_softmax(2).gather(2, targets[..., None]).squeeze(2).tolist() if targets.shape[1] else []
    looked = weights.argmax(2).tolist()
    placed: list[list[PlacedToken]] = []
    for i, (transcript, length) in enumerate(zip(transcripts, lengths.tolist(), strict=True)):
        spans: Sequence[tuple[int, int, float | None]]
        if ctc_log_probs is None or not transcript:
            spans = [(state, min(state + 1, length), None) for state in looked[i][: len(transcript)]]
        else:
            spans = _aligned(ctc_log_probs[i, :length], targets[i, : len(transcript)])
        placed.append(
            [PlacedToken(t, s, e, heard[i][j], score) for j, (t, (s, e, score)) in enumerate(zip(transcript, spans, strict=True))]
        )
    return placed


def words_of(placed: Sequence[PlacedToken], tokenizer: Tokenizer) -> list[PlacedWord]:
    """The words that tokens spell: a word begins with each piece that is marked as the start of one."""
    words = []
    for text, places in word_places([t.token for t in placed], tokenizer):
        group = placed[places.start : places.stop]
        score = sum(t.score for t in group) / len(group)
        words.append(PlacedWord(text, group[0].start, group[-1].end, math.exp(score)))
    return words


def word_places(tokens: Sequence[int], tokenizer: Tokenizer) -> list[tuple[str, range]]:
    """Every word that tokens (L,) spell, with the places of its own; tokens that write nothing are no word."""
    starts = [i for i, token in enumerate(tokens) if i == 0 or tokenizer.begins_word(token)]
    places = [range(start, end) for start, end in itertools.pairwise([*starts, len(tokens)])]
    words = [(tokenizer.decode(tokens[p.start : p.stop]), p) for p in places]
    return [(text, p) for text, p in words if text]


def _aligned(log_probs: Tensor, targets: Tensor) -> list[tuple[int, int, float]]:
    """Log-probs (T, V) and tokens (L,) -> (start, end, greatest log-probability) of each token, in the best alignment."""
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
