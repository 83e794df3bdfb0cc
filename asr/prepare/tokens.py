"""A token model out of transcripts, and of text files that may be larger than memory."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asr.config import TokenizerConfig
from asr.errors import UsageError
from asr.files import write_atomically
from asr.prepare.progress import Progress, no_progress
from asr.text.lines import decoded_lines
from asr.text.normalize import normalize_librispeech
from asr.text.tokenizer import Tokenizer

MOST_LINES = 1_000_000  # SentencePiece looks at no more
STRIDE = 10_000  # lines between two looks at how far the file is read


def train_token_model(path: Path, lines: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn `vocab_size` unigram pieces (fewer, where the text cannot fill so many) and write them to `path`.

    Raises ConfigError when there is too little text.
    """
    tokenizer = Tokenizer.train(lines, TokenizerConfig(kind="unigram", vocab_size=vocab_size))
    write_atomically(path, tokenizer.serialized)
    return tokenizer


def check_texts(texts: Sequence[Path]) -> None:
    """Raises UsageError for the first file that is not there."""
    for path in texts:
        if not path.is_file():
            raise UsageError(f"--text {path}: {'is a folder, expected a text file' if path.is_dir() else 'no such file'}")


def sample_text(texts: Sequence[Path], progress: Progress = no_progress, most: int = MOST_LINES) -> list[str]:
    """Lines of text files (.txt, .txt.gz), normalised as LibriSpeech's transcripts are.

    Of more than `most` lines so many are chosen by chance, always the same ones; memory holds no more. Raises UsageError when a
    file cannot be read.
    """
    chance = random.Random(1)
    kept: list[str] = []
    seen = 0
    for path in texts:
        for line in _lines(path, progress):
            seen += 1  # Vitter's algorithm R: after each line, every line so far is kept with the same chance
            if len(kept) < most:
                kept.append(line)
            elif (i := chance.randrange(seen)) < most:
                kept[i] = line
    return [normalize_librispeech(line) for line in kept]


def _lines(path: Path, progress: Progress) -> Iterator[str]:
    """Lines that are not empty, of a plain or gzipped file; progress in megabytes read."""
    check_texts([path])
    megabytes = path.stat().st_size // 1_000_000
    try:
        with open(path, "rb") as raw, progress(f"reading {path.name} (MB)", megabytes) as advance:
            told = 0
            for number, line in enumerate(decoded_lines(raw, path.suffix == ".gz")):
                if number % STRIDE == 0:
                    now = raw.tell() // 1_000_000
                    advance(now - told)
                    told = now
                if line.strip():
                    yield line
    except UnicodeDecodeError as e:
        raise UsageError(f"--text {path}: not UTF-8 text: {e.reason}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise UsageError(f"--text {path}: not gzip, or cut short: {e}") from None
