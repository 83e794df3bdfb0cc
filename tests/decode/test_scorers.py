"""The protocol of scorers: each is a term of the score, and a new one is one class."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
import torch
from spellers import Table, make_case, search
from torch import Tensor

from asr.config import EMBEDDED, DecodeConfig
from asr.decode.beam import beam_search
from asr.decode.hotwords import build_hotwords
from asr.decode.recognize import recognize
from asr.decode.scorer import Scorer, WeightedScorer, map_tensors, select
from asr.decode.scorers import LengthScorer
from asr.errors import AsrError
from asr.model.checkpoint import load_model
from asr.text.tokenizer import EOS

ROOT = Path(__file__).parents[2]
EVERYTHING = DecodeConfig(beam=6, ctc_weight=0.3, lm_weight=0.6, length_bonus=0.4, coverage_bonus=0.2, eos_threshold=1.2)
PIECES = ["<blank>", "<unk>", "</s>", "▁A", "B", "▁C", "D", "▁E", "F"]
PHRASES = {"AB": 1.5, "C": 0.5}


class ForbiddenTokens(Scorer):
    """-inf for each token of a list."""

    name = "forbidden"

    def __init__(self, tokens: list[int], vocabulary: int):
        self.penalties = torch.zeros(vocabulary).index_fill(0, torch.tensor(tokens), -torch.inf)

    def score(self, prefixes: Tensor) -> Tensor:
        return self.penalties


class Pairs(Scorer):
    """How often the token `first` is followed by `second`, and whether the transcript ends with `first`."""

    name = "pairs"
    state: tuple[Tensor, None]  # whether the last token is `first` (B, K)

    def __init__(self, first: int, second: int, vocabulary: int):
        self.first = first
        self.second = torch.nn.functional.one_hot(torch.tensor(second), vocabulary)  # (V,) integers

    def start(self, utterances: int, hypotheses: int) -> None:
        self.state = torch.zeros(utterances, hypotheses, dtype=torch.bool), None

    def score(self, prefixes: Tensor) -> Tensor:
        assert torch.equal(self.state[0], prefixes[..., -1] == self.first)  # reordered and dropped as the prefixes are
        return self.state[0][..., None] * self.second

    def final(self, prefixes: Tensor) -> Tensor:
        return self.state[0].float()

    def advance(self, tokens: Tensor) -> None:
        self.state = tokens == self.first, None

    def bound(self, steps: Tensor) -> Tensor:
        return steps


def test_the_example_of_the_documentation_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "scorers.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(compile(block, "docs/scorers.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", block)


def test_the_documentation_has_every_term() -> None:
    page = (ROOT / "docs" / "scorers.md").read_text(encoding="utf-8")
    [hypothesis, *_] = make_case("location", [6], 9).search(EVERYTHING, build_hotwords(PHRASES, PIECES))[0]
    terms = re.findall(r"^\| `(\w+)` \| \[", page, re.MULTILINE)
    assert [term for term in terms if term != "words"] == list(hypothesis.scores)  # tests/decode/test_words.py has its term


@pytest.mark.parametrize("kind", ["location", "multihead without input feeding"])
def test_the_score_is_the_weighted_sum_of_its_terms(kind: str) -> None:
    config, hotwords = EVERYTHING, build_hotwords(PHRASES, PIECES)
    weights = {"attention": 0.7, "ctc": 0.3, "lm": 0.6, "internal_lm": -0.6 * config.internal_lm, "length": 0.4, "coverage": 0.2}
    weights |= {"hotwords": 1.0, "pairs": -0.3}
    extra = WeightedScorer(-0.3, Pairs(3, 4, 9))
    for hypotheses in make_case(kind, [9, 4, 12], 9, seed=1).search(config, hotwords, [extra]):
        for hypothesis in hypotheses:
            assert list(hypothesis.scores) == list(weights)
            assert hypothesis.score == pytest.approx(sum(weights[name] * term for name, term in hypothesis.scores.items()), abs=1e-9)
            assert hypothesis.scores["length"] == len(hypothesis.tokens)
            assert hypothesis.scores["hotwords"] == round(hypothesis.scores["hotwords"] * 2) / 2


def test_a_forbidden_token_is_in_no_transcript() -> None:
    case = make_case("location", [9, 4, 12], 9, seed=1)
    config = DecodeConfig(beam=6, ctc_weight=0.3)
    [token] = set(case.search(config)[0][0].tokens[:1])
    for hypotheses in case.search(config, scorers=[WeightedScorer(1.0, ForbiddenTokens([token], 9))]):
        assert hypotheses
        assert all(token not in h.tokens and math.isfinite(h.score) for h in hypotheses)


def test_a_wide_beam_ranks_by_a_new_term_as_by_the_others() -> None:
    """The reward of a pair, and of an end, added to the score of every transcript by hand."""
    case, config = make_case("location", [4], 5, seed=2), DecodeConfig(beam=130, ctc_weight=0.3, length_bonus=0.4)

    def pairs(tokens: list[int]) -> int:
        return sum(pair == (3, 4) for pair in itertools.pairwise(tokens)) + (tokens[-1:] == [3])

    expected = sorted(((h.score + 2.5 * pairs(h.tokens), h.tokens) for h in case.search(config)[0]), reverse=True)
    found = case.search(config, scorers=[WeightedScorer(2.5, Pairs(3, 4, 5))])[0]
    assert [h.tokens for h in found] == [tokens for _, tokens in expected]
    assert [h.score for h in found] == pytest.approx([score for score, _ in expected], abs=1e-9)
    assert [h.scores["pairs"] for h in found] == [pairs(h.tokens) for h in found]
    assert [h.tokens for h in found] != [h.tokens for h in case.search(config)[0]]


def test_a_new_term_does_not_depend_on_the_batch() -> None:
    case = make_case("location", [10, 1, 6, 13, 3], 9, seed=4)
    for b, hypotheses in enumerate(case.search(EVERYTHING, scorers=[WeightedScorer(1.5, Pairs(3, 4, 9))])):
        alone = case.alone(b).search(EVERYTHING, scorers=[WeightedScorer(1.5, Pairs(3, 4, 9))])[0]
        assert [h.tokens for h in hypotheses] == [h.tokens for h in alone]
        assert [h.score for h in hypotheses] == pytest.approx([h.score for h in alone], abs=1e-4)


def test_the_search_goes_on_while_a_bound_promises_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 4 is worth 6 nats, while 3 alone is far behind the empty transcript, which has ended."""
    table = Table({EOS: 0.9, 3: 0.05}, {4: 0.9, EOS: 0.05}, {EOS: 0.9})
    assert search(table, DecodeConfig(beam=1, ctc_weight=0))[0][0].tokens == []
    [[found]] = search(table, DecodeConfig(beam=1, ctc_weight=0), scorers=[WeightedScorer(6.0, Pairs(3, 4, 6))])
    assert found.tokens == [3, 4]
    monkeypatch.setattr(Pairs, "bound", Scorer.bound)
    [[hasty]] = search(table, DecodeConfig(beam=1, ctc_weight=0), scorers=[WeightedScorer(6.0, Pairs(3, 4, 6))])
    assert hasty.tokens == []


def test_a_scorer_may_refuse_the_end_but_not_at_the_longest_output() -> None:
    class Endless(Scorer):
        name = "endless"

        def score(self, prefixes: Tensor) -> Tensor:
            self.shape = prefixes.shape[:2]
            return torch.zeros(())

        def may_end(self) -> Tensor:
            return torch.zeros(self.shape, dtype=torch.bool)

    table = Table({EOS: 0.5, 3: 0.4}, {EOS: 0.5, 3: 0.4})
    found = search(table, DecodeConfig(beam=2, ctc_weight=0), (3, 5), scorers=[WeightedScorer(1.0, Endless())])
    assert [h[0].tokens for h in found] == [[3] * 3, [3] * 5]


def test_two_scorers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two scorers have one name: length, length"):
        beam_search([WeightedScorer(1.0, LengthScorer()), WeightedScorer(2.0, LengthScorer())], torch.tensor([3]), 2)


def test_recognize_takes_scorers_even_where_the_search_would_be_greedy() -> None:
    model = load_model(EMBEDDED)
    config = DecodeConfig(beam=1, ctc_weight=0)
    waveform = torch.randn(8_000, generator=torch.Generator().manual_seed(0))
    [[plain]] = recognize(model, [waveform], config)
    tokens = set(plain.tokens) or {3}
    forbidden = ForbiddenTokens(sorted(tokens), len(model.tokenizer))
    [[found]] = recognize(model, [waveform], config, scorers=[WeightedScorer(1.0, forbidden)])
    assert set(plain.scores) == {"attention"}
    assert set(found.scores) == {"attention", "forbidden"}
    assert not tokens & set(found.tokens)


class ForbidsAll(Scorer):
    name = "nothing"

    def score(self, prefixes: Tensor) -> Tensor:
        return torch.full((1, 1, 1), -torch.inf, dtype=torch.float64)

    def final(self, prefixes: Tensor) -> Tensor:
        return torch.full((1, 1), -torch.inf, dtype=torch.float64)


def test_scorers_that_forbid_every_transcript_are_blamed(tiny_folder: Path) -> None:
    with pytest.raises(AsrError, match="a scorer gave -inf to every token and to the end"):
        recognize(load_model(tiny_folder), [torch.randn(8_000)], scorers=[WeightedScorer(1.0, ForbidsAll())])


def test_trees_of_tensors_are_mapped_and_selected() -> None:
    one, two = torch.arange(6).view(2, 3), torch.arange(12).view(2, 3, 2)
    assert map_tensors(lambda x: x + 1, None) is None
    mapped = map_tensors(lambda x: x[:1], (one, (two, None)))
    assert torch.equal(mapped[0], one[:1])
    assert torch.equal(mapped[1][0], two[:1])
    selected = select((one, two), torch.tensor([[2, 0], [1, 1]]))
    assert selected[0].tolist() == [[2, 0], [4, 4]]
    assert selected[1].tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]
