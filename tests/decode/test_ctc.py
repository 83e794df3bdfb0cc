"""The CTC prefix scorer against the textbook recursion, all alignments, and torch's CTC loss."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from asr.decode.ctc import NEVER, CTCPrefixScorer, ctc_greedy
from asr.text.tokenizer import BLANK


def random_log_probs(*shape: int, sharp: float = 2.0, seed: int = 0) -> Tensor:
    return (sharp * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).log_softmax(-1)


NO_PREFIXES = torch.zeros(0)
"""for `score` and `final`, which read the state alone"""


def advance(scorer: CTCPrefixScorer, prefixes: list[list[int]]) -> None:
    """Bring a scorer to prefixes of equal length, one of each hypothesis, the same for all utterances."""
    batch, hypotheses = scorer.log_probs.shape[0], len(prefixes)
    scorer.start(batch, hypotheses)
    for tokens in zip(*prefixes, strict=True):
        scorer.score(NO_PREFIXES)
        scorer.reorder(torch.arange(hypotheses).expand(batch, -1))
        scorer.advance(torch.tensor([tokens]).expand(batch, -1))


def log_probabilities(scorer: CTCPrefixScorer) -> tuple[Tensor, Tensor]:
    """psi (B, K, V) and log p (B, K): a term is the sum of what its tokens, and the end, add."""
    psi = scorer.state.prefix[..., None] + scorer.score(NO_PREFIXES)
    return psi, scorer.state.prefix + scorer.final(NO_PREFIXES)


def score(log_probs: Tensor, prefix: list[int]) -> tuple[Tensor, Tensor]:
    """psi (V,) and log p () of one prefix of one utterance (T, V)."""
    scorer = CTCPrefixScorer(log_probs[None], torch.tensor([len(log_probs)]))
    advance(scorer, [prefix])
    psi, complete = log_probabilities(scorer)
    return psi[0, 0], complete[0, 0]


def add(*terms: float) -> float:
    """log of a sum of exp"""
    top = max(terms)
    return top if top == -math.inf else top + math.log(sum(math.exp(t - top) for t in terms))


def loop(log_probs: Tensor, prefix: list[int]) -> tuple[list[float], float]:
    """Watanabe et al. 2017, algorithm 2, as written there: psi of every extension, and log p of the prefix."""
    x: list[list[float]] = log_probs.double().tolist()
    frames, vocabulary = len(x), len(x[0])
    r_n = [-math.inf] * (frames + 1)
    r_b = [0.0] + [0.0] * frames
    for t in range(frames):
        r_b[t + 1] = r_b[t] + x[t][BLANK]
    last = None

    def phi(t: int, c: int) -> float:
        return r_b[t] if c == last else add(r_n[t], r_b[t])

    for c in prefix:
        new_n, new_b = [-math.inf] * (frames + 1), [-math.inf] * (frames + 1)
        for t in range(frames):
            new_n[t + 1] = add(new_n[t], phi(t, c)) + x[t][c]
            new_b[t + 1] = add(new_b[t], new_n[t]) + x[t][BLANK]
        r_n, r_b, last = new_n, new_b, c
    psi = [-math.inf if c == BLANK else add(*(phi(t, c) + x[t][c] for t in range(frames))) for c in range(vocabulary)]
    return psi, add(r_n[frames], r_b[frames])


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


PREFIXES = [[], [3], [3, 3], [1, 2, 1], [2, 2, 2], [1, 3, 3, 1]]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("frames", [1, 2, 7, 40])
def test_equals_the_loop(frames: int, prefix: list[int]) -> None:
    log_probs = random_log_probs(frames, 5)
    psi, complete = score(log_probs, prefix)
    expected_psi, expected_complete = loop(log_probs, prefix)
    torch.testing.assert_close(psi, torch.tensor(expected_psi, dtype=torch.float64).clamp_min(NEVER), rtol=0, atol=1e-9)
    assert complete.item() == pytest.approx(max(expected_complete, NEVER), abs=1e-9)


@pytest.mark.parametrize("prefix", [[], [1], [1, 1], [2, 1], [1, 1, 2]])
def test_equals_the_sum_over_all_alignments(prefix: list[int]) -> None:
    log_probs = random_log_probs(5, 3)
    transcripts: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(3), repeat=5):
        p = math.exp(sum(log_probs[t, c].item() for t, c in enumerate(path)))
        transcripts[collapse(path)] = transcripts.get(collapse(path), 0.0) + p
    psi, complete = score(log_probs, prefix)
    assert complete.exp().item() == pytest.approx(transcripts.get(tuple(prefix), 0.0), abs=1e-6)
    for c in (1, 2):
        begins = sum(p for transcript, p in transcripts.items() if transcript[: len(prefix) + 1] == (*prefix, c))
        assert psi[c].exp().item() == pytest.approx(begins, abs=1e-6)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefix_is_the_sum_of_its_extensions_and_itself(prefix: list[int]) -> None:
    log_probs = random_log_probs(30, 6, sharp=1.0)
    psi, complete = score(log_probs, prefix)
    whole = score(log_probs, prefix[:-1])[0][prefix[-1]] if prefix else torch.zeros(())
    assert torch.logaddexp(complete, psi.logsumexp(0)).item() == pytest.approx(whole.item(), abs=1e-6)
    assert (psi <= whole + 1e-9).all()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_complete_is_torchs_ctc_loss(prefix: list[int]) -> None:
    log_probs = random_log_probs(50, 7).double()
    loss = torch.nn.functional.ctc_loss(
        log_probs[:, None],
        torch.tensor([prefix], dtype=torch.long),
        torch.tensor([50]),
        torch.tensor([len(prefix)]),
        reduction="sum",
    )
    assert score(log_probs, prefix)[1].item() == pytest.approx(-loss.item(), abs=1e-9)


def test_long_utterances_keep_their_digits() -> None:
    log_probs = random_log_probs(2000, 8, sharp=4.0)
    prefix = (torch.arange(60) % 7 + 1).tolist()
    psi, complete = score(log_probs, prefix)
    expected_psi, expected_complete = loop(log_probs, prefix)
    torch.testing.assert_close(psi[1:], torch.tensor(expected_psi, dtype=torch.float64)[1:], rtol=0, atol=1e-9)
    assert complete.item() == pytest.approx(expected_complete, abs=1e-9)


@pytest.mark.parametrize("garbage", [0.0, 1e9, -torch.inf, torch.nan])
def test_padding_has_no_influence(garbage: float) -> None:
    lengths = torch.tensor([25, 1, 9])
    padded = torch.full((3, 25, 6), garbage)
    alone = [random_log_probs(n, 6, seed=n) for n in lengths.tolist()]
    for row, log_probs in zip(padded, alone, strict=True):
        row[: len(log_probs)] = log_probs
    prefixes = [[3, 3], [1, 2], [2, 4]]
    scorer = CTCPrefixScorer(padded, lengths)
    advance(scorer, prefixes)
    psi, complete = log_probabilities(scorer)
    for b, log_probs in enumerate(alone):
        for k, prefix in enumerate(prefixes):
            own_psi, own_complete = score(log_probs, prefix)
            torch.testing.assert_close(psi[b, k], own_psi, rtol=0, atol=1e-9)
            torch.testing.assert_close(complete[b, k], own_complete, rtol=0, atol=1e-9)
    assert ctc_greedy(padded, lengths) == [ctc_greedy(x[None], torch.tensor([len(x)]))[0] for x in alone]


def test_utterances_that_are_kept_score_the_same() -> None:
    scorer = CTCPrefixScorer(random_log_probs(3, 12, 5), torch.tensor([12, 4, 8]))
    advance(scorer, [[1, 2], [3, 3]])
    before, kept = log_probabilities(scorer), torch.tensor([0, 2])
    scorer.drop(kept)
    for whole, some in zip(before, log_probabilities(scorer), strict=True):
        torch.testing.assert_close(whole[kept], some)


def test_a_hypothesis_may_be_kept_twice() -> None:
    """Two hypotheses become three, the second of them twice."""
    scorer = CTCPrefixScorer(random_log_probs(12, 5)[None], torch.tensor([12]))
    advance(scorer, [[1, 2], [3, 3]])
    scorer.score(NO_PREFIXES)
    scorer.reorder(torch.tensor([[1, 0, 1]]))
    scorer.advance(torch.tensor([[4, 4, 1]]))
    found = log_probabilities(scorer)
    advance(scorer, [[3, 3, 4], [1, 2, 4], [3, 3, 1]])
    for one, other in zip(found, log_probabilities(scorer), strict=True):
        torch.testing.assert_close(one, other)


def test_impossible_is_finite_and_never_nan() -> None:
    log_probs = torch.full((3, 4), -torch.inf)
    log_probs[:, 2] = 0.0  # certainly 2, and nothing else
    for prefix in ([], [2], [2, 2], [1], [1, 2, 3, 1]):
        psi, complete = score(log_probs, prefix)
        for value in (*psi, complete):
            assert NEVER <= value.item() <= 0.0
    assert score(log_probs, [])[0].tolist() == [NEVER, NEVER, 0.0, NEVER]
    assert score(log_probs, [2])[1].item() == 0.0


def test_greedy_collapses_repeats_and_blanks() -> None:
    path = torch.tensor([[3, 3, 0, 3, 1, 1, 0, 0], [0, 0, 0, 2, 2, 2, 2, 2], [0] * 8])
    log_probs = torch.nn.functional.one_hot(path, 4).float().log_softmax(2)
    assert ctc_greedy(log_probs, torch.tensor([8, 4, 8])) == [[3, 3, 1], [2], []]
