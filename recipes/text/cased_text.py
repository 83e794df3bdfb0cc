"""Cased text for the text restorer: novels and modern prose, cut into held-out and training documents.

    python recipes/text/cased_text.py books --known data/text/lm_prose.txt --output data/text/novels
    python recipes/text/cased_text.py speeches government --output data/text/modern

The folders may hold plain text (.txt), Markdown (.md), TEI (.xml) and CNXML (.cnxml), at any depth. Two files are written,
`OUTPUT.train.txt` and `OUTPUT.dev.txt`: one paragraph a line, an empty line between documents. Every document of which the digest of the
name falls to `--held-out` goes into the second.

**Books of LibriSpeech's dev and test sets.** With `--known`, a file is used only if recipes/librispeech/books.py finds it cleared, as for the
language model. Give `--known` for every folder of novels.

**Sentences that are left out.** A sentence with digits, symbols, Roman numerals, web addresses or unknown abbreviations is left out, since nobody can
tell how it is read aloud. Titles and a few abbreviations are written in full.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from asr.console import one_line_errors
from asr.errors import UsageError
from asr.files import write_atomically
from asr.text.normalize import APOSTROPHES, fold_accents
from asr.train.sentences import read_sentences

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "librispeech"))
import books

ABBREVIATIONS = {
    "Messrs": "Messieurs", "Sen": "Senator", "Rep": "Representative", "Gov": "Governor", "Hon": "Honorable", "Jr": "Junior", "Sr": "Senior",
    "Ms": "Miz", "vs": "versus", "etc": "et cetera",
}  # fmt: skip
ABBREVIATION = re.compile(rf"\b({'|'.join(ABBREVIATIONS)})\.(?=[\s,;:!?])")
INITIAL = re.compile(r"\b([A-Z])\.(?=\s+[A-Z])")
NOT_READ = re.compile(
    rf"{books.NOT_READ.pattern}|\w\.\w|\w[,;:!?]\w|\w/\w|\b(?:vol|viz|No|Fig|al|Inc|Co|Ltd|e\.g|i\.e)\.|https?:|www|\[|\]|_"
)
SHORTEST_WORDS = 150  # of a document
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.S)
MARKDOWN = (
    (re.compile(r"```.*?```|\{[{%].*?[}%]\}|<!--.*?-->", re.S), " "),
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), " "),
    (re.compile(r"\[([^\]]*)\]\([^)]*\)(?:\{[^}]*\})?"), r"\1"),
    (re.compile(r"\[([^\]]*)\]\[[^\]]*\]"), r"\1"),
    (re.compile(r"^[ \t]*(?:[-*+>]|\d+\.)\s+", re.M), ""),
    (re.compile(r"[*`\\]|(?<!\w)_|_(?!\w)"), ""),
)
CNXML_PARAGRAPH = re.compile(r"<para\b[^>]*>(.*?)</para>", re.S)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of texts")
    parser.add_argument("--known", type=Path, help="sentences of books that may be learnt, normalised, one a line")
    parser.add_argument("--output", type=Path, required=True, help="start of the names of both files")
    parser.add_argument("--held-out", type=float, default=0.03, help="fraction of the documents to hold out (default: %(default)s)")
    parser.add_argument("--words", type=int, default=60_000, help="most words of a document (default: %(default)s)")
    arguments = parser.parse_args()
    make(arguments.folders, arguments.known, arguments.output, arguments.held_out, arguments.words)


def make(folders: list[Path], known: Path | None, output: Path, held_out: float = 0.03, words: int = 60_000) -> None:
    """Write both files and print their sizes.

    Args:
        folders: Folders of texts.
        known: Sentences of cleared books (see books.py). None: every document is used.
        output: Start of the names of both files.
        held_out: Fraction of the documents to hold out.
        words: Most words of a document.

    Raises:
        UsageError: A folder is missing, or there is no document.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    endings = ("*.txt", "*.md", "*.xml", "*.cnxml")
    paths = sorted({path for folder in folders for ending in endings for path in folder.rglob(ending) if path.is_file()})
    if known:
        books._begin(frozenset(books.digest(line) for line in read_sentences([known], "--known") if books.is_long(line)))
        paths = sorted(book.path for book in books.without_copies(book for book in map(books.look, paths) if book))
    parts: dict[str, list[str]] = {"train": [], "dev": []}
    seen: set[int] = set()
    for path in paths:
        found = list(_first_words(readable_paragraphs(path), words))
        name = re.sub(r"\W+", "", found[0])[:200] if found else ""
        if sum(line.count(" ") + 1 for line in found) < SHORTEST_WORDS or (digest := books.digest(name)) in seen:
            continue
        seen.add(digest)
        parts["dev" if _share(path.name) < held_out else "train"].append("\n".join(found) + "\n")
    if not parts["train"]:
        raise UsageError(f"{', '.join(map(str, folders))}: no document to train on in {len(paths)} files")
    for part, documents in parts.items():
        text = "\n".join(documents)
        write_atomically(output.with_name(f"{output.name}.{part}.txt"), text)
        print(f"{output.name}.{part}.txt: {len(documents)} documents, {len(text.split())} words")


def _share(name: str) -> float:
    """Return a number in [0, 1) that depends on a name alone."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little") / 2**32


def _first_words(lines: Iterator[str], most: int) -> Iterator[str]:
    count = 0
    for line in lines:
        if count >= most:
            return
        count += line.count(" ") + 1
        yield line


def readable_paragraphs(path: Path) -> Iterator[str]:
    """Yield the paragraphs of a document, without headings and without sentences that nobody can tell how to read."""
    for paragraph in _paragraphs(path):
        line = fold_accents(APOSTROPHES.sub("'", " ".join(paragraph.split())))
        if not re.search("[a-z]", line) or line[-1] not in ".,;:!?\"'\u201d)":
            continue
        line = books.TITLE.sub(lambda found: books.TITLES[found[1]], line)
        line = INITIAL.sub(r"\1", ABBREVIATION.sub(lambda found: ABBREVIATIONS[found[1]], line))
        sentences = [one for one in books.SENTENCE_END.split(line) if not NOT_READ.search(one)]
        if sentences:
            yield " ".join(sentences)


def _paragraphs(path: Path) -> Iterator[str]:
    if path.suffix in (".xml", ".txt"):
        text = books.read_book(path)
        text = re.sub(r"\APresident:.*\n", "", text)
        yield from re.split(r"\n\s*\n", text)
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".cnxml":
        for found in CNXML_PARAGRAPH.finditer(text):
            yield html.unescape(books.TAG.sub("", found[1]))
        return
    text = FRONT_MATTER.sub("", text.replace("\r\n", "\n"))
    for pattern, replacement in MARKDOWN:
        text = pattern.sub(replacement, text)
    for paragraph in re.split(r"\n\s*\n|\n(?=#)", html.unescape(books.TAG.sub(" ", text))):
        if not paragraph.lstrip().startswith(("#", "|")):
            yield paragraph


if __name__ == "__main__":
    main()
