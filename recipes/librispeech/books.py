"""More text for the language model: whole novels in place of sentences out of them.

    git clone https://github.com/COST-ELTeC/ELTeC-eng books/eltec
    git clone https://github.com/birmingham-ccr/corpora books/clic
    git clone https://github.com/dhmit/gender_novels books/gender-novels
    git clone https://github.com/computationalstylistics/100_english_novels books/hundred
    git clone https://github.com/rcdm-uga/Gutenberg_Text books/gutenberg
    git clone https://github.com/mlschmitt/classic-books-markdown books/markdown
    python recipes/librispeech/books.py books --known data/text/lm_prose.txt --output data/text/lm_books.txt

The folder may hold any plain text (.txt, with Project Gutenberg's notices or without), Markdown (.md) and TEI (.xml), which is all looked through.

**Which books are taken.** LibriSpeech's dev and test sets are read from novels as well, and none of those may be learnt. `--known` holds
sentences of books that were cleared of that: a book is taken if enough of its own sentences stand there, in every part of it, and only then.
A book that nobody cleared is left, be it ever so good. Texts that are there twice are taken once.

**What is written.** Normalised passages, one a line, of 4 to 50 words (the logarithm drawn evenly, by `--seed`), cut where there is
punctuation. A reader's utterances are like that: pieces of sentences, and several in one, which a language model of single sentences
never sees. Headings, and phrases with digits or symbols, which no one can tell how to read, are left out. A passage ends there, and where
the next phrase would make it too long, and with the book: some have fewer words than four.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import math
import random
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

from asr.console import one_line_errors
from asr.errors import UsageError
from asr.files import write_atomically
from asr.text.normalize import normalize_librispeech
from asr.train.sentences import read_sentences

LEAST_WORDS = 6  # of a sentence that tells which book it is from
PARTS = 10  # of a book, each of which is to be known
KNOWN_SHARE = 0.05  # of a book's sentences: most books that `--known` was drawn from have 7 to 17 %, nearly all others less than 2
SEEN_SHARE = 0.5  # a book with more than this in a larger one is the same
PASSAGE_WORDS = (4, 50)

TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Dr": "Doctor", "St": "Saint", "Capt": "Captain", "Col": "Colonel", "Gen": "General",
    "Lieut": "Lieutenant", "Prof": "Professor", "Rev": "Reverend",
}  # fmt: skip
TITLE = re.compile(rf"\b({'|'.join(TITLES)})\b\.?(?=\s)")
OTHER_ABBREVIATION = re.compile(r"\b([A-Z]|Messrs|Mme|Mlle|Esq|Jr|Sr|Hon|No|vol|viz|etc|i\.e|e\.g)\.(?=\s)")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]_]*\s+(?=[\"'“‘(\[_]*[A-Z])")
PHRASE_END = re.compile(r"(?<=[.,;:!?—])[\"'”’)\]_]*\s+|--+|—")
EDGE = re.compile(r"(?<![A-Z])'|'(?![A-Z])")
NOT_READ = re.compile(r"[\d@#$£€%&*+=<>/\\|~^{}§°©™½¼¾]|\b[IVXLC]{2,}\b|\[Illustration")
START = re.compile(r"\*\*\* ?START OF.{0,200}?\*\*\*|\*END\*? ?THE SMALL PRINT.{0,100}", re.S)
END = re.compile(r"\*\*\* ?END OF|End of (?:the )?Project Gutenberg", re.I)
TEI_NOTE = re.compile(r"<note\b.*?</note>", re.S)
TEI_BREAK = re.compile(r"<head\b.*?</head>|</p>|</l>", re.S)
TAG = re.compile(r"<[^>]+>")
MARKDOWN_SIGN = re.compile(r"[*\\]|^> ?", re.M)  # of emphasis, escapes and quotations; headings stay, and are left out as such


@dataclass(frozen=True)
class Book:
    """A book that is taken."""

    path: Path
    sentences: frozenset[int]
    """digests of the longer ones"""
    length: int
    """sentences"""


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=Path, nargs="+", help="folders of texts")
    parser.add_argument("--known", type=Path, required=True, help="sentences of books that may be learnt, normalised, one a line")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1, help="where passages are cut")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    make(arguments.books, arguments.known, arguments.output, arguments.seed, arguments.processes)


def make(folders: list[Path], known: Path, output: Path, seed: int, processes: int = 1) -> None:
    """Write the passages of all cleared books. Raises UsageError where there is no book, or none that is known, ConfigError without known text."""
    if processes < 1:
        raise UsageError(f"--processes {processes}: expected a whole number from 1")
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    paths = sorted({p for folder in folders for ending in ("*.txt", "*.md", "*.xml") for p in folder.rglob(ending) if p.is_file()})
    if not paths:
        raise UsageError(f"{', '.join(map(str, folders))}: no .txt, .md or .xml file in there")
    cleared = frozenset(digest(line) for line in read_sentences([known], "--known") if is_long(line))
    told = Console(stderr=True)
    with ProcessPoolExecutor(processes, initializer=_begin, initargs=(cleared,)) as pool:
        try:
            looks = pool.map(look, paths)
            found = [book for book in track(looks, "looking", len(paths), console=told, disable=not told.is_terminal) if book]
            books = without_copies(found)
            if not books:
                raise UsageError(f"none of {len(paths)} texts is a book that sentences of {known} are from")
            reads = pool.map(partial(read_passages, seed=seed), [book.path for book in books])
            passages = list(track(reads, "cutting", len(books), console=told, disable=not told.is_terminal))
        except KeyboardInterrupt:  # which does not wait for the books that are left
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    lines = [line for part in passages for line in part]
    write_atomically(output, "\n".join(lines) + "\n")
    words = sum(line.count(" ") + 1 for line in lines)
    print(f"{len(paths)} texts, {len(found)} of them cleared, {len(found) - len(books)} there twice")
    print(f"{output.name}: {len(books)} books, {len(lines)} passages, {words} words")


# ---------------------------------------------------------------- which books


_cleared: frozenset[int] = frozenset()
"""digests of the known sentences, in each of the pool's processes"""


def _begin(cleared: frozenset[int]) -> None:
    global _cleared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes, and the first of them ends the others
    _cleared = cleared


def digest(sentence: str) -> int:
    """64-bit hash of a sentence, the same in every process: enough for a million sentences."""
    return int.from_bytes(hashlib.blake2b(sentence.encode(), digest_size=8).digest(), "little")


def is_long(sentence: str) -> bool:
    """Whether a sentence identifies its book."""
    return sentence.count(" ") >= LEAST_WORDS - 1


def look(path: Path) -> Book | None:
    """The book in a file, if it is known in all its parts. A file that cannot be read is reported and skipped."""
    try:
        text = read_book(path)
    except OSError as e:
        print(f"{path}: left out, it cannot be read: {e.strerror}", file=sys.stderr)
        return None
    sentences = [digest(s) for s in normalized_sentences(text) if is_long(s)]
    known = [i for i, s in enumerate(sentences) if s in _cleared]
    if not sentences or len(known) < KNOWN_SHARE * len(sentences):
        return None
    if len({PARTS * i // len(sentences) for i in known}) < PARTS:
        return None
    return Book(path, frozenset(sentences), len(sentences))


def without_copies(books: Iterable[Book]) -> list[Book]:
    """The books, larger ones first, without those that are mostly in one that is there already."""
    seen: set[int] = set()
    kept = []
    for book in sorted(books, key=lambda b: (-b.length, b.path)):
        if len(book.sentences & seen) <= SEEN_SHARE * len(book.sentences):
            kept.append(book)
            seen |= book.sentences
    return kept


# ---------------------------------------------------------------- what is in them


def read_book(path: Path) -> str:
    """A book's own text, without what was added to it. Raises OSError."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # many of Project Gutenberg's
    if path.suffix == ".xml":
        text = TEI_BREAK.sub("\n\n", TEI_NOTE.sub(" ", text[max(0, text.find("<body")) :]))
        return html.unescape(TAG.sub(" ", text))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if path.suffix == ".md":
        return MARKDOWN_SIGN.sub("", text)
    start = 0
    for found in START.finditer(text, 0, 30_000):  # the last notice at the top
        start = found.end()
    end = END.search(text, max(start, len(text) - 40_000))
    return text[start : end.start() if end else None]


def paragraphs(text: str) -> Iterator[str]:
    """One line each, titles in full, without headings."""
    for paragraph in re.split(r"\n\s*\n", text):
        line = " ".join(paragraph.split())
        if re.search("[a-z]", line) and line[-1] in ".,;:!?\"'”’)]_-—":
            yield OTHER_ABBREVIATION.sub(r"\1", TITLE.sub(lambda found: TITLES[found[1]], line))


def normalized(text: str) -> str:
    """As LibriSpeech's texts, which have no apostrophe at a word's edge: TIS, and a quoted word without its marks."""
    return EDGE.sub("", normalize_librispeech(text))


def normalized_sentences(text: str) -> Iterator[str]:
    """Sentences as `--known` has them."""
    for paragraph in paragraphs(text):
        for sentence in SENTENCE_END.split(paragraph):
            if normal := normalized(sentence):
                yield normal


def passages(text: str, chance: random.Random) -> Iterator[str]:
    """Runs of phrases, of as many words as chance wills or a few more; of fewer before a phrase that cannot be read or joined, and at the end."""
    least, most = map(math.log, PASSAGE_WORDS)
    words: list[str] = []
    wanted = math.exp(chance.uniform(least, most))
    for paragraph in paragraphs(text):
        for phrase in PHRASE_END.split(paragraph):
            unreadable = NOT_READ.search(phrase)
            more = [] if unreadable else normalized(phrase).split()
            full = len(words) + len(more) > PASSAGE_WORDS[1]
            if words and (unreadable or full or len(words) >= wanted):
                yield " ".join(words)
                words, wanted = [], math.exp(chance.uniform(least, most))
            if len(more) <= PASSAGE_WORDS[1]:
                words += more
    if words:
        yield " ".join(words)


def read_passages(path: Path, seed: int) -> list[str]:
    """A book's passages; where they are cut depends on the seed and the file's name."""
    return list(passages(read_book(path), random.Random(f"{seed} {path.name}")))


if __name__ == "__main__":
    main()
