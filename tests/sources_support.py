"""What the tests of the readers share: short recordings, and a reader's output in two lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from asr.prepare.listing import Listing
from asr.speech.manifest import Utterance

RATE = 8_000


def record(path: Path, seconds: float = 1.0, channels: int = 1) -> Path:
    """A recording of quiet noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.01 * np.random.default_rng(0).standard_normal((round(seconds * RATE), channels))
    soundfile.write(path, noise, RATE)
    return path


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(listing: Listing) -> tuple[list[Utterance], list[str]]:
    """Utterances, and problems."""
    items = list(listing.items)
    return [i for i in items if isinstance(i, Utterance)], [i for i in items if isinstance(i, str)]
