"""Spellers to search with: a random one, whose transcripts are scored anew without a search, and one made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from asr.config import AttentionConfig, DecodeConfig, LSTMLanguageModelConfig, LSTMSpellerConfig
from asr.decode.beam import beam_search
from asr.decode.ctc import NEVER
from asr.decode.greedy import greedy_search
from asr.decode.hotwords import Hotwords
from asr.decode.nbest import Hypothesis
from asr.decode.recognize import longest_output
from asr.decode.scorer import WeightedScorer
from asr.decode.scorers import build_scorers
from asr.model.attention import FinalState, Memory
from asr.model.block import StateLayout
from asr.model.kinds import build_speller
from asr.model.lstm_lm import LSTMLanguageModel
from asr.model.lstm_speller import LSTMState
from asr.model.speller import Speller
from asr.text.tokenizer import BLANK, EOS

STATES = 8  # the listener's size H


class Case(NamedTuple):
    """A speller and a batch for it."""

    speller: Speller
    states: Tensor  # (B, T, H)
    lengths: Tensor  # (B,)
    ctc: Tensor  # (B, T, V)
    lm: LSTMLanguageModel

    def search(
        self, config: DecodeConfig, hotwords: Hotwords | None = None, scorers: Sequence[WeightedScorer] = ()
    ) -> list[list[Hypothesis]]:
        memory = self.speller.memory(self.states, self.lengths)
        terms = build_scorers(self.speller, memory, self.lengths, config, self.ctc, self.lm, hotwords)
        return beam_search([*terms, *scorers], longest_output(self.lengths, config.max_tokens_per_state), config.beam)

    def greedy(self) -> list[list[Hypothesis]]:
        return greedy_search(self.speller, self.speller.memory(self.states, self.lengths), longest_output(self.lengths, 1.0))

    def lm_score(self, tokens: Sequence[int]) -> float:
        """log p of a whole sentence by the language model"""
        return -self.lm(torch.tensor([[*tokens, EOS]]), torch.tensor([len(tokens) + 1])).item()

    def alone(self, b: int) -> Case:
        t = int(self.lengths[b])
        return Case(self.speller, self.states[b : b + 1, :t], self.lengths[b : b + 1], self.ctc[b : b + 1, :t], self.lm)


def make_case(kind: str, lengths: list[int], vocabulary: int, seed: int = 0) -> Case:
    """A random speller, sharpened so that its choices and its attention are distinct; padding is garbage."""
    torch.manual_seed(seed)
    kind, *without = kind.split(" without ")
    config = AttentionConfig.of_kind({"kind": kind, "size": 8, "heads": 2, "location_channels": 2, "location_width": 5})
    shape_of_speller = LSTMSpellerConfig(embedding=8, hidden=16, layers=2, input_feeding=not without)
    speller = build_speller(vocabulary, StateLayout(STATES, STATES // 2), shape_of_speller, config).double().eval()
    lm = LSTMLanguageModel(vocabulary, LSTMLanguageModelConfig(embedding=8, hidden=12, layers=2)).double().eval()
    with torch.no_grad():
        for parameter in [*speller.parameters(), *lm.parameters()]:
            parameter.mul_(3.0)
        speller.output.bias[BLANK] += 3.0  # a search has to refuse it
    shape = (len(lengths), max(lengths))
    states, ctc = torch.randn(*shape, STATES).double() * 2, (torch.randn(*shape, vocabulary) * 2).log_softmax(2)
    for b, length in enumerate(lengths):
        states[b, length:], ctc[b, length:] = 1e3, torch.nan
    return Case(speller, states, torch.tensor(lengths), ctc, lm)


@torch.no_grad()
def scored(case: Case, tokens: list[int], config: DecodeConfig) -> Hypothesis:
    """Score a transcript of the one utterance of a case as the search should."""
    targets = torch.tensor([tokens], dtype=torch.long)
    logits, weights = case.speller(case.states, case.lengths, targets)
    attention = logits.log_softmax(2)[0].gather(1, torch.tensor([[*tokens, EOS]]).T).sum().item()
    covered = (weights.sum(1) > 0.5).sum().item()
    loss = torch.nn.functional.ctc_loss(
        case.ctc.double().transpose(0, 1), targets, case.lengths, torch.tensor([len(tokens)]), reduction="sum"
    )
    terms = {"attention": attention}
    if config.ctc_weight:
        terms["ctc"] = max(-loss.item(), NEVER)
    if config.lm_weight:
        terms["lm"] = case.lm_score(tokens)
    if config.lm_weight and config.internal_lm:
        mean = case.states[:, : case.lengths[0]].mean(1, keepdim=True)  # the only state
        mean = torch.zeros_like(mean) if isinstance(case.speller.attention, FinalState) else mean
        logits, _ = case.speller(mean, torch.tensor([1]), targets)
        terms["internal_lm"] = logits.log_softmax(2)[0].gather(1, torch.tensor([[*tokens, EOS]]).T).sum().item()
    if config.length_bonus:
        terms["length"] = len(tokens)
    if config.coverage_bonus:
        terms["coverage"] = covered
    score = (1 - config.ctc_weight) * attention + config.ctc_weight * terms.get("ctc", 0.0)
    score += config.lm_weight * (terms.get("lm", 0.0) - config.internal_lm * terms.get("internal_lm", 0.0))
    score += config.length_bonus * len(tokens) + config.coverage_bonus * covered
    return Hypothesis(tokens, score, terms)


class Table:
    """A speller whose step i has the same log-probabilities whatever was written; the last row serves all later steps."""

    def __init__(self, *rows: dict[int, float], vocabulary: int = 6):
        self.steps = 0
        self.log_probs = torch.full((len(rows), vocabulary), 1e-6, dtype=torch.float64)
        for log_probs, row in zip(self.log_probs, rows, strict=True):
            log_probs[list(row)] = torch.tensor(list(row.values()), dtype=torch.float64)
        self.log_probs = self.log_probs.log()

    def start(self, memory: Memory, hypotheses: int = 1) -> LSTMState:
        b, t = memory.mask.shape
        zeros = torch.zeros(b, hypotheses, 1, 1)
        return LSTMState(zeros, zeros, zeros[..., 0], torch.zeros(b, hypotheses, t))

    def step(self, tokens: Tensor, state: LSTMState, memory: Memory, twin: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        self.steps += 1
        step = state.hidden[..., 0, 0].long().clamp_max(len(self.log_probs) - 1)
        return self.log_probs[step], state._replace(hidden=state.hidden + 1)


def search(
    table: Table,
    config: DecodeConfig,
    lengths: tuple[int, ...] = (4,),
    ctc: Tensor | None = None,
    hotwords: Hotwords | None = None,
    scorers: Sequence[WeightedScorer] = (),
) -> list[list[Hypothesis]]:
    """Search with a table's speller, for utterances with `lengths` states."""
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    memory = Memory(torch.zeros(*mask.shape, 1), torch.zeros(*mask.shape, 1), mask)
    terms = build_scorers(table, memory, torch.tensor(lengths), config, ctc, None, hotwords)  # type: ignore[arg-type]
    return beam_search([*terms, *scorers], longest_output(torch.tensor(lengths), config.max_tokens_per_state), config.beam)
