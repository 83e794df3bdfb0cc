"""A trained network in bf16 or int8, for speed."""

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
    """Convert the weights of a model and of its language model. The model given may be changed; use the one returned.

    int8: LSTMs and linear layers by dynamic quantisation, on CPUs only. Activations have one scale per batch, so a text can depend on the
    other utterances in its batch; in fp32 it does not. bf16: for GPUs, and CPUs with AVX512-BF16 or AMX; other CPUs emulate it, slower
    than fp32. The front end stays in fp32, since a log-mel needs its digits.

    Raises:
        UsageError: int8 on a GPU, or with a build of torch that has no quantised operations.
    """
    if precision == "fp32":
        return model
    device = model.network.frontend.mean.device
    if precision == "int8" and not computes_int8(device):
        where = "this build of torch has no quantised operations: use fp32" if device.type == "cpu" else "it is for CPUs: use bf16 on a GPU"
        raise UsageError(f"precision int8: {where}")
    change = _quantized if precision == "int8" else _halved
    network, lm = change(model.network), model.lm and replace(model.lm, network=change(model.lm.network))
    return replace(model, network=network, lm=lm)


def computes_int8(device: torch.device) -> bool:
    """Whether torch has int8 operations there."""
    return device.type == "cpu" and torch.backends.quantized.engine != "none"


def _quantized(network: Network) -> Network:
    from torch.ao.quantization import quantize_dynamic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in favour of torchao, which quantises no LSTM
        return quantize_dynamic(network, {nn.LSTM, nn.LSTMCell, nn.Linear}, dtype=torch.qint8, inplace=True)


def _halved(network: Network) -> Network:
    for name, part in network.named_children():
        if name != "frontend":
            part.to(torch.bfloat16)
    return network
