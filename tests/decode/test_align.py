"""Tokens in their places: against all alignments that there are, and by hand."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch

from asr.config import ModelConfig, TokenizerConfig
from asr.decode.align import PlacedToken, _aligned, place_tokens, words_of
from asr.decode.ctc import NEVER, transcript_scores
from asr.model.las import LAS
from asr.text.tokenizer import BLANK, Tokenizer

V = 5


def collapse(path: tuple[int, ...]) -> list[int]:
    return [c for i, c in enumerate(path) if c != BLANK and (i == 0 or path[i - 1] != c)]


@pytest.mark.parametrize(("transcript", "states"), [([3], 4), ([3, 4], 5), ([3, 3], 5), ([1, 3, 3, 4], 6), ([4, 3, 4], 3)])
def test_the_alignment_is_optimal(transcript: list[int], states: int) -> None:
    torch.manual_seed(len(transcript) * states)
    log_probs = torch.randn(states, V).log_softmax(1)
    paths = [p for p in product(range(V), repeat=states) if collapse(p) == transcript]
    best = max(paths, key=lambda p: float(sum(log_probs[t, c] for t, c in enumerate(p))))
    expected = []
    for t, c in enumerate(best):
        if c != BLANK and (t == 0 or best[t - 1] != c):
            end = t + 1
            while end < states and best[end] == c:
                end += 1
            expected.append((t, end, pytest.approx(float(log_probs[t:end, c].max()), abs=1e-5)))
    assert _aligned(log_probs, torch.tensor(transcript)) == expected


def test_a_transcript_too_long_to_be_aligned_is_spread_out() -> None:
    spans = _aligned(torch.zeros(3, V).log_softmax(1), torch.tensor([3, 3, 4]))  # two equal tokens need a blank between them
    assert spans == [(0, 1, NEVER), (1, 2, NEVER), (2, 3, NEVER)]


def test_transcript_scores_sum_over_all_alignments() -> None:
    torch.manual_seed(0)
    log_probs = torch.randn(3, 5, V).log_softmax(2)
    transcripts, lengths = [[3, 3], [], [1, 4, 2]], torch.tensor([5, 3, 4])
    for i, (transcript, length) in enumerate(zip(transcripts, lengths.tolist(), strict=True)):
        scores = [sum(log_probs[i, t, c] for t, c in enumerate(p)) for p in product(range(V), repeat=length) if collapse(p) == transcript]
        found = transcript_scores(log_probs, lengths, transcripts)[i]
        assert float(found) == pytest.approx(float(torch.stack([torch.as_tensor(s) for s in scores]).logsumexp(0)), abs=1e-4)


@pytest.mark.parametrize("ctc_weight", [0.0, 0.3])
def test_a_batch_is_placed_as_one_by_one(tiny: ModelConfig, ctc_weight: float) -> None:
    torch.manual_seed(1)
    network = LAS(tiny.model_copy(update={"ctc_weight": ctc_weight}), 12).eval()
    states, lengths = network.listener(torch.randn(3, 80, 20), torch.tensor([80, 41, 60]))
    log_probs = network.ctc_log_probs(states)
    transcripts = [[5, 6, 7], [], [4, 4]]
    together = place_tokens(network, states, lengths, log_probs, transcripts)
    for i, transcript in enumerate(transcripts):
        n = int(lengths[i])
        alone_probs = None if log_probs is None else log_probs[i : i + 1, :n]
        [alone] = place_tokens(network, states[i : i + 1, :n], lengths[i : i + 1], alone_probs, [transcript])
        assert [t[:3] for t in alone] == [t[:3] for t in together[i]]
        assert [t.token for t in alone] == transcript
        assert [t.attention_score for t in alone] == pytest.approx([t.attention_score for t in together[i]], abs=1e-4)
        assert all(0 <= t.start < t.end <= n for t in alone)


@torch.no_grad()
def test_the_speller_scores_tokens_as_in_its_steps(tiny: ModelConfig) -> None:
    torch.manual_seed(2)
    network = LAS(tiny, 12).eval()
    states, lengths = network.listener(torch.randn(1, 60, 20), torch.tensor([60]))
    transcript = [5, 9, 3]
    [placed] = place_tokens(network, states, lengths, network.ctc_log_probs(states), [transcript])
    memory = network.speller.memory(states, lengths)
    state = network.speller.start(memory)
    for token, before in zip(placed, [2, *transcript[:-1]], strict=True):
        log_probs, state = network.speller.step(torch.tensor([[before]]), state, memory)
        assert token.attention_score == pytest.approx(float(log_probs[0, 0, token.token]), abs=1e-5)


def test_words_are_made_of_their_pieces() -> None:
    tokenizer = Tokenizer.train(["LOW MID HIGH", "MID LOW"] * 10, TokenizerConfig(kind="unigram", vocab_size=14))
    tokens = tokenizer.encode("LOW MID HIGH")
    placed = [PlacedToken(t, 2 * i, 2 * i + 1, -0.1, -0.3) for i, t in enumerate(tokens)]
    words = words_of(placed, tokenizer)
    assert [w.text for w in words] == ["LOW", "MID", "HIGH"]
    assert words[0].start == 0
    assert words[-1].end == 2 * len(tokens) - 1
    assert [w.end <= following.start for w, following in pairwise(words)] == [True, True]
    assert words[1].probability == pytest.approx(0.8187, abs=1e-4)  # e^-0.2


def test_without_ctc_a_words_probability_is_the_spellers_alone() -> None:
    tokenizer = Tokenizer.train(["GO ON"] * 3, TokenizerConfig(kind="char", vocab_size=20))
    tokens = tokenizer.encode("GO")
    alone = [PlacedToken(token, i, i + 1, math.log(0.25), None) for i, token in enumerate(tokens)]
    both = [token._replace(ctc_score=math.log(0.01)) for token in alone]
    assert words_of(alone, tokenizer)[0].probability == pytest.approx(0.25)
    assert words_of(both, tokenizer)[0].probability == pytest.approx(0.05)
