"""Text to batches for a language model.

Shapes: B sentences, L tokens.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asr.errors import ConfigError
from asr.speech.batches import cut
from asr.speech.manifest import read_manifest
from asr.text.lines import decoded_lines
from asr.text.tokenizer import EOS, UNKNOWN, Tokenizer
from asr.train.examples import cannot_write


def read_sentences(files: Sequence[Path], what: str) -> list[str]:
    """The lines of text files (.gz as well) and the texts of manifests, in order; empty ones are left out.

    Raises ConfigError when `what` (`data.train`, …) names no file or one that cannot be read or holds no text.
    """
    if not files:
        raise ConfigError(f"{what} names no text: give a text file or a manifest in the config or as {what}=[FILE]")
    sentences: list[str] = []
    for path in files:
        if path.suffix in (".json", ".jsonl"):
            found = [u.text or "" for u in read_manifest(path, need_text=True)]
        else:
            try:
                with open(path, "rb") as raw:
                    found = list(decoded_lines(raw, path.suffix == ".gz"))
            except FileNotFoundError:
                raise ConfigError(f"{path}: no such file ({what})") from None
            except (OSError, UnicodeDecodeError, EOFError, zlib.error) as e:
                raise ConfigError(f"{path}: cannot be read as UTF-8 text: {e}") from None
        found = [text for line in found if (text := line.strip())]
        if not found:
            raise ConfigError(f"{path}: holds no text ({what})")
        sentences += found
    return sentences


class Sentences:
    """Tokens of many sentences, end to end in one array: a hundred million of them fit in memory.

    After each stands end-of-sentence, but for those that are cut to `max_tokens`: they do not end there. Sentences with characters that
    no piece has are left out. Raises ConfigError, naming `what` (`data.train`, …), when that leaves none.
    """

    def __init__(self, texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int, what: str = "the text"):
        self.words = 0
        self.cut = 0  # sentences longer than max_tokens
        parts, lengths = [], []
        for start in range(0, len(texts), 10_000):
            some = texts[start : start + 10_000]
            for text, tokens in zip(some, tokenizer.encode_many(some), strict=True):
                if UNKNOWN in tokens:
                    continue
                self.words += len(text.split())
                self.cut += len(tokens) > max_tokens
                part = np.asarray([*tokens, EOS] if len(tokens) <= max_tokens else tokens[:max_tokens], np.int32)
                parts.append(part)
                lengths.append(len(part))
        self.left_out = len(texts) - len(parts)
        if not parts:
            raise ConfigError(f"{what}: {cannot_write(texts[0], tokenizer)}, nor any other sentence")
        self.tokens = np.concatenate(parts)
        self.lengths = np.asarray(lengths)  # ends counted
        self.starts = np.cumsum(self.lengths) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def total(self) -> int:
        """tokens, ends counted"""
        return len(self.tokens)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Sentences (B, L) with their ends, padded with 0, and their lengths (B,)."""
        lengths = self.lengths[indices]
        places = np.arange(lengths.max(initial=1))
        real = places < lengths[:, None]
        at = np.where(real, self.starts[indices][:, None] + places, 0)
        return torch.from_numpy(np.where(real, self.tokens[at], 0).astype(np.int64)), torch.from_numpy(lengths)


@dataclass
class SentenceSampler:
    """Epoch after epoch of batches of like length, shared out over the processes; set `epoch` and `step` to go on from there."""

    sentences: Sentences
    batch_tokens: int
    seed: int
    epochs: int
    epoch: int = 0
    step: int = 0

    def plan(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch in random order; it depends on the seed and the epoch alone."""
        random = np.random.default_rng((self.seed, epoch))
        lengths = self.sentences.lengths.astype(float)
        order = np.argsort(lengths * random.uniform(0.9, 1.1, len(lengths)), kind="stable")
        batches = cut(order.tolist(), lengths, self.batch_tokens)
        return [batches[i] for i in random.permutation(len(batches))]

    def __iter__(self) -> Iterator[tuple[int, int, int, list[int]]]:
        """(epoch, step in it, steps it has, sentences) from (`epoch`, `step`) to the end. Does not move them."""
        first = self.step
        for epoch in range(self.epoch, self.epochs):
            plan = self.plan(epoch)
            for step in range(first, len(plan)):
                yield epoch, step, len(plan), plan[step]
            first = 0
