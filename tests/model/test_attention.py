"""Attention: against a loop over its equations, and blind to padding and to other hypotheses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests_support import ATTENTIONS
from torch import nn

from asr.config import AttentionConfig
from asr.model.attention import LocationAttention, MultiHeadAttention
from asr.model.block import StateLayout
from asr.model.kinds import build_attention

STATES = StateLayout(6, backward=3)


def config(kind: str) -> Any:
    return AttentionConfig.of_kind({"kind": kind, "size": 12, "heads": 3, "location_channels": 4, "location_width": 5})


def test_location_attention_is_its_equation() -> None:
    torch.manual_seed(0)
    attention = LocationAttention(STATES, 8, config("location"))
    states, query, previous = torch.randn(1, 9, 6), torch.randn(1, 1, 8), torch.rand(1, 1, 9).softmax(2)
    context, weights = attention(query, previous, attention.memory(states, torch.tensor([9])))
    filtered = attention.location(previous)[0].T  # (T, channels)
    energies = [
        attention.energy(torch.tanh(attention.query(query[0, 0]) + attention.key(states[0, t]) + attention.place(filtered[t])))
        for t in range(9)
    ]
    expected = torch.cat(energies).softmax(0)
    torch.testing.assert_close(weights[0, 0], expected)
    torch.testing.assert_close(context[0, 0], sum(w * h for w, h in zip(expected, states[0], strict=True)))


def test_multihead_attention_equals_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(StateLayout(12), 12, config("multihead")), nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight.data = torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]).data
    theirs.in_proj_bias.data = torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]).data
    theirs.out_proj.weight.data, theirs.out_proj.bias.data = torch.eye(12), torch.zeros(12)
    states, query = torch.randn(2, 7, 12), torch.randn(2, 4, 12)
    lengths = torch.tensor([7, 5])
    memory = ours.memory(states, lengths)
    context, weights = ours(query, torch.zeros(2, 4, 7), memory)
    expected, expected_weights = theirs(query, states, states, key_padding_mask=~memory.mask)
    torch.testing.assert_close(context, expected)
    torch.testing.assert_close(weights, expected_weights)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_padding_changes_nothing(kind: str) -> None:
    torch.manual_seed(0)
    attention = build_attention(STATES, 8, config(kind))
    states, query = torch.randn(2, 9, 6), torch.randn(2, 1, 8)
    previous = torch.zeros(2, 1, 9)
    previous[:, :, 2] = 1
    states[0, 4:] = 0
    both, weights = attention(query, previous, attention.memory(states, torch.tensor([4, 9])))
    alone, alone_weights = attention(query[:1], previous[:1, :, :4], attention.memory(states[:1, :4], torch.tensor([4])))
    torch.testing.assert_close(both[:1], alone)
    torch.testing.assert_close(weights[:1, :, :4], alone_weights)
    assert (weights[0, 0, 4:] == 0).all()


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_hypotheses_do_not_see_each_other(kind: str) -> None:
    torch.manual_seed(0)
    attention = build_attention(STATES, 8, config(kind))
    memory = attention.memory(torch.randn(2, 9, 6), torch.tensor([9, 7]))
    query, previous = torch.randn(2, 3, 8), torch.rand(2, 3, 9)
    together, _ = attention(query, previous, memory)
    for k in range(3):
        alone, _ = attention(query[:, k : k + 1], previous[:, k : k + 1], memory)
        torch.testing.assert_close(together[:, k : k + 1], alone)


def test_without_directions_the_final_state_is_the_last() -> None:
    states = torch.arange(24.0).reshape(1, 4, 6)
    attention = build_attention(StateLayout(6), 8, config("none"))
    context, _ = attention(torch.randn(1, 1, 8), torch.zeros(1, 1, 4), attention.memory(states, torch.tensor([3])))
    assert context[0, 0].tolist() == [12.0, 13.0, 14.0, 15.0, 16.0, 17.0]


def test_without_attention_the_context_is_the_final_state_of_either_direction() -> None:
    states = torch.arange(24.0).reshape(1, 4, 6)
    attention = build_attention(STATES, 8, config("none"))
    context, _ = attention(torch.randn(1, 1, 8), torch.zeros(1, 1, 4), attention.memory(states, torch.tensor([3])))
    assert context[0, 0].tolist() == [12.0, 13.0, 14.0, 3.0, 4.0, 5.0]
