"""Beam search against every possible transcript, against greedy search, and against itself in other batches.

The speller is the real one, random but opinionated; scores are computed anew by teacher forcing and torch's CTC loss.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from spellers import Table, make_case, scored, search
from tests_support import ATTENTIONS

from asr.config import DecodeConfig
from asr.decode import beam as beam_module
from asr.decode.beam import beam_search
from asr.decode.nbest import Hypothesis
from asr.decode.recognize import longest_output
from asr.decode.scorers import build_scorers
from asr.text.tokenizer import EOS

KINDS = [*ATTENTIONS, "multihead without input feeding"]
ATTENTION_ONLY = DecodeConfig(ctc_weight=0, beam=5)
JOINT = DecodeConfig(ctc_weight=0.3, beam=5, length_bonus=0.4, coverage_bonus=0.2, eos_threshold=1.2)
FUSED = JOINT.model_copy(update={"lm_weight": 0.6})


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    for a, b in zip(found, expected, strict=True):
        assert {"score": a.score, **a.scores} == pytest.approx({"score": b.score, **b.scores}, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "weights",
    [
        {"ctc_weight": 0},
        {"ctc_weight": 0.4},
        {"ctc_weight": 0, "length_bonus": 2.0, "coverage_bonus": 1.5},
        {"ctc_weight": 0.3, "length_bonus": -0.5, "coverage_bonus": 0.7},
        {"ctc_weight": 0, "lm_weight": 0.8},
        {"ctc_weight": 0, "lm_weight": 0.8, "internal_lm": 0},
        {"ctc_weight": 0.4, "lm_weight": 0.5, "length_bonus": 0.6},
    ],
)
def test_a_wide_beam_finds_every_transcript_in_order(kind: str, weights: dict[str, float]) -> None:
    case = make_case(kind, [3], vocabulary=5)
    config = DecodeConfig.model_validate({"beam": 60, **weights})
    transcripts = [list(t) for length in range(4) for t in itertools.product([1, 3, 4], repeat=length)]
    expected = sorted((scored(case, t, config) for t in transcripts), key=lambda h: -h.score)
    assert_same(case.search(config)[0], expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", [ATTENTION_ONLY, JOINT, FUSED], ids=["attention", "joint", "fused"])
def test_scores_are_those_of_teacher_forcing(kind: str, config: DecodeConfig) -> None:
    case = make_case(kind, [12, 7], vocabulary=12, seed=1)
    for b, hypotheses in enumerate(case.search(config)):
        assert 1 <= len(hypotheses) <= config.beam
        assert_same(hypotheses, sorted((scored(case.alone(b), h.tokens, config) for h in hypotheses), key=lambda h: -h.score))


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_of_one_is_greedy(kind: str) -> None:
    case = make_case(kind, [9, 1, 20, 14], vocabulary=6, seed=2)
    for one, greedy in zip(case.search(DecodeConfig(beam=1, ctc_weight=0)), case.greedy(), strict=True):
        assert_same(one, greedy)
    assert len({len(h.tokens) for [h] in case.greedy()}) > 1  # it was no trivial case


def test_a_wider_beam_finds_better() -> None:
    case = make_case("location", [15] * 6, vocabulary=12, seed=3)
    narrow, wide = (sum(h[0].score for h in case.search(DecodeConfig(beam=k, ctc_weight=0.3))) for k in (1, 16))
    assert narrow < wide


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", [ATTENTION_ONLY, JOINT, FUSED], ids=["attention", "joint", "fused"])
def test_an_utterance_does_not_see_its_batch(kind: str, config: DecodeConfig) -> None:
    case = make_case(kind, [10, 1, 6, 13, 3], vocabulary=9, seed=4)
    together = case.search(config)
    for b, hypotheses in enumerate(together):
        assert_same(hypotheses, case.alone(b).search(config)[0])
    for b, hypotheses in enumerate(case.greedy()):
        assert_same(hypotheses, case.alone(b).greedy()[0])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_dropping_finished_utterances_changes_nothing(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("location", [2, 14, 5, 9], vocabulary=9, seed=5)
    expected = case.search(FUSED)
    monkeypatch.setattr(beam_module, "DROP_SHARE", share)
    for found, hypotheses in zip(case.search(FUSED), expected, strict=True):
        assert_same(found, hypotheses)


def test_no_ctc_scores_or_no_weight_for_them_is_attention_only() -> None:
    case = make_case("location", [8], vocabulary=9)
    memory = case.speller.memory(case.states, case.lengths)
    without = beam_search(build_scorers(case.speller, memory, case.lengths, DecodeConfig(ctc_weight=0.3)), case.lengths, 5)
    assert_same(case.search(ATTENTION_ONLY)[0], without[0])
    assert set(without[0][0].scores) == {"attention"}


def test_the_language_model_changes_the_ranking() -> None:
    """What is likelier as text wins, though the speller finds it less likely; without a language model its weight is nothing."""
    case = make_case("location", [6], vocabulary=9)
    config = DecodeConfig(beam=30, ctc_weight=0, length_bonus=3.0)
    fusing = config.model_copy(update={"lm_weight": 2.0})
    plain, fused = case.search(config)[0][0], case.search(fusing)[0][0]
    memory = case.speller.memory(case.states, case.lengths)
    assert beam_search(build_scorers(case.speller, memory, case.lengths, fusing), case.lengths, 30)[0][0] == plain  # there is none
    assert plain.tokens != fused.tokens
    assert fused.scores["attention"] + 3 * len(fused.tokens) < plain.score
    assert fused.scores["lm"] == pytest.approx(case.lm_score(fused.tokens))
    assert fused.scores["lm"] > case.lm_score(plain.tokens)


# ---------------------------------------------------------------- by hand


def test_eos_threshold_refuses_an_early_end() -> None:
    table = Table({3: 0.55, EOS: 0.4}, {EOS: 0.9})  # log 0.4 = -0.92 < 1.5 log 0.55 = -0.90
    free = search(table, DecodeConfig(beam=3, ctc_weight=0))
    strict = search(table, DecodeConfig(beam=3, ctc_weight=0, eos_threshold=1.5))
    assert [h.tokens for h in free[0]][:2] == [[3], []]
    assert [] not in [h.tokens for h in strict[0]]
    assert strict[0][0].tokens == [3]
    table = Table({3: 0.5, EOS: 0.4}, {EOS: 0.9})  # log 0.4 > 1.5 log 0.5 = -1.04
    assert [] in [h.tokens for h in search(table, DecodeConfig(beam=3, ctc_weight=0, eos_threshold=1.5))[0]]


@pytest.mark.parametrize("threshold", [None, 1.5])
@pytest.mark.parametrize("beam", [1, 3])
def test_the_longest_output_is_ended_there(beam: int, threshold: float | None) -> None:
    never_ends = Table({3: 0.9, EOS: 1e-9})
    config = DecodeConfig(beam=beam, ctc_weight=0, max_tokens_per_state=1.5, eos_threshold=threshold)
    short, long = search(never_ends, config, lengths=(2, 5))
    assert (short[0].tokens, long[0].tokens) == ([3] * 3, [3] * 8)
    assert long[0].score == pytest.approx(8 * math.log(0.9) + math.log(1e-9))


def test_longest_output_is_at_least_one_token() -> None:
    assert longest_output(torch.tensor([0, 1, 10, 30]), 0.1).tolist() == [1, 1, 1, 3]


def test_search_stops_once_nothing_can_win() -> None:
    table = Table({3: 0.9, EOS: 0.01}, {EOS: 0.99, 4: 0.001})
    [hypotheses] = search(table, DecodeConfig(beam=2, ctc_weight=0), lengths=(1000,))
    assert hypotheses[0].tokens == [3]
    assert table.steps < 10
    table.steps = 0
    search(table, DecodeConfig(beam=2, ctc_weight=0, length_bonus=0.5), lengths=(1000,))
    assert table.steps < 30


def test_length_bonus_prefers_more_words() -> None:
    table = Table({3: 0.4, EOS: 0.6}, {EOS: 0.9})
    assert search(table, DecodeConfig(beam=3, ctc_weight=0))[0][0].tokens == []
    assert search(table, DecodeConfig(beam=3, ctc_weight=0, length_bonus=1.0))[0][0].tokens == [3]


def test_ctc_ends_a_loop() -> None:
    """The attention alone repeats 3 for ever; CTC has evidence for 3 4 3 only."""
    path = torch.tensor([[3, 3, 0, 4, 0, 3, 0, 0] + [0] * 20])
    ctc = (9 * torch.nn.functional.one_hot(path, 6).float()).log_softmax(2)
    loops = Table({3: 0.9, 4: 0.05, EOS: 0.01})
    assert len(search(loops, DecodeConfig(beam=4, ctc_weight=0), (28,), ctc)[0][0].tokens) != 3
    [hypotheses] = search(loops, DecodeConfig(beam=4, ctc_weight=0.5), (28,), ctc)
    assert hypotheses[0].tokens == [3, 4, 3]
    assert hypotheses[0].scores["ctc"] == pytest.approx(0.0, abs=0.1)


def test_impossible_for_ctc_still_yields_a_transcript() -> None:
    ctc = torch.full((1, 2, 6), -torch.inf)
    ctc[..., 5] = 0.0
    hypotheses = search(Table({3: 0.9, EOS: 1e-9}), DecodeConfig(beam=2, max_tokens_per_state=3), (2,), ctc)[0]
    assert all(math.isfinite(h.score) for h in hypotheses)
    assert hypotheses


def test_an_empty_batch_is_fine() -> None:
    case = make_case("location", [3], vocabulary=9)
    none = case._replace(states=case.states[:0], lengths=case.lengths[:0], ctc=case.ctc[:0])
    assert none.search(JOINT) == none.search(FUSED) == none.greedy() == []


@pytest.mark.parametrize("config", [ATTENTION_ONLY, JOINT], ids=["attention", "joint"])
def test_a_diverged_model_still_returns(config: DecodeConfig) -> None:
    nan = torch.full((2, 5, 6), torch.nan)
    found = search(Table(dict.fromkeys(range(6), math.nan)), config, (5, 3), nan)
    assert all(hypotheses for hypotheses in found)
