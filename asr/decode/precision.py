"""A trained network in other numbers than float32, for speed."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal, TypeVar

import torch
from torch import nn

from asr.errors import UsageError
from asr.model.checkpoint import TrainedModel

Precision = Literal["fp32", "bf16", "int8"]

Network = TypeVar("Network", bound=nn.Module)


def in_precision(model: TrainedModel, precision: Precision) -> TrainedModel:
    """The model with weights in `precision`: a copy, or the one that was given, changed.

    int8: weights of the LSTMs and linear layers in 8 bits, activations quantised as they come (dynamic quantisation; CPUs only): on a scale
    for all that are computed at once, so that a text may depend on what is recognised beside it. fp32 has batch = one by one.
    bf16: for GPUs, and CPUs with AVX512-BF16 or AMX; elsewhere it is slower than fp32. The front end stays in fp32: a log-mel needs its
    digits. Raises UsageError for int8 on a GPU.
    """
    if precision == "fp32":
        return model
    device = model.network.frontend.mean.device
    if precision == "int8" and device.type != "cpu":
        raise UsageError("int8 is for CPUs: use bf16 on a GPU")
    change = _quantised if precision == "int8" else _halved
    network = model.network
    network.listener, network.speller = change(network.listener), change(network.speller)
    if network.ctc is not None:
        network.ctc = change(network.ctc)
    return replace(model, lm=model.lm and replace(model.lm, network=change(model.lm.network)))


def _quantised(network: Network) -> Network:
    from torch.ao.quantization import quantize_dynamic

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # torchao, which is to replace it, knows no LSTMs
        return quantize_dynamic(network, {nn.LSTM, nn.LSTMCell, nn.Linear}, dtype=torch.qint8)


def _halved(network: Network) -> Network:
    return network.to(torch.bfloat16)
