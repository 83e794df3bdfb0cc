"""Sentences in batches, for a language model.

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
from asr.speech.batches import pack
from asr.speech.manifest import read_manifest
from asr.text.lines import decoded_lines
from asr.text.tokenizer import EOS, UNKNOWN, Tokenizer
from asr.train.examples import unknown_characters


def read_sentences(files: Sequence[Path], what: str) -> list[str]:
    """Return the lines of text files (plain or .gz) and the texts of manifests, in order, without empty ones.

    Raises:
        ConfigError: The key `what` (`data.train`, ...) names no file, or a file that cannot be read or has no text.
    """
    if not files:
        raise ConfigError(f"{what} names no text: give a text file or a manifest in the config or as {what}=[FILE]")
    sentences: list[str] = []
    for path in files:
        if path.suffix in (".json", ".jsonl"):
            found = [u.text or "" for u in read_manifest(path, need_text=True)]
        else:
            found = read_lines(path, what)
        found = [text for line in found if (text := line.strip())]
        if not found:
            raise ConfigError(f"{path}: holds no text ({what})")
        sentences += found
    return sentences


def read_lines(path: Path, what: str) -> list[str]:
    """Return the lines of a text file (plain or .gz). Raises ConfigError, which names the key `what`, if it cannot be read."""
    try:
        with open(path, "rb") as raw:
            return list(decoded_lines(raw, path.suffix == ".gz"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file ({what})") from None
    except (OSError, UnicodeDecodeError, EOFError, zlib.error) as e:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {e}") from None


class Sentences:
    """Tokens of many sentences, concatenated in one array. A hundred million tokens fit in memory.

    Every sentence ends with EOS, except those truncated to `max_tokens`. Sentences with characters outside the vocabulary are skipped.

    Raises:
        ConfigError: All sentences are skipped. The message names the key `what` (`data.train`, ...).
    """

    def __init__(self, texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int, what: str = "the text"):
        self.words = 0
        self.truncated = 0  # sentences longer than max_tokens
        parts, lengths = [], []
        for start in range(0, len(texts), 10_000):
            some = texts[start : start + 10_000]
            for text, tokens in zip(some, tokenizer.encode_many(some), strict=True):
                if UNKNOWN in tokens:
                    continue
                self.words += len(text.split())
                self.truncated += len(tokens) > max_tokens
                part = np.asarray([*tokens, EOS] if len(tokens) <= max_tokens else tokens[:max_tokens], np.int32)
                parts.append(part)
                lengths.append(len(part))
        self.skipped = len(texts) - len(parts)
        if not parts:
            raise ConfigError(f"{what}: {unknown_characters(texts[0], tokenizer)}, nor any other sentence")
        self.tokens = np.concatenate(parts)
        self.lengths = np.asarray(lengths)  # EOS included
        self.starts = np.cumsum(self.lengths) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def total(self) -> int:
        """Number of tokens, EOS included."""
        return len(self.tokens)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return sentences (B, L), padded with 0, and their lengths (B,), EOS included."""
        lengths = self.lengths[indices]
        places = np.arange(lengths.max(initial=1))
        real = places < lengths[:, None]
        at = np.where(real, self.starts[indices][:, None] + places, 0)
        return torch.from_numpy(np.where(real, self.tokens[at], 0).astype(np.int64)), torch.from_numpy(lengths)


@dataclass
class SentenceSampler:
    """Batches of sentences of similar length, epoch after epoch. Set `epoch` and `step` to resume from there."""

    sentences: Sentences
    batch_tokens: int
    seed: int
    epochs: int
    epoch: int = 0
    step: int = 0

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch in random order. It depends on the seed and the epoch alone."""
        random = np.random.default_rng((self.seed, epoch))
        lengths = self.sentences.lengths.astype(float)
        order = np.argsort(lengths * random.uniform(0.9, 1.1, len(lengths)), kind="stable")
        batches = pack(order.tolist(), lengths, self.batch_tokens)
        return [batches[i] for i in random.permutation(len(batches))]

    def __iter__(self) -> Iterator[tuple[int, int, int, list[int]]]:
        """Yield (epoch, step in it, steps of it, sentences) from (`epoch`, `step`) to the end, without changing them."""
        first = self.step
        for epoch in range(self.epoch, self.epochs):
            plan = self.plan(epoch)
            for step in range(first, len(plan)):
                yield epoch, step, len(plan), plan[step]
            first = 0
