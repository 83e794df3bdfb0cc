"""The protocol of a scorer: one term of the score that the beam search ranks hypotheses by.

Shapes: B utterances, K hypotheses of each, V tokens, L tokens so far. Scores are in nats.

The search is given pairs (weight, scorer). At each step it calls, for every scorer in the order of the list,

    score(prefixes), final(prefixes)    rate each continuation, and the end, of all active hypotheses
    reorder(parents), advance(tokens)   keep the chosen hypotheses and append the chosen tokens
    drop(kept)                          from time to time: remove the utterances that are done

docs/scorers.md shows how to write one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

Tree = TypeVar("Tree")


class Scorer(Protocol):
    """A term of the score, batched over utterances and hypotheses.

    A subclass defines `name` and `score`. One that remembers something about each hypothesis keeps it in `state` and sets it in `start`,
    `score` or `advance`; `reorder` and `drop` then work as they are. A scorer belongs to one search at a time.

    Attributes:
        name: the key of the term in `Hypothesis.scores`; unique in a list of scorers.
        state: a tensor (B, K, ...), or a tuple or named tuple of these, of tuples and of None.
    """

    name: str
    state: Any = None

    def start(self, utterances: int, hypotheses: int) -> None:
        """Set the state for B utterances with K empty hypotheses each."""
        return None

    @abstractmethod
    def score(self, prefixes: Tensor) -> Tensor:
        """Score every token as the next one of every hypothesis.

        Args:
            prefixes: (B, K, 1 + L) tokens so far, which begin with EOS.

        Returns:
            What each token adds to the term: (B, K, V), or a shape that broadcasts to it. -inf forbids a token. Columns of BLANK and EOS are
            ignored.
        """
        ...

    def final(self, prefixes: Tensor) -> Tensor:
        """Score the end of every hypothesis; called after `score` with the same prefixes.

        Returns:
            What ending adds to the term: (B, K), or a shape that broadcasts to it; by default 0.
        """
        return torch.zeros(1, 1, dtype=torch.float64, device=prefixes.device)

    def reorder(self, parents: Tensor) -> None:
        """Keep the hypotheses `parents` (B, K') of each utterance; one may be kept more than once, and K' differ from K."""
        self.state = select(self.state, parents)

    def advance(self, tokens: Tensor) -> None:
        """Append `tokens` (B, K') to the hypotheses; called after `reorder`."""
        return None

    def drop(self, kept: Tensor) -> None:
        """Drop the utterances that are done; `kept` (B',) are the indices of the others."""
        self.state = take(self.state, kept)

    def may_end(self) -> Tensor | None:
        """Say which hypotheses may end here: (B, K) bool, or None for all of them; called after `score`.

        At the longest output the search ignores it for an utterance in which nothing has ended yet.
        """
        return None

    def bound(self, steps: Tensor) -> Tensor | None:
        """Bound what the term may add in the next `steps` (B, 1) steps: (B, K) or (B, 1), or None for 0; called after `advance`.

        The search stops when no active hypothesis can win, and multiplies the bound by the weight. Terms that only fall need none.
        """
        return None


class WeightedScorer(NamedTuple):
    """A scorer and the weight of its term."""

    weight: float
    scorer: Scorer


@runtime_checkable
class Matcher(Scorer, Protocol):
    """A scorer that rewards a complete match of several tokens, and needs partial matches to survive until then.

    The search keeps hypotheses with partial matches in a side beam. They enter the main beam, or end, only in a step in which `score` or
    `final` of this scorer is not 0. A list of scorers holds at most one.
    """

    @abstractmethod
    def partial(self) -> Tensor:
        """Value the partial match that each continuation would hold: (B, K, V), 0 for none; called after `score`."""
        ...


def map_tensors(function: Callable[[Tensor], Tensor], tree: Tree) -> Tree:
    """Apply a function to every tensor in a tree of tuples, named tuples and None."""
    if isinstance(tree, Tensor):
        return function(tree)  # type: ignore[return-value]
    if not isinstance(tree, tuple):
        return tree
    mapped = [map_tensors(function, branch) for branch in tree]
    return type(tree)(*mapped) if hasattr(tree, "_fields") else type(tree)(mapped)


def take(tree: Tree, utterances: Tensor) -> Tree:
    """Take utterances, by index (B',) or mask (B,), from every tensor (B, ...) of a tree."""
    return map_tensors(lambda x: x[utterances], tree)


def select(tree: Tree, hypotheses: Tensor) -> Tree:
    """Select hypotheses (B, K') of each utterance in every tensor (B, K, ...) of a tree."""
    rows = torch.arange(len(hypotheses), device=hypotheses.device)[:, None]
    return map_tensors(lambda x: x[rows, hypotheses], tree)
