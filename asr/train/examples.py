"""The training examples of a run, and the utterances that it skips, each with a reason."""

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
    """Return all utterances of the manifests, in order. Raises ConfigError if the key `what` (`data.train`, ...) names no manifest."""
    if not manifests:
        raise ConfigError(f"{what} names no manifest: give one in the config or as {what}=[FILE]")
    return [utterance for path in manifests for utterance in read_manifest(path, need_text=True)]


def encode_utterances(utterances: Iterable[Utterance], tokenizer: Tokenizer) -> tuple[list[Example], list[Skipped]]:
    """Encode the texts of utterances and measure their lengths. Skips those whose recording is unreadable or too long."""
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
                skipped.append(Skipped(u.id, f"{seconds:.0f} s long, and the limit is {LONGEST_SECONDS:.0f} s"))
            else:
                examples.append(Example(u, tuple(tokens), seconds))
    return examples, skipped


def unknown_characters(text: str, tokenizer: Tokenizer) -> str:
    """Return the reason for skipping a text with characters that are not in the vocabulary, and the remedy."""
    return f"the model's pieces cannot write {' '.join(tokenizer.unknown(text))} of {text[:40]!r}: normalise the texts (`asr manifest from --normalize`)"


def digest(examples: Iterable[Example]) -> str:
    """Return a digest of examples and their order."""
    found = hashlib.sha256()
    for example in examples:
        found.update(f"{example.utterance.id}\n{example.seconds}\n{example.tokens}\n".encode())
    return found.hexdigest()


def select_trainable(
    examples: Sequence[Example], network: LAS, tokenizer: Tokenizer, config: DataConfig, fastest: float
) -> tuple[list[Example], list[Skipped]]:
    """Select the examples that can be trained on.

    An example needs a length from `min_seconds` to `max_seconds` and a text in the vocabulary. With a CTC head it also needs as many states as
    tokens even at the fastest speed. A repeated token needs one more state, for the blank between the two.

    Args:
        examples: Candidates.
        network: The network, for its numbers of states.
        tokenizer: The vocabulary.
        config: Limits.
        fastest: Largest factor of speed perturbation.

    Returns:
        The selected examples, and the others with reasons.
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
            skipped.append(Skipped(example.utterance.id, unknown_characters(example.utterance.text or "", tokenizer)))
        elif not config.min_seconds <= seconds <= config.max_seconds:
            skipped.append(Skipped(example.utterance.id, f"{seconds:.2f} s long, outside data.min_seconds to data.max_seconds"))
        elif network.ctc is not None and needed > states:
            skipped.append(Skipped(example.utterance.id, f"needs {needed} states for its text, and has {states}"))
        else:
            chosen.append(example)
    return chosen, skipped
