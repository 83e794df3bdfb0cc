"""What a run trains on: the manifests' utterances less those that cannot be used, each with its reason."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from asr.config import DataConfig
from asr.decode.utterances import LONGEST_SECONDS
from asr.errors import AudioError, ConfigError
from asr.model.las import LAS
from asr.speech.audio import probe
from asr.speech.batches import Example, Skipped
from asr.speech.manifest import Utterance, read_manifest
from asr.text.tokenizer import UNKNOWN, Tokenizer


def read_utterances(manifests: Sequence[Path], what: str) -> list[Utterance]:
    """All utterances of some manifests, in order. Raises ConfigError when `what` (`data.train`, …) names none."""
    if not manifests:
        raise ConfigError(f"{what} names no manifest: give one in the config or as {what}=[FILE]")
    return [utterance for path in manifests for utterance in read_manifest(path, need_text=True)]


def measured(utterances: Iterable[Utterance], tokenizer: Tokenizer) -> tuple[list[Example], list[Skipped]]:
    """Utterances as tokens and with their lengths, and those whose recording cannot be heard: unreadable, or hours long."""
    examples: list[Example] = []
    skipped: list[Skipped] = []
    utterances = list(utterances)
    for u, tokens in zip(utterances, tokenizer.encode_many([u.text or "" for u in utterances]), strict=True):
        try:
            seconds = probe(u.audio_filepath, u.track).seconds - u.offset if u.duration is None else u.duration
        except AudioError as e:
            skipped.append(Skipped(u.id, str(e)))
        else:
            if seconds > LONGEST_SECONDS:
                skipped.append(Skipped(u.id, f"{seconds:.0f} s long, and at most {LONGEST_SECONDS:.0f} s can be heard at once"))
            else:
                examples.append(Example(u, tuple(tokens), seconds))
    return examples, skipped


def cannot_write(text: str, tokenizer: Tokenizer) -> str:
    """Why a text with characters that no piece has cannot be learnt, and what to do about it."""
    return f"the model's pieces cannot write {' '.join(tokenizer.unknown(text))} of {text[:40]!r}: write texts as it does (`asr manifest from --normalize`)"


def digest(examples: Iterable[Example]) -> str:
    """Differs where examples do, in what or how much they are or in their order."""
    found = hashlib.sha256()
    for example in examples:
        found.update(f"{example.utterance.id}\n{example.seconds}\n{example.tokens}\n".encode())
    return found.hexdigest()


def trainable(
    examples: Sequence[Example], network: LAS, tokenizer: Tokenizer, config: DataConfig, fastest: float
) -> tuple[list[Example], list[Skipped]]:
    """Examples that can be trained on, and the others.

    An example must be of a length between `min_seconds` and `max_seconds` and have text, made of the tokenizer's pieces alone, and of no
    more of them than the CTC head has states for it even at the `fastest` speed (a repeated token needs one more state, for the blank between).
    """
    chosen: list[Example] = []
    skipped: list[Skipped] = []
    rate = network.config.frontend.sample_rate
    samples = torch.tensor([int(example.seconds / fastest * rate) for example in examples], dtype=torch.long)
    all_states = network.listener.state_lengths(network.frontend.frames(samples)).tolist()
    for example, states in zip(examples, all_states, strict=True):
        tokens, seconds = example.tokens, example.seconds
        needed = len(tokens) + sum(a == b for a, b in itertools.pairwise(tokens))
        if not tokens:
            skipped.append(Skipped(example.utterance.id, "its text is empty"))
        elif UNKNOWN in tokens:
            skipped.append(Skipped(example.utterance.id, cannot_write(example.utterance.text or "", tokenizer)))
        elif not config.min_seconds <= seconds <= config.max_seconds:
            skipped.append(Skipped(example.utterance.id, f"{seconds:.2f} s long, outside data.min_seconds to data.max_seconds"))
        elif network.ctc is not None and needed > states:
            skipped.append(Skipped(example.utterance.id, f"needs {needed} states for its text, and has {states}"))
        else:
            chosen.append(example)
    return chosen, skipped
