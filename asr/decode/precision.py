"""Conversion of a trained network to bf16 or int8, for speed."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal, TypeVar

import torch
from torch import nn

from asr.errors import UsageError
from asr.model.block import Block
from asr.model.checkpoint import TrainedModel

Precision = Literal["fp32", "bf16", "int8"]

Network = TypeVar("Network", bound=nn.Module)


def in_precision(model: TrainedModel, precision: Precision) -> TrainedModel:
    """Convert the weights of a model and of its language model.

    int8 quantises the modules that each block names (`Block.int8_types`) dynamically, on CPUs only. Activations have one scale per batch,
    so int8 results can depend on the other utterances of the batch; fp32 results do not. bf16 is for GPUs, and for CPUs with AVX512-BF16 or
    AMX; other CPUs emulate it, slower than fp32. The front end stays in fp32, which log-mel features need.

    Args:
        model: May be changed. Use the returned one.
        precision: fp32 returns the model unchanged.

    Returns:
        The converted model.

    Raises:
        UsageError: int8 on a GPU, or with a build of torch that has no quantised operations.
    """
    if precision == "fp32":
        return model
    device = model.network.frontend.mean.device
    if precision == "int8" and not computes_int8(device):
        where = "this build of torch has no quantised operations: use fp32" if device.type == "cpu" else "it is for CPUs: use bf16 on a GPU"
        raise UsageError(f"precision int8: {where}")
    convert = _to_int8 if precision == "int8" else _to_bf16
    network, lm = convert(model.network), model.lm and replace(model.lm, network=convert(model.lm.network))
    return replace(model, network=network, lm=lm)


def computes_int8(device: torch.device) -> bool:
    """Return whether torch has int8 operations for a device."""
    return device.type == "cpu" and torch.backends.quantized.engine != "none"


def _to_int8(network: Network) -> Network:
    from torch.ao.quantization import quantize_dynamic

    types = network.int8_types if isinstance(network, Block) else Block.int8_types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in favour of torchao, which quantises no LSTM
        return quantize_dynamic(network, _int8_modules(network, types), dtype=torch.qint8, inplace=True)


def _int8_modules(module: nn.Module, types: frozenset[type[nn.Module]], prefix: str = "") -> set[str]:
    """Return the names of the submodules to quantise: those of the `types` of the innermost block around them."""
    names: set[str] = set()
    for name, child in module.named_children():
        own_types = child.int8_types if isinstance(child, Block) else types
        names |= {prefix + name} if type(child) in own_types else _int8_modules(child, own_types, f"{prefix}{name}.")
    return names


def _to_bf16(network: Network) -> Network:
    for name, part in network.named_children():
        if name != "frontend":
            part.to(torch.bfloat16)
    return network
