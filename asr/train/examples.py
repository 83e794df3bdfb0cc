"""The training examples of a run, and the utterances that it skips, each with a reason."""

from __future__ import annotations

import hashlib
import itertools
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from asr.config import DataConfig
from asr.decode.utterances import LONGEST_SECONDS
from asr.errors import AudioError, ConfigError, ManifestError, UsageError
from asr.model.las import LAS
from asr.speech.audio import probe
from asr.speech.batches import Example, Skipped
from asr.speech.manifest import Utterance, read_manifest
from asr.text.tokenizer import UNKNOWN, Tokenizer

SHOWN_PROBLEMS = 5  # of a manifest


def read_utterances(manifests: Sequence[Path], what: str) -> list[Utterance]:
    """Return all utterances of the manifests, in order.

    Args:
        manifests: Their files.
        what: The key that names them (`data.train`, ...), for errors.

    Raises:
        ConfigError: There is no manifest, one cannot be read, or all of its texts are empty.
        ManifestError: Lines cannot be used. The message has the first few, and the command that lists all.
    """
    if not manifests:
        raise ConfigError(f"{what} names no manifest: give one in the config or as {what}=[FILE]")
    found: list[Utterance] = []
    for path in manifests:
        try:
            utterances = read_manifest(path, need_text=True)
        except ManifestError as e:
            more = len(e.problems) - SHOWN_PROBLEMS
            rest = [f"{path}: {more} more problems: {check_command(path)} lists all"] if more > 0 else []
            raise ManifestError([*e.problems[:SHOWN_PROBLEMS], *rest]) from None
        except UsageError as e:
            raise ConfigError(f"{e} ({what})") from None
        if not any((u.text or "").strip() for u in utterances):
            raise ConfigError(f"{utterances[0].source}: text is empty, as in all {len(utterances)} lines of {what}: {check_command(path)}")
        found += utterances
    return found


def check_command(manifest: Path) -> str:
    """Return the command that checks a manifest, in backquotes."""
    return f"`asr manifest check {shlex.quote(str(manifest))}`"


def no_usable(what: str, utterances: Sequence[Utterance], skipped: Sequence[Skipped], unreadable: bool) -> ConfigError:
    """Return the error of data of which every utterance is skipped, with the line and reason of the first.

    Args:
        what: The key of the data (`data.train`, ...).
        utterances: The data.
        skipped: All of them, with reasons.
        unreadable: Whether the recordings are the reason, so that a check of the manifest helps.
    """
    first = skipped[0]
    source = next((u.source for u in utterances if u.id == first.id), first.id)
    more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
    advice = f": {check_command(Path(source.rpartition(':')[0]))} lists all" if unreadable else ""
    return ConfigError(f"no utterance of {what} can be used: {source}: {first.reason}{more}{advice}")


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
