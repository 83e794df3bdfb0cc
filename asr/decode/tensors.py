"""Named tuples of tensors, changed all at once: the state of a search is a tree of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

Tensors = TypeVar("Tensors", bound=tuple[Any, ...])


def change(function: Callable[[Tensor], Tensor], tree: Tensors) -> Tensors:
    """Change every tensor in a named tuple of tensors, of named tuples of them, and of None."""
    return type(tree)(*(function(x) if isinstance(x, Tensor) else x and change(function, x) for x in tree))


def select(tree: Tensors, hypotheses: Tensor) -> Tensors:
    """Of tensors (B, K, ...), the hypotheses (B, K') of each utterance."""
    rows = torch.arange(len(hypotheses), device=hypotheses.device)[:, None]
    return change(lambda x: x[rows, hypotheses], tree)
