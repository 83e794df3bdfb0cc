"""Train a token model on transcripts and on text files that may be larger than memory."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asr.config import TokenizerConfig
from asr.errors import UsageError
from asr.files import write_atomically
from asr.prepare.prepared import Progress, no_progress
from asr.text.lines import decoded_lines
from asr.text.normalize import normalize_librispeech
from asr.text.tokenizer import Tokenizer

MOST_LINES = 1_000_000  # the most that SentencePiece reads
STRIDE = 10_000  # lines between updates of the progress


def train_token_model(path: Path, lines: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a unigram token model and write it.

    Args:
        path: the file of the model.
        lines: the text.
        vocab_size: number of pieces; the model has fewer if the text does not yield as many.

    Returns:
        The tokenizer.

    Raises:
        ConfigError: the text is too short.
    """
    tokenizer = Tokenizer.train(lines, TokenizerConfig(kind="unigram", vocab_size=vocab_size))
    write_atomically(path, tokenizer.serialized)
    return tokenizer


def check_texts(texts: Sequence[Path]) -> None:
    """Check that text files exist.

    Raises:
        UsageError: a file does not exist.
    """
    for path in texts:
        if not path.is_file():
            raise UsageError(f"--text {path}: {'is a folder, expected a text file' if path.is_dir() else 'no such file'}")


def sample_text(texts: Sequence[Path], progress: Progress = no_progress, most: int = MOST_LINES) -> list[str]:
    """Sample lines of text files, normalised like LibriSpeech's transcripts. Memory holds only the sample.

    Args:
        texts: text files (.txt, .txt.gz).
        progress: shows the progress.
        most: size of the sample. Longer texts are sampled uniformly, with a fixed seed.

    Returns:
        The lines.

    Raises:
        UsageError: a file cannot be read.
    """
    generator = random.Random(1)
    kept: list[str] = []
    seen = 0
    for path in texts:
        for line in _lines(path, progress):
            seen += 1  # Vitter's algorithm R: at each line, every line so far has the same probability of being in the sample
            if len(kept) < most:
                kept.append(line)
            elif (i := generator.randrange(seen)) < most:
                kept[i] = line
    return [normalize_librispeech(line) for line in kept]


def _lines(path: Path, progress: Progress) -> Iterator[str]:
    """Yield the lines of a plain or gzipped file that are not empty. The progress counts megabytes."""
    check_texts([path])
    megabytes = path.stat().st_size // 1_000_000
    try:
        with open(path, "rb") as raw, progress(f"reading {path.name} (MB)", megabytes) as advance:
            reported = 0
            for number, line in enumerate(decoded_lines(raw, path.suffix == ".gz")):
                if number % STRIDE == 0:
                    now = raw.tell() // 1_000_000
                    advance(now - reported)
                    reported = now
                if line.strip():
                    yield line
    except UnicodeDecodeError as e:
        raise UsageError(f"--text {path}: not UTF-8 text: {e.reason}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise UsageError(f"--text {path}: not gzip, or cut short: {e}") from None
